"""Voice activity: where somebody speaks in one channel.

A detector is anything with ``detector(wav, fs) -> [(start, end), …]``; the one here is silero-vad.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from audiolm.annotate.turns import Region, union
from audiolm.annotate.wheels import wheel_file


class VoiceActivity(Protocol):
    """A voice activity detector; ``name`` is for the record."""

    name: str

    def __call__(self, wav: np.ndarray, fs: int) -> list[Region]:
        """Regions of speech in ``wav``, float32 [samples]: disjoint, in order, in seconds."""
        ...


@dataclass(frozen=True)
class Smoothing:
    """How frame scores become regions.

    Attributes:
        onset, offset: a region begins where the score reaches ``onset`` and ends where it falls below ``offset``.
        min_pause: pauses shorter than this (s) are filled.
        min_speech: regions shorter than this (s) are dropped, after filling.
    """

    onset: float
    offset: float
    min_pause: float
    min_speech: float


# Tuned on the training part of AMI excerpts and on mixes of synthetic dialogues. The short pause keeps apart the
# turns of two people between whom hardly a breath fits; who wants longer regions joins them (turns.union,
# turns.join_turns).
SILERO_SMOOTHING = Smoothing(onset=0.5, offset=0.35, min_pause=0.06, min_speech=0.06)


def regions_of(scores: np.ndarray, frame_rate: float, duration: float, smoothing: Smoothing) -> list[Region]:
    """Turn scores [frames] at ``frame_rate`` Hz into regions within 0…``duration`` s.

    >>> regions_of(np.array([0, 0.9, 0.4, 0.1, 0]), 10, 0.5, Smoothing(0.5, 0.3, 0, 0))
    [(0.1, 0.3)]
    """
    high, low = scores >= smoothing.onset, scores < smoothing.offset
    # Between the thresholds the state is that of the last frame outside them: forward-fill its index.
    last = np.maximum.accumulate(np.where(high | low, np.arange(len(scores)), -1))
    active = (last >= 0) & high[last]
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0)).reshape(-1, 2) / frame_rate
    regions = union(map(tuple, np.minimum(edges, duration).tolist()), smoothing.min_pause)
    return [(start, end) for start, end in regions if end - start >= smoothing.min_speech]


class SileroVad:
    """silero-vad v6 with the weights of its wheel, run over whole recordings at once.

    The wheel's own model takes one frame of 32 ms per call, which costs more than the arithmetic; here the
    convolutions see all frames as one batch and the LSTM one sequence, with the same result to rounding (tested). The
    network: a magnitude STFT of each frame with 1/8 frame of left context, four convolutions, an LSTM of 128, a
    sigmoid (github.com/snakers4/silero-vad). 8 and 16 kHz have weights of their own; other rates are resampled to 16
    kHz.
    """

    name = "silero-vad"
    FRAME_RATE = 31.25  # Hz

    def __init__(self, smoothing: Smoothing = SILERO_SMOOTHING):
        self.smoothing = smoothing

    def __call__(self, wav: np.ndarray, fs: int) -> list[Region]:
        return regions_of(self.probabilities(wav, fs), self.FRAME_RATE, len(wav) / fs, self.smoothing)

    def probabilities(self, wav: np.ndarray, fs: int) -> np.ndarray:
        """Probability of speech per frame of 32 ms: float32 [⌈seconds · 31.25⌉]."""
        import torch

        from audiolm.data.audio import resample

        if fs not in (8000, 16000):
            wav, fs = resample(wav, fs, 16000), 16000
        with torch.inference_mode():
            return self._networks[fs](torch.from_numpy(np.ascontiguousarray(wav, dtype=np.float32))).numpy()

    @cached_property
    def _networks(self):
        import torch

        path = wheel_file("silero_vad", "data/silero_vad.jit", "silero-vad")
        # torch.jit.load, not `import silero_vad`: the import would set the process to one thread.
        weights = torch.jit.load(str(path), map_location="cpu").state_dict()
        return {fs: _silero_network(weights, prefix, fs) for fs, prefix in ((8000, "_model_8k."), (16000, "_model."))}


def _silero_network(weights: dict, prefix: str, fs: int):
    """Return the function wav [samples] -> probabilities [frames] for one rate."""
    import torch
    from torch.nn.functional import conv1d, pad

    weights = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    lstm = torch.nn.LSTM(128, 128, batch_first=True)
    gates = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    lstm.load_state_dict({f"{gate}_l0": weights[f"decoder.rnn.{gate}"] for gate in gates})
    basis = weights["stft.forward_basis_buffer"]  # [2 · bins, 1, window]: cosine rows, then sine rows
    window, bins = basis.shape[-1], basis.shape[0] // 2
    frame, context = int(fs / SileroVad.FRAME_RATE), int(fs / SileroVad.FRAME_RATE) // 8
    stride = (1, 2, 2, 1)

    def forward(wav):  # [samples]
        frames = -(-len(wav) // frame)
        x = pad(wav, (context, frames * frame - len(wav))).unfold(0, frame + context, frame)  # [F, samples]
        hidden = []
        for block in x.split(4096):  # bounds the memory of the STFT for hours-long recordings
            y = conv1d(pad(block[:, None], (0, window // 4), mode="reflect"), basis, stride=window // 2)
            y = (y[:, :bins] ** 2 + y[:, bins:] ** 2).sqrt()  # [F, bins, 4]
            for layer in range(4):
                convolution = f"encoder.{layer}.reparam_conv."
                y = conv1d(y, weights[convolution + "weight"], weights[convolution + "bias"], stride[layer], 1).relu()
            hidden.append(y[:, :, 0])  # [F, 128]
        x = lstm(torch.cat(hidden)[None])[0][0].relu()
        return torch.sigmoid(x @ weights["decoder.decoder.2.weight"][0, :, 0] + weights["decoder.decoder.2.bias"])

    return forward
