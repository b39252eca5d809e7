"""Rotary position embedding."""

import torch
from torch import Tensor


def rotary_table(positions: Tensor, head_dim: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines that :func:`rotate` applies (Su et al. 2021, section 3.2).

    Channel pair i of a head turns by ``position · base^(-2i / head_dim)``.

    Args:
        positions: int64 [T] (one for the whole batch) or [B, T] (one per slot).
        head_dim: channels of one attention head, even.

    Returns:
        cos and sin, float32 [..., T, 1, head_dim / 2]: they broadcast over heads.
    """
    index = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    angles = positions[..., None].float() * base ** (-index / head_dim)
    return angles.cos().unsqueeze(-2), angles.sin().unsqueeze(-2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn channel pairs (i, i + head_dim / 2) of ``x`` [B, T, heads, head_dim] by the table's angles.

    Pairs are halves, not neighbours: layouts with neighbouring pairs (the ``moshi`` package) are loaded by permuting
    the rows of the query and key projections.
    """
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
