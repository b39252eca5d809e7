"""Choosing a token from logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Constants of SplitMix64 (Steele, Lea and Flood 2014), as signed integers.
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
MIX1, MIX2 = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)
BITS = 24  # of a uniform number: what float32 holds


@dataclass
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: logits are divided by it; 0 takes the likeliest token.
        top_k: only the likeliest k; 0 = all.
        top_p: of those, the fewest of the likeliest whose probabilities together reach this share (nucleus sampling,
            Holtzman et al. 2020); the likeliest at least; 1 = all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def sample(logits: Tensor, sampling: Sampling, uniform: Tensor | torch.Generator | None = None) -> Tensor:
    """Draw one token a row: [..., V] -> int64 [...].

    Args:
        uniform: [...], each in (0, 1]: the token at which the sum of the probabilities reaches it is drawn. So the
            same number draws the same token of logits that differ by rounding, nearly always. A generator, or None for
            torch's own: they are drawn.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    if not isinstance(uniform, Tensor):
        uniform = 1 - torch.rand(logits.shape[:-1], generator=uniform, device=logits.device)
    logits = logits.float() / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        probabilities = logits.softmax(dim=-1)
        falling = probabilities.sort(dim=-1, descending=True).values
        enough = falling.cumsum(dim=-1) - falling >= sampling.top_p  # already without this token
        enough[..., 0] = False
        least = falling.masked_fill(enough, 1.0).amin(dim=-1, keepdim=True)
        logits = logits.masked_fill(probabilities < least, -torch.inf)
    reached = logits.softmax(dim=-1).cumsum(dim=-1)
    return (reached < uniform[..., None] * reached[..., -1:]).sum(dim=-1)


class Draws:
    """Uniform numbers for B slots side by side: a slot's depend on its own seed and on how many steps it has made.

    Counter-based (Salmon et al. 2011): number n of a seed is a hash of both, so nothing is shared between slots, and a
    slot gives the same samples whoever its mates are and whenever it began.

    Args:
        seeds: one a slot.
        width: numbers of one step.
    """

    def __init__(self, seeds: Sequence[int], width: int, device: torch.device | str = "cpu"):
        self.keys = _keys(seeds, device)
        self.steps = torch.zeros_like(self.keys)
        self.places = torch.arange(1, width + 1, device=device)

    def begin(self, slots: Sequence[int], seeds: Sequence[int]) -> None:
        """Start again in ``slots``, with a seed for each."""
        self.keys[slots] = _keys(seeds, self.keys.device)
        self.steps[slots] = 0

    def step(self, active: Tensor | None = None) -> Tensor:
        """The next numbers, float32 [B, width] in (0, 1]; slots where ``active`` is False do not move on."""
        counters = self.steps[:, None] * len(self.places) + self.places
        self.steps += 1 if active is None else active
        bits = _mix(self.keys[:, None] + counters * GOLDEN)
        return (_shifted(bits, 64 - BITS) + 1).float() * 2.0**-BITS


def _keys(seeds: Sequence[int], device: torch.device | str) -> Tensor:
    return _mix(torch.tensor([seed % (1 << 63) for seed in seeds], device=device) * GOLDEN)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's output function: int64 -> int64, every bit depends on every bit."""
    x = (x ^ _shifted(x, 30)) * MIX1
    x = (x ^ _shifted(x, 27)) * MIX2
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shifted right, zeros from the left (torch's own shift copies the sign)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


@dataclass
class RepetitionGuard:
    """Repetition-aware sampling (VALL-E 2: Chen et al. 2024, algorithm 1): loops are left by a freer draw.

    Attributes:
        window: steps that are looked back (paper: 10).
        share: a token that fills more than this share of them is drawn again (paper: 0.1).
        temperature: of the second draw, which is from all tokens (paper: 1, the model's own probabilities).
    """

    window: int = 10
    share: float = 0.1
    temperature: float = 1.0


class Repetitions:
    """What one stream of B slots has drawn of late, and the second draw."""

    def __init__(self, batch: int, guard: RepetitionGuard, device: torch.device | str = "cpu"):
        self.guard, self.again = guard, Sampling(guard.temperature)
        self.recent = torch.full((batch, guard.window), -1, device=device)

    def reset(self, slots: Sequence[int]) -> None:
        """Forget what ``slots`` have drawn."""
        self.recent[slots] = -1

    def redraw(self, drawn: Tensor, logits: Tensor, uniform: Tensor) -> Tensor:
        """Tokens int64 [B], where they repeat drawn again from ``logits`` [B, V] by ``uniform`` [B]."""
        count = (self.recent == drawn[:, None]).sum(dim=1)
        return torch.where(count > self.guard.share * self.guard.window, sample(logits, self.again, uniform), drawn)

    def store(self, tokens: Tensor, active: Tensor | None = None) -> None:
        """Remember the step's tokens, int64 [B], in the active slots."""
        recent = torch.cat((self.recent[:, 1:], tokens[:, None]), dim=1)
        self.recent.copy_(recent if active is None else torch.where(active[:, None], recent, self.recent))
