"""Causal self-attention with rotary positions, grouped keys, a sliding window and fixed ring caches."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiolm.nn.rope import rotate

BLOCK = 256  # indices of a ring, at most


@dataclass
class Ring:
    """Keys and values of one layer, [blocks, B, kv_heads, length, head_dim].

    Position p lies at index p mod (blocks * length), index i in block i // length: on a CPU the first blocks are one
    piece of memory for its products, however many have been written.
    """

    keys: Tensor
    values: Tensor

    @classmethod
    def make(cls, batch: int, kv_heads: int, capacity: int, head_dim: int, dtype: torch.dtype, device) -> "Ring":
        """For ``capacity`` indices, or as many more as make blocks of one length."""
        blocks = -(-capacity // BLOCK) if torch.device(device).type == "cpu" and dtype != torch.float32 else 1
        shape = (blocks, batch, kv_heads, -(-capacity // blocks), head_dim)
        return cls(*(torch.zeros(shape, dtype=dtype, device=device) for _ in range(2)))

    @property
    def capacity(self) -> int:
        return self.keys.shape[0] * self.keys.shape[3]

    def looked_at(self, written: int) -> int:
        """So many of the first indices are looked at to see ``written`` ones: part of a block, or whole blocks."""
        length = self.keys.shape[3]
        return written if written <= length else -(-written // length) * length

    def place(self, slots: Tensor) -> tuple:
        """Where indices ``slots``, int64 [B, T], lie: for :meth:`write`, once for the rings of all layers."""
        length = self.keys.shape[3]
        rows = torch.arange(len(slots), device=slots.device)[:, None]
        return slots // length, rows, slice(None), slots % length

    def write(self, keys: Tensor, values: Tensor, place: tuple) -> None:
        """Put keys and values [B, kv_heads, T, head_dim] at a ``place`` [B, T]."""
        for kept, new in ((self.keys, keys), (self.values, values)):
            kept[place] = new.transpose(1, 2).to(kept.dtype)


@dataclass
class Context:
    """What every layer of one forward pass shares.

    Attributes:
        rotary: cosines and sines of :func:`audiolm.nn.rope.rotary_table`, or None without positions.
        mask: bool, True = may be seen, [T, T] offline or [B, 1, T, written] with a cache; None = no restriction
            beyond ``causal``.
        causal: queries see no later key (only where ``mask`` is None: masks already say so).
        place: with a cache, the place of each new frame in the rings (:meth:`Ring.place`).
        written: with a cache, how many of the ring's first indices are looked at (:meth:`Ring.looked_at`).
        window: offline and causal, without ``mask``: a query sees itself and the ``window - 1`` keys before it.
        pieces: offline, in place of ``mask``: the pieces that the rows consist of (:func:`attend_in_pieces`).
    """

    rotary: tuple[Tensor, Tensor] | None
    mask: Tensor | None
    causal: bool
    place: tuple | None = None
    written: int | None = None
    window: int | None = None
    pieces: list[tuple[int, Tensor | None]] | None = None


class Attention(nn.Module):
    """Multi-head self-attention; ``kv_heads < heads`` shares keys and values in groups (Ainslie et al. 2023)."""

    def __init__(
        self, dim: int, heads: int, kv_heads: int, dropout: float = 0.0, bias: bool = False, out_bias: bool = False
    ):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, dim // heads
        self.dropout = dropout
        self.in_proj = nn.Linear(dim, (heads + 2 * kv_heads) * self.head_dim, bias)  # rows: queries, keys, values
        self.out_proj = nn.Linear(dim, dim, out_bias)

    def forward(self, x: Tensor, context: Context, ring: Ring | None = None) -> Tensor:
        """[B, T, dim] -> [B, T, dim]; with ``ring``, also writes the new keys and values into it."""
        batch, frames, dim = x.shape
        projected = self.in_proj(x).view(batch, frames, -1, self.head_dim)
        queries_keys, values = projected.split((self.heads + self.kv_heads, self.kv_heads), dim=2)
        if context.rotary is not None:
            queries_keys = rotate(queries_keys, *context.rotary)
        queries, keys = queries_keys.split((self.heads, self.kv_heads), dim=2)
        dropout = self.dropout if self.training else 0.0
        inputs = [y.transpose(1, 2) for y in (queries, keys, values)]
        if ring is not None:
            ring.write(*inputs[1:], context.place)
            attended = attend_ring(inputs[0], ring, context.written, context.mask)
        elif context.pieces is not None:
            attended = attend_in_pieces(*inputs, context.pieces, context.causal, dropout)
        elif context.window is None:
            attended = attend(*inputs, context.mask, context.causal, dropout)
        else:
            attended = attend_in_window(*inputs, context.window, dropout)
        return self.out_proj(attended.transpose(1, 2).reshape(batch, frames, dim))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool, dropout: float) -> Tensor:
    """softmax(queries · keysᵀ / √head_dim) · values.

    Args:
        queries: [B, heads, T, head_dim].
        keys, values: [B, kv_heads, S, head_dim], kv_heads a divisor of heads.
        mask: bool, broadcast to [B, heads, T, S], True = may be seen; None = all, or nothing later if ``causal``.
        dropout: probability of dropping an attention weight.

    Returns:
        [B, heads, T, head_dim].
    """
    offline = mask is None or mask.ndim == 2
    if offline and queries.device.type == "cpu" and queries.dtype == torch.bfloat16 and torch.is_grad_enabled():
        # torch's fused CPU attention runs its bfloat16 backward pass three to five times slower than plain products.
        return _attend_by_products(queries, keys, values, mask, causal, dropout)
    return F.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        is_causal=causal and mask is None,
        dropout_p=dropout,
        enable_gqa=keys.shape[1] != queries.shape[1],
    )


FEW = 4  # queries of a head
LONG = 1000  # keys of all heads


def attend_ring(queries: Tensor, ring: Ring, written: int, mask: Tensor | None) -> Tensor:
    """:func:`attend` to the first ``written`` indices of a ring, in the type in which it keeps them.

    Args:
        queries: [B, heads, T, head_dim].
        written: of :meth:`Ring.looked_at`.
        mask: bool [B, 1, T, written], True = may be seen; None = all.

    Returns:
        [B, heads, T, head_dim], of the queries' type.
    """
    _, batch, kv_heads, length, head_dim = ring.keys.shape
    heads, frames = queries.shape[1:3]
    blocks, used = -(-written // length), min(written, length)
    keys, values = (kept[:blocks, :, :, :used] for kept in (ring.keys, ring.values))
    kept = queries.to(keys.dtype)
    half = queries.device.type == "cpu" and keys.dtype != torch.float32
    few = half and frames <= FEW and batch * kv_heads * written >= LONG
    if blocks == 1 and (not few or torch.is_grad_enabled()):
        return attend(kept, keys[0], values[0], mask, False, 0.0).to(queries.dtype)
    # torch's fused CPU attention takes six times as long for one query of a long ring in bfloat16.
    grouped = (kept * head_dim**-0.5).reshape(batch, kv_heads, -1, head_dim)  # heads that share keys, side by side
    scores = grouped.expand(blocks, -1, -1, -1, -1) @ keys.mT  # [blocks, B, kv_heads, heads / kv_heads * T, used]
    scores = scores.permute(1, 2, 3, 0, 4).reshape(batch, heads, frames, written)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1).view(batch, kv_heads, -1, blocks, used)
    parts = weights.permute(3, 0, 1, 2, 4) @ values  # [blocks, B, kv_heads, heads / kv_heads * T, head_dim]
    return parts.sum(dim=0, dtype=queries.dtype).view(batch, heads, frames, head_dim)


def attend_in_window(queries: Tensor, keys: Tensor, values: Tensor, window: int, dropout: float) -> Tensor:
    """:func:`attend` where a query sees itself and the ``window - 1`` keys before it, in time and memory linear in T.

    Queries go in blocks of ``window``: each block needs the keys of its own and of the block before it only.
    """
    frames = queries.shape[2]
    whole = [F.pad(y, (0, 0, 0, -frames % window)) for y in (queries, keys, values)]
    first = attend(*(y[:, :, :window] for y in whole), None, True, dropout)
    blocks = whole[0].shape[2] // window - 1
    place = torch.arange(2 * window, device=queries.device)
    distance = place[window:, None] - place  # [queries, keys]
    mask = (distance >= 0) & (distance < window)

    def fold(y: Tensor) -> Tensor:
        """[B, heads, blocks, length, head_dim] -> [B * blocks, heads, length, head_dim]"""
        return y.transpose(1, 2).flatten(0, 1)

    later = attend(
        fold(whole[0][:, :, window:].unflatten(2, (blocks, window))),
        *(fold(y.unfold(2, 2 * window, window).mT) for y in whole[1:]),
        mask,
        False,
        dropout,
    )
    later = later.unflatten(0, (-1, blocks)).transpose(1, 2).flatten(2, 3)
    return torch.cat((first, later), dim=2)[:, :, :frames]


def attend_in_pieces(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    pieces: list[tuple[int, Tensor | None]],
    causal: bool,
    dropout: float,
) -> Tensor:
    """:func:`attend` within each piece of the rows alone: no product of two pieces is computed.

    Args:
        pieces: (length, mask [length, length] or None) of each piece, all rows one after another.
    """
    lengths = [length for length, _ in pieces]
    parted = (y.transpose(1, 2).flatten(0, 1).split(lengths) for y in (queries, keys, values))  # [length, heads, dim]
    attended = [
        attend(*(y.transpose(0, 1)[None] for y in piece), mask, causal, dropout)[0].transpose(0, 1)
        for *piece, (_, mask) in zip(*parted, pieces, strict=True)
    ]
    return torch.cat(attended).unflatten(0, (len(queries), -1)).transpose(1, 2)


def _attend_by_products(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool, dropout: float
) -> Tensor:
    batch, heads, frames, head_dim = queries.shape
    groups = heads // keys.shape[1]
    if groups > 1:
        keys, values = (y.repeat_interleave(groups, dim=1) for y in (keys, values))
    if mask is None:
        mask = torch.ones(frames, keys.shape[2], dtype=torch.bool, device=keys.device)
        mask = mask.tril() if causal else mask
    bias = torch.zeros(mask.shape, dtype=queries.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
    queries, keys, values = (y.reshape(batch * heads, -1, head_dim) for y in (queries, keys, values))
    scores = torch.baddbmm(bias, queries, keys.mT, alpha=head_dim**-0.5)  # [B * heads, T, S]
    weights = F.dropout(scores.softmax(dim=-1), dropout)
    return torch.bmm(weights, values).view(batch, heads, frames, head_dim)
