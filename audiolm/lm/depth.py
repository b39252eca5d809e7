"""The depth transformer: one frame's codes, predicted one after another (Moshi, section 3.4.1; Lee et al. 2022).

Level k has its own weights in every product (Moshi, table 6). Training computes all levels of all frames at once, as
matrix products batched over levels; generation computes one level at a time and keeps earlier ones' keys and values.
"""

from dataclasses import dataclass
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

    Attributes:
        dim, layers, heads: as in the temporal transformer (Moshi: 1024, 6, 16).
        ffn_dim: inner width of the feed-forward block; of one half where it is gated (Moshi: 2816).
        ffn: ``silu_gated`` or ``gelu``.
        norm: ``rms`` or ``layer``; its gains are shared by all levels.
    """

    dim: int = 128
    layers: int = 2
    heads: int = 4
    ffn_dim: int = 352
    ffn: Literal["silu_gated", "gelu"] = "silu_gated"
    norm: Literal["rms", "layer"] = "rms"

    def __post_init__(self):
        if self.dim % self.heads:
            raise AudiolmError(f"depth transformer: heads ({self.heads}) must divide dim ({self.dim})")


class LevelLinear(nn.Module):
    """One matrix a level: [K, N, inputs] -> [K, N, outputs], without bias."""

    def __init__(self, levels: int, inputs: int, outputs: int, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(levels, inputs, outputs))
        nn.init.normal_(self.weight, std=gain * inputs**-0.5)

    def forward(self, x: Tensor, level: int | None = None) -> Tensor:
        """The first K levels, [K, N, inputs]; or one ``level`` alone, [N, inputs] -> [N, outputs]."""
        return torch.bmm(x, self.weight[: len(x)]) if level is None else x @ self.weight[level]


class DepthLayer(nn.Module):
    """Pre-norm block whose sequence is the levels: attention without positions, then feed-forward."""

    def __init__(self, levels: int, config: DepthConfig):
        super().__init__()
        gated = config.ffn == "silu_gated"
        residual = (2 * config.layers) ** -0.5
        self.heads, self.gated = config.heads, gated
        self.norm1 = make_norm(config.norm, config.dim)
        self.in_proj = LevelLinear(levels, config.dim, 3 * config.dim)  # columns: queries, keys, values
        self.out_proj = LevelLinear(levels, config.dim, config.dim, residual)
        self.norm2 = make_norm(config.norm, config.dim)
        self.linear_in = LevelLinear(levels, config.dim, config.ffn_dim * (2 if gated else 1))
        self.linear_out = LevelLinear(levels, config.ffn_dim, config.dim, residual)

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
        self.state_proj = nn.Linear(temporal_dim, levels * config.dim, bias=False)  # rows: level by level
        nn.init.normal_(self.state_proj.weight, std=temporal_dim**-0.5)
        self.embeddings = nn.ModuleList(
            [StreamEmbedding([text_vocab], config.dim)]
            + [StreamEmbedding([codebook_size], config.dim) for _ in range(levels - 1)]
        )
        self.layers = nn.ModuleList(DepthLayer(levels, config) for _ in range(config.layers))
        self.heads = LevelLinear(levels, config.dim, codebook_size)

    def forward(self, state: Tensor, tokens: Tensor, levels: int | None = None) -> Tensor:
        """Logits of the first ``levels`` levels, or of all, teacher-forced.

        Args:
            state: [N, temporal_dim].
            tokens: int64 [N, ≥ levels], the frame's text token and codes (the last level's is not looked at).

        Returns:
            [levels, N, codebook_size].
        """
        levels = levels or self.levels
        x = F.linear(state, self.state_proj.weight[: levels * self.config.dim])
        x = x.view(len(state), levels, -1).transpose(0, 1)  # [K, N, dim]
        x = x + torch.stack([embed(tokens[:, k, None]) for k, embed in enumerate(self.embeddings[:levels])])
        for layer in self.layers:
            x = layer(x)
        return self.heads(x)

    def start(self, state: Tensor) -> "DepthState":
        """Begin the codes of one frame for each of N slots; ``state`` is [N, temporal_dim]."""
        slots, heads, head_dim = len(state), self.config.heads, self.config.dim // self.config.heads
        caches = [state.new_empty(2, slots, heads, self.levels, head_dim) for _ in self.layers]
        return DepthState(self.state_proj(state).view(slots, self.levels, -1), caches)

    def step(self, frame: "DepthState", level: int, previous: Tensor) -> Tensor:
        """Logits [N, codebook_size] of one level, from the token before it, int64 [N]; levels in order from 0."""
        x = frame.inputs[:, level] + self.embeddings[level](previous[:, None])
        for layer, cache in zip(self.layers, frame.caches, strict=True):
            x = layer.step(x, level, cache)
        return self.heads(x, level)


@dataclass
class DepthState:
    """One frame under generation: projected temporal state [N, K, dim], and each layer's keys and values."""

    inputs: Tensor
    caches: list[Tensor]
