"""Pre-norm transformer over time, the same for training (whole sequences) and streaming (chunks with a ring cache)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiolm.errors import AudiolmError
from audiolm.nn.attention import Attention, Context, Ring
from audiolm.nn.feedforward import FeedForward
from audiolm.nn.masks import segment_pieces, segment_positions, sequence_mask
from audiolm.nn.norms import make_norm
from audiolm.nn.rope import rotary_table


@dataclass
class TransformerConfig:
    """Shape of a transformer.

    Attributes:
        dim: channels.
        layers: number of blocks.
        heads: attention heads; ``dim / heads`` channels each.
        kv_heads: heads of keys and values (grouped-query attention); None = as many as ``heads``.
        ffn_dim: inner width of the feed-forward block; of one half where it is gated (Moshi 7B: 11264).
        ffn: ``silu_gated`` (Moshi) or ``gelu`` (Mimi).
        norm: ``rms`` (Moshi) or ``layer`` (Mimi).
        norm_eps: added to the mean square or the variance; None = 1e-8 for ``rms``, 1e-5 for ``layer``.
        layer_scale: initial value of the learnt scale on each residual branch (Mimi: 0.01); None = no such scale.
        causal: frames see no later frame.
        context: a frame sees itself and the ``context - 1`` frames before it; None = all before it.
        qkv_bias: queries, keys and values have a bias (Qwen2).
        rope_base: base of the rotary positions; None = no positions.
        dropout: on attention weights and residual branches.
    """

    dim: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int | None = None
    ffn_dim: int = 704
    ffn: Literal["silu_gated", "gelu"] = "silu_gated"
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float | None = None
    layer_scale: float | None = None
    causal: bool = True
    context: int | None = None
    rope_base: float | None = 10000.0
    qkv_bias: bool = False
    dropout: float = 0.0

    def __post_init__(self):
        kv_heads = self.kv_heads or self.heads
        if self.dim % self.heads or self.heads % kv_heads:
            raise AudiolmError(
                f"transformer of dim {self.dim}, heads {self.heads}, kv_heads {kv_heads}: heads must divide dim and "
                "kv_heads must divide heads; change one of them in the config"
            )
        if self.context is not None and (self.context < 1 or not self.causal):
            raise AudiolmError(
                f"transformer context {self.context}, causal {self.causal}: a context is a number of frames ≥ 1 of a "
                "causal transformer; set context to null or causal to true"
            )


class TransformerLayer(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)), each branch scaled where ``layer_scale`` is set."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.dropout = config.dropout
        self.norm1 = make_norm(config.norm, config.dim, config.norm_eps)
        self.attention = Attention(
            config.dim, config.heads, config.kv_heads or config.heads, config.dropout, config.qkv_bias
        )
        self.norm2 = make_norm(config.norm, config.dim, config.norm_eps)
        self.feedforward = FeedForward(config.dim, config.ffn_dim, gated=config.ffn == "silu_gated")
        if config.layer_scale is None:
            self.scale1 = self.scale2 = None
        else:
            self.scale1 = nn.Parameter(torch.full((config.dim,), config.layer_scale))
            self.scale2 = nn.Parameter(torch.full((config.dim,), config.layer_scale))

    def forward(self, x: Tensor, context: Context, ring: Ring | None = None) -> Tensor:
        x = self._residual(x, self.attention(self.norm1(x), context, ring), self.scale1)
        return self._residual(x, self.feedforward(self.norm2(x)), self.scale2)

    def _residual(self, x: Tensor, branch: Tensor, scale: Tensor | None) -> Tensor:
        if scale is not None:
            branch = branch * scale
        if self.dropout:
            branch = F.dropout(branch, self.dropout, self.training)
        return x + branch


class Transformer(nn.Module):
    """A stack of layers; the input is [B, T, dim] already and no norm follows the last layer.

    Streaming: ``cache = transformer.make_cache(batch)`` and ``transformer(chunk, cache)`` for one chunk after another
    equals ``transformer(whole)`` up to rounding, for any chunking into at most ``chunk`` frames.
    """

    cache_dtype: torch.dtype | None = None  # of keys and values that are kept; None: as the norms' weights

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.apply(init_linear)
        # The residual stream sums 2 · layers branches: keep its variance that of one.
        for layer in self.layers:
            for out in (layer.attention.out_proj, layer.feedforward.linear_out):
                nn.init.normal_(out.weight, std=(2 * config.layers * out.in_features) ** -0.5)

    def forward(
        self,
        x: Tensor,
        cache: "TransformerCache | None" = None,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
    ) -> Tensor:
        """[B, T, dim] -> [B, T, dim]; with a cache the T frames follow those that it has seen, and it moves on by T.

        Args:
            segments, prefix: without a cache, which sequence each place belongs to, and what is read both ways, as
                :func:`audiolm.nn.masks.sequence_mask` takes them; positions begin anew in each sequence.
        """
        if segments is not None:
            context = self._segment_context(segments, prefix)
        else:
            context = self._offline_context(x) if cache is None else self._cached_context(x, cache)
        for index, layer in enumerate(self.layers):
            x = layer(x, context, None if cache is None else cache.rings[index])
        if cache is not None:
            cache.position += x.shape[1]
        return x

    def make_cache(self, batch: int, chunk: int = 1, frames: int | None = None) -> "TransformerCache":
        """Ring buffers of fixed size for streaming ``batch`` sequences in chunks of at most ``chunk`` frames.

        Args:
            frames: the longest sequence, where it is known: no more is kept than that. Needed where the config sets no
                ``context``; there, frames beyond it see the last ``frames`` only.

        Raises:
            AudiolmError: the transformer is not causal, or has no context and ``frames`` is not given.
        """
        if not self.config.causal:
            raise AudiolmError("a transformer with causal: false cannot stream; use it on whole sequences")
        window = min((length for length in (self.config.context, frames) if length is not None), default=None)
        if window is None:
            raise AudiolmError("a transformer without context needs the longest sequence to stream; set its context")
        head_dim, kv_heads = self.config.dim // self.config.heads, self.config.kv_heads or self.config.heads
        weight = self.layers[0].norm1.weight
        device, dtype = weight.device, self.cache_dtype or weight.dtype
        rings = [
            Ring.make(batch, kv_heads, window + chunk - 1, head_dim, dtype, device) for _ in range(self.config.layers)
        ]
        return TransformerCache(rings, torch.zeros(batch, dtype=torch.int64, device=device), window, chunk)

    def _rotary(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.config.rope_base is None:
            return None
        return rotary_table(positions, self.config.dim // self.config.heads, self.config.rope_base)

    def _offline_context(self, x: Tensor) -> Context:
        positions = torch.arange(x.shape[1], device=x.device)
        window = self.config.context
        if window is None or x.shape[1] <= window:
            return Context(self._rotary(positions), None, self.config.causal)
        if x.shape[1] > 3 * window:  # from here on blocks of a window are at most 7/9 of the products
            return Context(self._rotary(positions), None, self.config.causal, window=window)
        distance = positions[:, None] - positions  # [queries, keys]
        mask = (distance >= 0) & (distance < window)
        return Context(self._rotary(positions), mask, self.config.causal)

    def _segment_context(self, segments: Tensor, prefix: Tensor | None) -> Context:
        rotary, causal = self._rotary(segment_positions(segments)), self.config.causal
        seen = segments, causal, prefix, self.config.context
        if segments.device.type == "cpu":  # a mask computes the products of all pieces of a row
            return Context(rotary, None, causal, pieces=segment_pieces(*seen))
        return Context(rotary, sequence_mask(*seen), causal)

    def _cached_context(self, x: Tensor, cache: "TransformerCache") -> Context:
        frames, capacity = x.shape[1], cache.capacity
        if frames > cache.chunk:
            raise ValueError(f"a chunk of {frames} frames for a cache made for at most {cache.chunk}")
        queries = cache.position[:, None] + torch.arange(frames, device=x.device)  # [B, T]
        # Index j holds the last position p ≤ newest with p ≡ j (mod capacity); negative = never written.
        newest = queries[:, -1:]
        on_cpu = x.device.type == "cpu"  # elsewhere all is one size, for graphs, and nothing waits for a number
        written = cache.rings[0].looked_at(min(capacity, int(newest.max()) + 1)) if on_cpu else capacity
        keys = newest - (newest - torch.arange(written, device=x.device)) % capacity  # [B, written]
        distance = queries[:, :, None] - keys[:, None]  # [B, T, written]
        mask = ((distance >= 0) & (distance < cache.window) & (keys >= 0)[:, None])[:, None]
        if on_cpu and mask.all():
            mask = None
        place = cache.rings[0].place(queries % capacity)
        return Context(self._rotary(queries), mask, causal=False, place=place, written=written)


@dataclass
class TransformerCache:
    """Streaming state: one ring a layer, and for each slot of the batch the number of frames it has seen.

    Attributes:
        rings: keys and values of each layer.
        position: int64 [B].
        window: frames that a query sees, itself included.
        chunk: the most frames of one call.
    """

    rings: list[Ring]
    position: Tensor
    window: int
    chunk: int

    @property
    def capacity(self) -> int:
        return self.rings[0].capacity

    def reset(self, slots: Sequence[int] | Tensor | None = None) -> None:
        """Begin new sequences in ``slots`` (indices; None = all). What their rings hold is never seen again."""
        self.position[slice(None) if slots is None else slots] = 0


def init_linear(module: nn.Module) -> None:
    """Normal weights of variance 1 / inputs, no bias: keeps the variance of normalised activations."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
