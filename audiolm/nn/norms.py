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


class AdaptiveNorm(nn.Module):
    """A norm whose scale and shift a condition changes: norm(x) · (1 + scale) + shift.

    scale and shift are linear in the condition and start at zero, so that training begins at the plain norm (VALL-E's
    stages: Wang et al. 2023, section 4.2.2; zero as in DiT: Peebles & Xie 2023, section 3.2).

    Args:
        norm: of the last axis.
        dim: channels of x.
        condition_dim: channels of the condition.
    """

    def __init__(self, norm: nn.Module, dim: int, condition_dim: int):
        super().__init__()
        self.norm = norm
        self.modulation = ZeroLinear(condition_dim, 2 * dim)

    @property
    def weight(self) -> Tensor:
        """Of the norm."""
        return self.norm.weight

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """[B, T, dim], and the condition [B, C] of each sequence or [B, T, C] of each place."""
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        if condition.ndim == 2:
            scale, shift = scale[:, None], shift[:, None]
        return self.norm(x) * (1 + scale) + shift


class ZeroLinear(nn.Linear):
    """A linear layer that starts at zero, and that no general initialisation touches."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def make_norm(kind: str, dim: int, eps: float | None = None) -> nn.Module:
    """``"rms"`` (Moshi's transformers; eps 1e-8 by default) or ``"layer"`` (Mimi's bottleneck; 1e-5)."""
    if kind == "rms":
        return RMSNorm(dim, 1e-8 if eps is None else eps)
    return nn.LayerNorm(dim, eps=1e-5 if eps is None else eps)
