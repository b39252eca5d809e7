"""The one interface of everything that turns speech into frames of features, from log-mel to Whisper's encoder.

What uses features (a codec's teacher, ABX) knows this alone. A sequence gives the same frames alone and among batch
mates of any length, and whatever lies in the padding is not heard.
"""

from abc import abstractmethod
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.errors import AudiolmError

Layer = int | Literal["mean", "auto"]  # auto: what is known to tell phones apart, see audiolm.encoders.load.usual_layer


class Features(NamedTuple):
    """``states`` [B, F, dim], float32, zero where ``mask`` [B, F] (bool) is false: beyond a sequence's last frame."""

    states: Tensor
    mask: Tensor


class Encoder(nn.Module):
    """Waveforms -> frames. Frame t describes the samples from t * hop to (t + 1) * hop: it is centred on their middle.

    Attributes:
        sample_rate: Hz of the samples that it takes.
        hop: samples of a frame.
        dim: numbers in a frame.
    """

    sample_rate: int
    hop: int
    dim: int

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop

    def num_frames(self, lengths: Tensor) -> Tensor:
        """Frames of so many samples: a last partial hop counts."""
        return (lengths + self.hop - 1) // self.hop

    def forward(self, wav: Tensor, lengths: Tensor | None = None) -> Features:
        """Features of a batch.

        Args:
            wav: float [B, T] in [-1, 1].
            lengths: valid samples [B] of each row; None: all are T long.
        """
        if wav.shape[-1] == 0:
            empty = wav.new_zeros(len(wav), 0, self.dim, dtype=torch.float32)
            return Features(empty, empty.new_zeros(len(wav), 0, dtype=torch.bool))
        if lengths is None:
            states = self.encode(wav, None).float()
            return Features(states, states.new_ones(states.shape[:2], dtype=torch.bool))
        lengths = lengths.to(wav.device)
        states = self.encode(wav.masked_fill(~before(lengths, wav.shape[-1]), 0), lengths).float()
        mask = before(self.num_frames(lengths), states.shape[1])
        return Features(states.masked_fill(~mask[..., None], 0), mask)

    @abstractmethod
    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """Samples [B, T], zero beyond ``lengths``, T > 0 -> [B, ceil(T / hop), dim]; frames beyond may be anything."""


def before(lengths: Tensor, size: int) -> Tensor:
    """bool [B, size], true before each of ``lengths`` [B]."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def check_layer(layer: Layer, first: int, last: int, name: str) -> None:
    """Raise an AudiolmError unless ``layer`` is a number from ``first`` to ``last``, or mean."""
    if layer != "mean" and not first <= layer <= last:
        raise AudiolmError(f"layer {layer} of {name}, expected {first} to {last}, or mean")


def in_windows(wav: Tensor, lengths: Tensor, function, hop: int, size: int, margin: int) -> Tensor:
    """Join ``function(part [B', T'], part_lengths [B']) -> [B', F', D]`` of overlapping windows to [B, F, D].

    Every row has the windows of its own length, so its frames do not depend on longer ones beside it.

    Args:
        wav: [B, T].
        lengths: valid samples [B].
        hop: samples of a frame.
        size: frames of a window.
        margin: frames of a window's ends that are computed for context only, at each inner border.
    """
    total = -(-wav.shape[1] // hop)
    if total <= size:
        return function(wav, lengths)
    step = size - 2 * margin
    last = (((lengths + hop - 1) // hop - size + step - 1) // step).clamp(min=0).tolist()  # number of a row's last
    wav = F.pad(wav, (0, (max(last) * step + size) * hop - wav.shape[1]))
    joined = None
    for number in range(max(last) + 1):
        rows = [row for row, end in enumerate(last) if end >= number]
        start = number * step
        part = wav[rows, start * hop : (start + size) * hop]
        found = function(part, (lengths[rows] - start * hop).clamp(0, part.shape[1]))
        if joined is None:
            joined = found.new_zeros(len(wav), max(total, max(last) * step + size), found.shape[-1])
        first = margin if number else 0
        joined[rows, start + first : start + size] = found[:, first:]  # the next window has more context for its end
    return joined[:, :total]
