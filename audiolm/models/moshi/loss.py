"""Moshi's training loss (section 4.4): CE(text) + Σₖ αₖ CE(codesₖ) / Σₖ αₖ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from audiolm.text.tokenizer import EPAD, PAD
from audiolm.train.ranks import mean_ranks


@dataclass
class LossConfig:
    """Weights of the loss.

    Attributes:
        semantic_weight, acoustic_weight: α of each speaker's first codebook level and of the others (paper: 100, 1).
        pad_weight: weight of text targets that are padding (paper: 0.5).
        text_padding: ``paper``: PAD is padding, and the text loss is divided by the number of targets.
            ``moshi_finetune``: EPAD is padding too, and the loss is divided by the sum of the weights.
    """

    semantic_weight: float = 100.0
    acoustic_weight: float = 1.0
    pad_weight: float = 0.5
    text_padding: Literal["paper", "moshi_finetune"] = "paper"


def text_loss(logits: Tensor, targets: Tensor, config: LossConfig, scale: Tensor | float = 1.0) -> Tensor:
    """Weighted cross entropy of the text stream, a scalar.

    Args:
        logits: [..., V].
        targets: int64 [...]; outside 0 … V - 1 (absent, start token) = not a target.
        scale: factor on each target's loss, broadcast to [...]; the divisor does not know it.
    """
    is_target = (targets >= 0) & (targets < logits.shape[-1])
    padding = targets == PAD
    if config.text_padding == "moshi_finetune":
        padding = padding | (targets == EPAD)
    weights = torch.where(padding, config.pad_weight, 1.0) * is_target
    total = weights.sum() if config.text_padding == "moshi_finetune" else is_target.sum()
    return (cross_entropy(logits, targets) * weights * scale).sum() / mean_ranks(total).clamp(min=1e-8)


def codes_loss(parts: Sequence[tuple[Tensor, Tensor]], alphas: Tensor) -> Tensor:
    """Σₖ αₖ CE(codesₖ) / Σₖ αₖ over all targets of all parts, a scalar.

    Args:
        parts: (logits [K, N, V], targets int64 [K, N]) each, of the first K levels; targets outside 0 … V - 1 are none.
        alphas: [≥ K].
    """
    total = weight = alphas.new_zeros(())
    for logits, targets in parts:
        weights = alphas[: len(logits), None] * ((targets >= 0) & (targets < logits.shape[-1]))
        total = total + (cross_entropy(logits, targets) * weights).sum()
        weight = weight + weights.sum()
    return total / mean_ranks(weight).clamp(min=1e-8)


def level_weights(levels: int, predicted: int, config: LossConfig) -> Tensor:
    """α of each predicted code, float32 [predicted]: semantic weight at every speaker's first level."""
    alphas = torch.full((predicted,), config.acoustic_weight)
    alphas[::levels] = config.semantic_weight
    return alphas


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy in nats of each position, [..., V] and [...] -> [...]; 0 where the target is outside 0 … V - 1."""
    vocab = logits.shape[-1]
    targets = torch.where((targets >= 0) & (targets < vocab), targets, -100)
    losses = F.cross_entropy(logits.reshape(-1, vocab).float(), targets.flatten(), ignore_index=-100, reduction="none")
    return losses.view(targets.shape)
