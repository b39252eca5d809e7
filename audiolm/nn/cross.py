"""Cross-attention: every place of a sequence looks at a memory, such as an encoder's states (Vaswani et al. 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiolm.nn.attention import attend


@dataclass
class Memory:
    """What is looked at, made ready once for all steps of a sequence.

    Attributes:
        layers: keys and values of each layer, [B, heads, M, head_dim].
        mask: bool, True = may be seen, broadcast to [B, heads, T, M]; None = all.
    """

    layers: list[tuple[Tensor, Tensor]]
    mask: Tensor | None = None

    def put(self, slots: Tensor, other: "Memory") -> None:
        """Give ``slots`` the memories of ``other``, whose batch they are; lengths and kinds of mask are equal."""
        for (keys, values), (new_keys, new_values) in zip(self.layers, other.layers, strict=True):
            keys[slots], values[slots] = new_keys, new_values
        if self.mask is not None:
            self.mask[slots] = other.mask


class CrossAttention(nn.Module):
    """Multi-head attention to a memory, without positions.

    Args:
        dim: channels of the sequence.
        heads: of ``dim / heads`` channels each.
        memory_dim: channels of the memory.
        bias: of all four products; keys have none, which would change nothing (Whisper's layout).
    """

    def __init__(self, dim: int, heads: int, memory_dim: int, bias: bool = False):
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.query = nn.Linear(dim, dim, bias)
        self.key = nn.Linear(memory_dim, dim, bias=False)
        self.value = nn.Linear(memory_dim, dim, bias)
        self.out_proj = nn.Linear(dim, dim, bias)

    def remember(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[B, M, memory_dim] -> keys and values, [B, heads, M, head_dim]."""
        return self._heads(self.key(memory)), self._heads(self.value(memory))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, dropout: float = 0.0) -> Tensor:
        """[B, T, dim] -> [B, T, dim]. A place that may see nothing gets zeros before the last product."""
        if mask is not None:  # softmax of nothing is NaN: such a place looks at all, and is then set to zero
            blind = ~mask.any(dim=-1, keepdim=True)
            mask = mask | blind
        attended = attend(self._heads(self.query(x)), keys, values, mask, False, dropout)
        if mask is not None:
            attended = attended.masked_fill(blind, 0.0)
        return self.out_proj(attended.transpose(1, 2).reshape(x.shape))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)


def memory_mask(seen: Tensor | None) -> Tensor | None:
    """Bool [B, M] (padding) or [B, T, M] (what each place sees) -> [B, 1, 1 or T, M]."""
    if seen is None:
        return None
    return seen[:, None, None] if seen.ndim == 2 else seen[:, None]


def seen_by_segment(segments: Tensor, of_memory: Tensor) -> Tensor:
    """Of packed rows: a place sees the memory of its own sequence. int64 [B, T], [B, M] -> bool [B, T, M]."""
    return segments[:, :, None] == of_memory[:, None, :]


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """Sines in the first half of the channels, cosines in the second: [..., T] -> float32 [..., T, dim].

    Frequencies fall from 1 to 1/10000 (Vaswani et al. 2017, section 3.5, in the order that Whisper has).
    """
    half = dim // 2
    frequencies = torch.exp(
        torch.arange(half, device=positions.device) * (-torch.log(torch.tensor(10000.0)).item() / max(half - 1, 1))
    )
    angles = positions[..., None].float() * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
