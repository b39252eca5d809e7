"""Normalisation layers over the last axis."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight, over the last axis (Zhang & Sennrich 2019, eq. 4).

    Computed in float32 whatever the autocast type, because a mean of squares over thousands of channels loses
    its small terms in bfloat16.
    """

    def __init__(self, dim: int, eps: float = 1e-8):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:  # [..., dim] -> [..., dim]
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps)


def make_norm(kind: str, dim: int, eps: float | None = None) -> nn.Module:
    """``"rms"`` (Moshi's transformers; eps 1e-8 by default) or ``"layer"`` (Mimi's bottleneck; 1e-5)."""
    if kind == "rms":
        return RMSNorm(dim, 1e-8 if eps is None else eps)
    return nn.LayerNorm(dim, eps=1e-5 if eps is None else eps)
