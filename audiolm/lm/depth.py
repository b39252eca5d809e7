"""The depth transformer: one frame's codes, predicted one after another (Moshi, section 3.4.1; Lee et al. 2022).

Level k has its own weights in every product (Moshi, table 6), unless a schedule lets levels share them. Training
computes all levels of all frames at once, as matrix products batched over levels; generation computes one level at a
time and keeps earlier ones' keys and values. :class:`CodeHeads` is the ablation without a depth transformer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiolm.errors import AudiolmError
from audiolm.lm.embedding import StreamEmbedding
from audiolm.nn.attention import attend
from audiolm.nn.feedforward import activate
from audiolm.nn.norms import make_norm


@dataclass
class DepthConfig:
    """Shape of the depth transformer.

    What is whose, as in the ``moshi`` package: a set of weights has the projection of the temporal state and all
    products of the layers; a level has its token's embedding (with its own matrix where ``low_rank``) and its head; the
    norms' gains are shared by all.

    Attributes:
        dim, layers, heads: as in the temporal transformer (Moshi: 1024, 6, 16).
        ffn_dim: inner width of the feed-forward block; of one half where it is gated (Moshi: 2816).
        ffn: ``silu_gated`` or ``gelu``.
        norm: ``rms`` or ``layer``.
        schedule: which set of weights each level uses, sets numbered from 0 (``depformer_weights_per_step_schedule`` of
            the ``moshi`` package); all 0 = shared by all levels. None = a set for each level.
        low_rank: channels of the embedding tables, where fewer than ``dim`` (``depformer_low_rank_embeddings`` there).
    """

    dim: int = 128
    layers: int = 2
    heads: int = 4
    ffn_dim: int = 352
    ffn: Literal["silu_gated", "gelu"] = "silu_gated"
    norm: Literal["rms", "layer"] = "rms"
    schedule: list[int] | None = None
    low_rank: int | None = None

    def __post_init__(self):
        if self.dim % self.heads:
            raise AudiolmError(f"depth transformer: heads ({self.heads}) must divide dim ({self.dim})")
        if self.schedule is not None and set(self.schedule) != set(range(len(set(self.schedule)))):
            raise AudiolmError(
                f"depth transformer: schedule {self.schedule} leaves out a set of weights; number those in use from 0"
            )
        if self.low_rank is not None and self.low_rank < 1:
            raise AudiolmError(f"depth transformer: low_rank {self.low_rank}, expected channels ≥ 1 or null")

    def sets(self, levels: int) -> list[int]:
        """The set of weights of each of so many levels.

        Raises:
            AudiolmError: the schedule has another number of levels.
        """
        if self.schedule is not None and len(self.schedule) != levels:
            raise AudiolmError(
                f"depth transformer: a schedule of {len(self.schedule)} levels, the model predicts {levels} codes a "
                "frame; give one set a code"
            )
        return list(range(levels)) if self.schedule is None else self.schedule


class LevelLinear(nn.Module):
    """A matrix for each set of levels: [K, N, inputs] -> [K, N, outputs], without bias.

    Args:
        sets: which of the matrices each level uses (:meth:`DepthConfig.sets`).
        gain: of the initial weights' deviation.
    """

    def __init__(self, sets: Sequence[int], inputs: int, outputs: int, gain: float = 1.0):
        super().__init__()
        self.sets = tuple(sets)
        self.weight = nn.Parameter(torch.empty(1 + max(sets), inputs, outputs))
        nn.init.normal_(self.weight, std=gain * inputs**-0.5)

    def forward(self, x: Tensor, level: int | None = None) -> Tensor:
        """The first K levels, [K, N, inputs]; or one ``level`` alone, [N, inputs] -> [N, outputs]."""
        if level is not None:
            return x @ self.weight[self.sets[level]]
        order, products = _products(self.sets[: len(x)])
        ordered = order == tuple(range(len(x)))
        x = x if ordered else torch.stack([x[level] for level in order])
        outputs, first = [], 0
        for first_set, sets, shared in products:
            part = x[first : first + sets * shared].reshape(sets, shared * x.shape[1], -1)
            product = torch.bmm(part, rows(self.weight, first_set, first_set + sets))
            outputs.append(product.view(sets * shared, x.shape[1], -1))
            first += sets * shared
        y = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return y if ordered else torch.stack([y[order.index(level)] for level in range(len(x))])


def rows(weight: Tensor, first: int, end: int) -> Tensor:
    """``weight[first:end]``; without a slice where that is all, which would cost a gradient of zeros and a copy."""
    return weight if (first, end) == (0, len(weight)) else weight[first:end]


@lru_cache
def _products(sets: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, int, int]]]:
    """How levels that use ``sets`` are multiplied without a copy of any matrix.

    Returns:
        Levels in the order of their sets; and for each batched product, in that order, its first set, the number of
        sets, and the number of levels that share each of these.

    >>> _products((0, 1, 2, 2, 3, 3))
    ((0, 1, 2, 3, 4, 5), [(0, 2, 1), (2, 2, 2)])
    >>> _products((0, 1, 0, 1))
    ((0, 2, 1, 3), [(0, 2, 2)])
    """
    order = tuple(sorted(range(len(sets)), key=sets.__getitem__))
    products: list[tuple[int, int, int]] = []
    for index in sorted(set(sets)):
        shared = sets.count(index)
        first, count, width = products[-1] if products else (index, 0, shared)
        if first + count == index and width == shared:
            products[-1:] = [(first, count + 1, shared)]
        else:
            products.append((index, 1, shared))
    return order, products


class DepthLayer(nn.Module):
    """Pre-norm block whose sequence is the levels: attention without positions, then feed-forward."""

    def __init__(self, sets: Sequence[int], config: DepthConfig):
        super().__init__()
        gated = config.ffn == "silu_gated"
        residual = (2 * config.layers) ** -0.5
        self.heads, self.gated = config.heads, gated
        self.norm1 = make_norm(config.norm, config.dim)
        self.in_proj = LevelLinear(sets, config.dim, 3 * config.dim)  # columns: queries, keys, values
        self.out_proj = LevelLinear(sets, config.dim, config.dim, residual)
        self.norm2 = make_norm(config.norm, config.dim)
        self.linear_in = LevelLinear(sets, config.dim, config.ffn_dim * (2 if gated else 1))
        self.linear_out = LevelLinear(sets, config.ffn_dim, config.dim, residual)

    def forward(self, x: Tensor) -> Tensor:  # [K, N, dim] -> [K, N, dim]
        levels, frames, dim = x.shape
        projected = self.in_proj(self.norm1(x)).view(levels, frames, 3, self.heads, dim // self.heads)
        queries, keys, values = projected.permute(2, 1, 3, 0, 4).unbind()  # [N, heads, K, head_dim]
        attended = attend(queries, keys, values, mask=None, causal=True, dropout=0.0)
        x = x + self.out_proj(attended.permute(2, 0, 1, 3).reshape(levels, frames, dim))
        return x + self.linear_out(activate(self.linear_in(self.norm2(x)), self.gated))

    def step(self, x: Tensor, level: int, keys_values: Tensor) -> Tensor:
        """One level alone, [N, dim]; writes its keys and values into ``keys_values`` [2, N, heads, K, head_dim]."""
        frames, dim = x.shape
        projected = self.in_proj(self.norm1(x), level).view(frames, 3, self.heads, dim // self.heads)
        keys_values[:, :, :, level] = projected[:, 1:].transpose(0, 1).to(keys_values.dtype)
        keys, values = keys_values[:, :, :, : level + 1].to(projected.dtype)
        attended = attend(projected[:, 0].unsqueeze(2), keys, values, mask=None, causal=False, dropout=0.0)
        x = x + self.out_proj(attended.reshape(frames, dim), level)
        return x + self.linear_out(activate(self.linear_in(self.norm2(x), level), self.gated), level)


class DepthTransformer(nn.Module):
    """Temporal state and the frame's text token -> logits of its codes, each level seeing those before it.

    Level k's input is the temporal state through a projection of its own, plus the embedding of the token before: the
    text token for the first level, code k - 1 for level k.

    Args:
        config: shape.
        temporal_dim: channels of the temporal transformer.
        text_vocab: ids of the text stream.
        levels: codes to predict in a frame (both speakers' where both are predicted).
        codebook_size: entries of each codebook.
    """

    def __init__(self, config: DepthConfig, temporal_dim: int, text_vocab: int, levels: int, codebook_size: int):
        super().__init__()
        self.config, self.levels = config, levels
        self.sets = config.sets(levels)
        self.state_proj = nn.Linear(temporal_dim, (1 + max(self.sets)) * config.dim, bias=False)  # rows: set by set
        nn.init.normal_(self.state_proj.weight, std=temporal_dim**-0.5)
        self.embeddings = nn.ModuleList(
            StreamEmbedding([size], config.dim, config.low_rank)
            for size in (text_vocab, *(codebook_size for _ in range(levels - 1)))
        )
        self.layers = nn.ModuleList(DepthLayer(self.sets, config) for _ in range(config.layers))
        self.heads = LevelLinear(range(levels), config.dim, codebook_size)

    def hidden(self, state: Tensor, tokens: Tensor, levels: int | None = None) -> Tensor:
        """What ``heads`` turn into the logits of the first ``levels`` levels, or of all, teacher-forced.

        Args:
            state: [N, temporal_dim].
            tokens: int64 [N, ≥ levels], the frame's text token and codes (the last level's is not looked at).

        Returns:
            [levels, N, dim].
        """
        sets = self.sets[: levels or self.levels]
        inputs = F.linear(state, rows(self.state_proj.weight, 0, (1 + max(sets)) * self.config.dim))
        inputs = inputs.view(len(state), -1, self.config.dim).unbind(dim=1)
        x = torch.stack([inputs[s] + self.embeddings[k](tokens[:, k, None]) for k, s in enumerate(sets)])  # [K, N, dim]
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, state: Tensor, tokens: Tensor, levels: int | None = None) -> Tensor:
        """Logits [levels, N, codebook_size]; arguments as of :meth:`hidden`."""
        return self.heads(self.hidden(state, tokens, levels))

    def start(self, state: Tensor, frame: "DepthState | None" = None) -> "DepthState":
        """Begin the codes of one frame for each of N slots; ``state`` is [N, temporal_dim].

        Args:
            frame: what an earlier call returned, to be used again; None: allocate it.
        """
        slots, heads, head_dim = len(state), self.config.heads, self.config.dim // self.config.heads
        inputs = self.state_proj(state).view(slots, -1, self.config.dim)
        if frame is not None:
            return frame.again(inputs)
        caches = [inputs.new_empty(2, slots, heads, self.levels, head_dim) for _ in self.layers]
        return DepthState(inputs, caches)

    def step(self, frame: "DepthState", level: int, previous: Tensor) -> Tensor:
        """Logits [N, codebook_size] of one level, from the token before it, int64 [N]; levels in order from 0."""
        x = frame.inputs[:, self.sets[level]] + self.embeddings[level](previous[:, None])
        for layer, cache in zip(self.layers, frame.caches, strict=True):
            x = layer.step(x, level, cache)
        return self.heads(x, level)


class CodeHeads(nn.Module):
    """Temporal state -> logits of a frame's codes, each level for itself (MusicGen: Copet et al. 2023).

    The ablation without a depth transformer, with its interface: given the state, codes do not depend on one another,
    so that delays alone let a level know the lower ones of its own time.

    Args:
        temporal_dim, levels, codebook_size: as of :class:`DepthTransformer`.
    """

    def __init__(self, temporal_dim: int, levels: int, codebook_size: int):
        super().__init__()
        self.levels = levels
        self.layers = nn.ModuleList()  # none, where the depth transformer has some
        self.heads = LevelLinear(range(levels), temporal_dim, codebook_size)

    def hidden(self, state: Tensor, tokens: Tensor, levels: int | None = None) -> Tensor:
        """[N, temporal_dim] -> [levels, N, temporal_dim]."""
        return state.expand(levels or self.levels, -1, -1)

    def forward(self, state: Tensor, tokens: Tensor, levels: int | None = None) -> Tensor:
        """Logits [levels, N, codebook_size]; ``tokens`` are not looked at."""
        return self.heads(self.hidden(state, tokens, levels))

    def start(self, state: Tensor, frame: "DepthState | None" = None) -> "DepthState":
        """Begin the codes of one frame; arguments as of :meth:`DepthTransformer.start`."""
        return DepthState(state[:, None], []) if frame is None else frame.again(state[:, None])

    def step(self, frame: "DepthState", level: int, previous: Tensor) -> Tensor:
        """Logits [N, codebook_size] of one level."""
        return self.heads(frame.inputs[:, 0], level)


@dataclass
class DepthState:
    """One frame under generation.

    Attributes:
        inputs: the temporal state as each set of weights projects it, [N, sets, dim].
        caches: keys and values of each layer.
    """

    inputs: Tensor
    caches: list[Tensor]

    def again(self, inputs: Tensor) -> "DepthState":
        """The same memory for another frame: levels write their keys and values before they are read."""
        self.inputs.copy_(inputs)
        return self
