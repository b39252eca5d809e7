"""Feed-forward blocks of transformers."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeedForward(nn.Module):
    """Gated SiLU, ``W₂ (silu(W₁x) ⊙ W₃x)`` (Shazeer 2020), or plain GELU, ``W₂ gelu(W₁x)``.

    Args:
        dim: channels in and out.
        hidden: inner width, of one half where gated (Moshi 7B: 11264).
        gated: gated SiLU if true, else GELU.
        bias: both products have one.
    """

    def __init__(self, dim: int, hidden: int, gated: bool, bias: bool = False):
        super().__init__()
        self.gated = gated
        self.linear_in = nn.Linear(dim, 2 * hidden if gated else hidden, bias)
        self.linear_out = nn.Linear(hidden, dim, bias)

    def forward(self, x: Tensor) -> Tensor:  # [..., dim] -> [..., dim]
        return self.linear_out(activate(self.linear_in(x), self.gated))


def activate(hidden: Tensor, gated: bool) -> Tensor:
    """The non-linearity between the two products: [..., 2·hidden] -> [..., hidden] if gated, else same shape."""
    if not gated:
        return F.gelu(hidden)
    gate, value = torch.chunk(hidden, 2, dim=-1)
    return F.silu(gate) * value
