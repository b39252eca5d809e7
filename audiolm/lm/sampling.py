"""Choosing a token from logits."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: logits are divided by it; 0 takes the likeliest token.
        top_k: only the likeliest k; 0 = all.
    """

    temperature: float = 1.0
    top_k: int = 0


def sample(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """Draw one token a row: [..., V] -> int64 [...]."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits.float() / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    # The likeliest of exponentially distributed races is a draw from the softmax: no sums, no second pass.
    races = torch.empty_like(logits).exponential_(generator=generator)
    return (logits.softmax(dim=-1) / races).argmax(dim=-1)
