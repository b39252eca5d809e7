"""Training examples of codecs: random windows of the recordings of data directories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiolm.codec.quantize import QuantizerConfig
from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import Frequent
from audiolm.data.loudness import amplify, loudness
from audiolm.errors import AudiolmError
from audiolm.train.randomness import Key
from audiolm.train.rejected import Rejected
from audiolm.train.system import Examples

DRAWS = 100  # of a window, before one is taken whatever it holds
READS = 10  # windows in a row that may be of recordings that cannot be read


def check_data(paths: Sequence[str], weights: Sequence[float], **ranges: tuple[float, float] | None) -> None:
    """Refuse weights that do not suit the data directories, directories given twice, and ranges that run backwards."""
    if not paths or len(set(paths)) < len(paths):
        raise AudiolmError(f"train_dir: found {list(paths)}, expected one data directory or more, each once")
    if weights and (len(weights) != len(paths) or not all(0 < weight < np.inf for weight in weights)):
        raise AudiolmError(
            f"train_weights: found {list(weights)}, expected {len(paths)} positive numbers, one a train_dir"
        )
    for name, bounds in ranges.items():
        if bounds is not None and not -np.inf < bounds[0] <= bounds[1] < np.inf:
            raise AudiolmError(f"{name}: found {list(bounds)}, expected decibels [low, high]")


class Windows:
    """Random windows of the recordings of a data directory.

    A window overlaps a random moment: with probability ``speech`` a moment of ``segments``, else any moment of the
    recordings; every second of them is equally likely. Windows that meet a frequent segment (audiolm.data.duplicates)
    are drawn again.

    Args:
        path: data directory.
        length: seconds of a window.
        speech: share of the windows that `segments` choose (0 where there are none).

    Raises:
        AudiolmError: see `DataDir`; none of its recordings can be read.
    """

    def __init__(self, path: str | Path, length: float, speech: float):
        self.path = path
        self.length = length
        self.data = DataDir.read(path)
        self.frequent = Frequent(path)
        self.recos = self.data.recos
        self.unreadable: dict[str, Exception] = {}
        self.durations = np.array([self._duration(reco) for reco in self.recos])
        if not self.durations.any():
            raise AudiolmError(f"nothing of {path} can be used: {next(iter(self.unreadable.values()))}")
        self.segments = [segment for segment in self.data.segments.values() if segment.reco not in self.unreadable]
        self.number = {reco: i for i, reco in enumerate(self.recos)}
        self.speech = speech if self.segments else 0.0
        self.reco_ends = np.cumsum(self.durations)
        self.segment_ends = np.cumsum([segment.end - segment.start for segment in self.segments])

    def draw(self, rng: np.random.Generator) -> tuple[str, float]:
        """A recording and where in it a window begins, in seconds."""
        for _ in range(DRAWS):
            reco, start = self._any(rng)
            if not self.frequent.meets(reco, start, start + self.length):
                break
        return reco, start

    def read(self, reco: str, start: float, fs: int) -> np.ndarray:
        """The samples of a window, float32: fewer than its length where the recording is shorter."""
        duration = min(self.length, self.durations[self.number[reco]] - start)
        return self.data.audio(reco, start, duration, fs)

    def _any(self, rng: np.random.Generator) -> tuple[str, float]:
        if rng.random() < self.speech:
            position = rng.random() * self.segment_ends[-1]
            segment = self.segments[np.searchsorted(self.segment_ends, position, side="right")]
            reco = self.number[segment.reco]
            moment = segment.start + rng.random() * (segment.end - segment.start)
        else:
            position = rng.random() * self.reco_ends[-1]
            reco = int(np.searchsorted(self.reco_ends, position, side="right"))
            moment = rng.random() * self.durations[reco]
        last = max(self.durations[reco] - self.length, 0.0)
        return self.recos[reco], float(np.clip(moment - rng.random() * self.length, 0.0, last))

    def _duration(self, reco: str) -> float:
        try:
            return self.data.duration(reco)
        except (AudiolmError, OSError) as error:
            self.unreadable[reco] = error
            return 0.0  # never drawn


class Crops(Examples):
    """Random windows of ``samples`` samples at ``sample_rate``, with what chance decides for the quantizer.

    Recordings shorter than a window end in zeros. A window that cannot be read is drawn again, from the same key, so
    that an example is the same whenever it is made.

    Args:
        paths: data directory, or several; see `Windows`.
        samples: length of a window.
        sample_rate: Hz; recordings of other rates are resampled.
        speech: share of the windows around a moment of `segments`.
        quantizer: says whether levels are dropped and how many samples go unquantized.
        weights: of the directories: their shares of the windows; without, every second of all is equally likely.
        gain: decibels by which a window is louder, [low, high]: drawn evenly.
        level: loudness to bring a window to first (audiolm.data.loudness), likewise; None: it stays as it is. Silence
            does. Neither raises a peak above 1.
        exp_dir: experiment whose ``rejected.tsv`` names recordings that cannot be read; None: they are errors.
        max_rejected: largest share of the recordings that may be so.

    Raises:
        AudiolmError: see `Windows`; here and at a call, too many recordings that cannot be read.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str],
        samples: int,
        sample_rate: int,
        speech: float,
        quantizer: QuantizerConfig,
        weights: Sequence[float] = (),
        gain: tuple[float, float] = (0.0, 0.0),
        level: tuple[float, float] | None = None,
        exp_dir: Path | None = None,
        max_rejected: float = 0.0,
    ):
        paths = [paths] if isinstance(paths, (str, Path)) else paths
        self.sources = [Windows(path, samples / sample_rate, speech) for path in paths]
        self.samples = samples
        self.sample_rate = sample_rate
        self.quantizer = quantizer
        self.ends = np.cumsum(weights or [source.reco_ends[-1] for source in self.sources])
        self.gain = gain
        self.level = level
        self.rejected = Rejected(exp_dir, sum(len(source.recos) for source in self.sources), max_rejected)
        for source in self.sources:
            for reco, error in source.unreadable.items():
                self.rejected.add(f"{source.path}/{reco}", error)

    def __call__(self, key: Key) -> dict[str, Any]:
        """wav float32 [1, samples]; index, levels and quantized: see `Draws`."""
        wav = np.zeros((1, self.samples), dtype=np.float32)
        found = self._levelled(self._read(key)[: self.samples], key)
        wav[0, : len(found)] = found
        levels = self.quantizer.draw_levels(key.rng("levels"))
        quantized = key.rng("quantized").random() >= self.quantizer.unquantized
        return {"wav": wav, "index": key.index, "levels": levels, "quantized": bool(quantized)}

    def _read(self, key: Key) -> np.ndarray:
        source = self.sources[0]
        if len(self.sources) > 1:
            position = key.rng("corpus").random() * self.ends[-1]
            source = self.sources[np.searchsorted(self.ends, position, side="right")]
        rng = key.rng("crop")
        for _ in range(READS):
            reco, start = source.draw(rng)
            try:
                return source.read(reco, start, self.sample_rate)
            except (AudiolmError, OSError) as error:
                self.rejected.add(f"{source.path}/{reco}", error)
                last = error
        raise AudiolmError(f"{READS} draws in a row of {source.path} cannot be read; the last: {last}")

    def _levelled(self, wav: np.ndarray, key: Key) -> np.ndarray:
        gain = key.rng("gain").uniform(*self.gain) if any(self.gain) else 0.0
        if self.level is not None and np.isfinite(found := loudness(wav, self.sample_rate)):
            gain += key.rng("loudness").uniform(*self.level) - found
        return amplify(wav, gain) if gain else wav
