"""Training examples of codecs: random windows of the recordings of a data directory."""

from pathlib import Path
from typing import Any

import numpy as np

from audiolm.codec.quantize import QuantizerConfig
from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import Frequent
from audiolm.train.randomness import Key
from audiolm.train.system import Examples

DRAWS = 100  # of a window, before one is taken whatever it holds


class Crops(Examples):
    """Random windows of ``samples`` samples at ``sample_rate``, with what chance decides for the quantizer.

    A window overlaps a random moment: with probability ``speech`` a moment of ``segments``, else any moment of the
    recordings; every second of them is equally likely. Recordings shorter than a window end in zeros. Windows that meet
    a frequent segment (audiolm.data.duplicates) are drawn again.

    Args:
        path: data directory.
        samples: length of a window.
        sample_rate: Hz; recordings of other rates are resampled.
        speech: share of the windows that `segments` choose (0 where there are none).
        quantizer: says whether levels are dropped and how many samples go unquantized.

    Raises:
        AudiolmError: see `DataDir`; at a call, a recording that cannot be read.
    """

    def __init__(self, path: str | Path, samples: int, sample_rate: int, speech: float, quantizer: QuantizerConfig):
        self.data = DataDir.read(path)
        self.frequent = Frequent(path)
        self.samples = samples
        self.sample_rate = sample_rate
        self.quantizer = quantizer
        self.recos = self.data.recos
        self.durations = np.array([self.data.duration(reco) for reco in self.recos])
        self.segments = list(self.data.segments.values())
        self.number = {reco: i for i, reco in enumerate(self.recos)}
        self.speech = speech if self.segments else 0.0
        self.reco_ends = np.cumsum(self.durations)
        self.segment_ends = np.cumsum([segment.end - segment.start for segment in self.segments])

    def __call__(self, key: Key) -> dict[str, Any]:
        """wav float32 [1, samples]; index, levels and quantized: see `Draws`."""
        length = self.samples / self.sample_rate
        rng = key.rng("crop")
        for _ in range(DRAWS):
            reco, start = self._window(rng)
            if not self.frequent.meets(self.recos[reco], start, start + length):
                break
        wav = np.zeros((1, self.samples), dtype=np.float32)
        duration = min(length, self.durations[reco] - start)
        found = self.data.audio(self.recos[reco], start, duration, self.sample_rate)[: self.samples]
        wav[0, : len(found)] = found
        levels = self.quantizer.draw_levels(key.rng("levels"))
        quantized = key.rng("quantized").random() >= self.quantizer.unquantized
        return {"wav": wav, "index": key.index, "levels": levels, "quantized": bool(quantized)}

    def _window(self, rng: np.random.Generator) -> tuple[int, float]:
        """Number of a recording and where in it the window begins, in seconds."""
        if rng.random() < self.speech:
            position = rng.random() * self.segment_ends[-1]
            segment = self.segments[np.searchsorted(self.segment_ends, position, side="right")]
            reco = self.number[segment.reco]
            moment = segment.start + rng.random() * (segment.end - segment.start)
        else:
            position = rng.random() * self.reco_ends[-1]
            reco = int(np.searchsorted(self.reco_ends, position, side="right"))
            moment = rng.random() * self.durations[reco]
        length = self.samples / self.sample_rate
        last = max(self.durations[reco] - length, 0.0)
        return reco, float(np.clip(moment - rng.random() * length, 0.0, last))
