"""Pre-norm transformer over time, the same for training (whole sequences) and streaming (chunks with a ring cache)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiolm.errors import AudiolmError
from audiolm.nn.attention import Attention, Context, Ring
from audiolm.nn.cross import CrossAttention, Memory, memory_mask, sinusoids
from audiolm.nn.feedforward import FeedForward
from audiolm.nn.masks import segment_pieces, segment_positions, sequence_mask
from audiolm.nn.norms import AdaptiveNorm, ZeroLinear, make_norm
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
        bias: every product has a bias, queries, keys and values too (GPT-2, Whisper).
        rope_base: base of the rotary positions; None = no such positions.
        positions: added to the input: ``sinusoidal`` (Whisper's encoder), ``learnt`` (GPT-2, Whisper's decoder); None =
            none.
        max_positions: of learnt positions.
        memory_dim: channels of a memory that every layer looks at after itself (cross-attention); None = none.
        condition_dim: channels of a condition that changes every norm (adaptive norms); None = none.
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
    bias: bool = False
    positions: Literal["sinusoidal", "learnt"] | None = None
    max_positions: int | None = None
    memory_dim: int | None = None
    condition_dim: int | None = None
    dropout: float = 0.0

    def __post_init__(self):
        kv_heads = self.kv_heads or self.heads
        if self.dim % self.heads or self.heads % kv_heads:
            raise AudiolmError(
                f"transformer of dim {self.dim}, heads {self.heads}, kv_heads {kv_heads}: heads must divide dim and "
                "kv_heads must divide heads; change one of them in the config"
            )
        if (self.positions == "learnt") != (self.max_positions is not None):
            raise AudiolmError(
                f"transformer positions {self.positions}, max_positions {self.max_positions}: learnt positions need "
                "the longest sequence, and no others do; set both or neither"
            )
        if self.context is not None and (self.context < 1 or not self.causal):
            raise AudiolmError(
                f"transformer context {self.context}, causal {self.causal}: a context is a number of frames ≥ 1 of a "
                "causal transformer; set context to null or causal to true"
            )


class TransformerLayer(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)), each branch scaled where ``layer_scale`` is set; between
    them x + cross-attention(norm(x), memory) where there is a memory.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.dropout = config.dropout
        self.norm1 = self._norm(config)
        bias = config.qkv_bias or config.bias
        kv_heads = config.kv_heads or config.heads
        self.attention = Attention(config.dim, config.heads, kv_heads, config.dropout, bias, config.bias)
        self.norm2 = self._norm(config)
        self.feedforward = FeedForward(config.dim, config.ffn_dim, config.ffn == "silu_gated", config.bias)
        self.adaptive = config.condition_dim is not None
        self.cross = None
        if config.memory_dim is not None:
            self.norm_cross = self._norm(config)
            self.cross = CrossAttention(config.dim, config.heads, config.memory_dim, config.bias)
        if config.layer_scale is None:
            self.scale1 = self.scale2 = None
        else:
            self.scale1 = nn.Parameter(torch.full((config.dim,), config.layer_scale))
            self.scale2 = nn.Parameter(torch.full((config.dim,), config.layer_scale))

    def forward(
        self,
        x: Tensor,
        context: Context,
        ring: Ring | None = None,
        memory: tuple[Tensor, Tensor, Tensor | None] | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """[B, T, dim] -> [B, T, dim]; ``memory`` is keys, values and mask, of layers that have cross-attention."""
        given = (condition,) if self.adaptive else ()
        x = self._residual(x, self.attention(self.norm1(x, *given), context, ring), self.scale1)
        if self.cross is not None:
            dropout = self.dropout if self.training else 0.0
            x = self._residual(x, self.cross(self.norm_cross(x, *given), *memory, dropout), None)
        return self._residual(x, self.feedforward(self.norm2(x, *given)), self.scale2)

    @staticmethod
    def _norm(config: TransformerConfig) -> nn.Module:
        norm = make_norm(config.norm, config.dim, config.norm_eps)
        return norm if config.condition_dim is None else AdaptiveNorm(norm, config.dim, config.condition_dim)

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
        if config.positions == "learnt":
            self.places = nn.Embedding(config.max_positions, config.dim)
            nn.init.normal_(self.places.weight, std=0.02)

    def forward(
        self,
        x: Tensor,
        cache: "TransformerCache | None" = None,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
        memory: Memory | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """[B, T, dim] -> [B, T, dim]; with a cache the T frames follow those that it has seen, and it moves on by T.

        Args:
            segments, prefix: without a cache, which sequence each place belongs to, and what is read both ways, as
                :func:`audiolm.nn.masks.sequence_mask` takes them; positions begin anew in each sequence.
            memory: of a transformer with ``memory_dim``, what :meth:`remember` has made.
            condition: of one with ``condition_dim``, float [B, C], or [B, T, C] for each place.

        Raises:
            AudiolmError: memory or condition is missing, or given to a transformer that has no use for it; more places
                than there are learnt positions.
        """
        self._check_given(memory, condition)
        if self.config.positions is not None:
            x = x + self._positions(x, cache, segments)
        if segments is not None:
            context = self._segment_context(segments, prefix)
        else:
            context = self._offline_context(x) if cache is None else self._cached_context(x, cache)
        for index, layer in enumerate(self.layers):
            own = None if memory is None else (*memory.layers[index], memory.mask)
            x = layer(x, context, None if cache is None else cache.rings[index], own, condition)
        if cache is not None:
            cache.position += x.shape[1]
        return x

    def remember(self, memory: Tensor, seen: Tensor | None = None) -> Memory:
        """Make a memory ready for all layers and all steps.

        Args:
            memory: float [B, M, memory_dim].
            seen: bool [B, M], False = padding; or [B, T, M], what each place sees
                (:func:`audiolm.nn.cross.seen_by_segment` of packed rows). None = all.
        """
        return Memory([layer.cross.remember(memory) for layer in self.layers], memory_mask(seen))

    def _check_given(self, memory: Memory | None, condition: Tensor | None) -> None:
        for name, has, given in (
            ("memory", self.config.memory_dim, memory),
            ("condition", self.config.condition_dim, condition),
        ):
            if (has is None) != (given is None):
                found = "none was given" if given is None else "one was given"
                raise AudiolmError(f"transformer with {name}_dim {has}: {found}; set {name}_dim, or give a {name}")

    def _positions(self, x: Tensor, cache: "TransformerCache | None", segments: Tensor | None) -> Tensor:
        """What is added to the input: [T, dim] or [B, T, dim]."""
        places = torch.arange(x.shape[1], device=x.device)
        if segments is not None:
            places = segment_positions(segments)
        elif cache is not None:
            places = cache.position[:, None] + places
        if self.config.positions == "sinusoidal":
            return sinusoids(places, self.config.dim).to(x.dtype)
        if int(places.max()) >= self.config.max_positions:
            raise AudiolmError(
                f"a sequence of {int(places.max()) + 1} places, the transformer has {self.config.max_positions} learnt "
                "positions; raise max_positions, or shorten the sequence"
            )
        return self.places(places)

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
    if isinstance(module, nn.Linear) and not isinstance(module, ZeroLinear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
