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

    Pairs are halves, not neighbours: layouts with neighbouring pairs (the ``moshi`` package, Helium) are loaded by
    permuting the rows of the query and key projections (:func:`pairs_to_halves`).
    """
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def pairs_to_halves(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key projection [heads · head_dim, dim] whose pairs are neighbours, (2i, 2i + 1), as halves."""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def halves_to_pairs(weight: Tensor, heads: int) -> Tensor:
    """The inverse of :func:`pairs_to_halves`."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
