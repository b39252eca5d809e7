"""Training windows of the recogniser: utterances in random order with random gaps, speeds, levels and noise.

Every window has the same length and begins and ends anywhere in a pause, so nothing is padded in training, and the
model learns that speech may start, stop and follow other speech at any time.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.text.normalize import normalize
from audiolm.train.randomness import Key
from audiolm.train.system import Examples

NOISES = 7  # colours of noise between the ends of AugmentConfig.tilt, made once
NOISE_WINDOWS = 8  # length of each, in windows; a window takes a random stretch


@dataclass
class AugmentConfig:
    """How training windows vary. Ranges are [low, high]; a draw is uniform in them.

    Attributes:
        gap: Seconds of silence before each utterance and at least at the window's end.
        edge: Share of windows that begin with speech at once, and of the others that end with it.
        speed: Factor by which an utterance is played faster; pitch goes with it.
        gain: Decibels by which an utterance is louder.
        noise: Share of windows with added noise.
        snr: Decibels of a window's loudest utterance above the noise.
        tilt: Decibels per octave by which the noise falls: 0 white, 3 pink, 6 brown.
        time_masks: Stretches of a window whose log-mel frames are zeroed (SpecAugment, Park et al. 2019).
        time_width: Longest such stretch, in seconds.
        mel_masks: Bands that are zeroed in a whole window.
        mel_width: Widest such band, in mel bands.
    """

    gap: tuple[float, float] = (0.0, 0.8)
    edge: float = 0.3
    speed: tuple[float, float] = (0.85, 1.15)
    gain: tuple[float, float] = (-18.0, 6.0)
    noise: float = 0.5
    snr: tuple[float, float] = (5.0, 40.0)
    tilt: tuple[float, float] = (0.0, 6.0)
    time_masks: int = 2
    time_width: float = 0.2
    mel_masks: int = 1
    mel_width: int = 8


class Utterances:
    """The transcribed utterances of a data directory, their audio kept as int16 up to ``cache`` bytes.

    Args:
        path: data directory; ``text`` is normalised.
        sample_rate: Hz to resample to.
        encode: text -> ids.
        cache: bytes of audio to keep.
    """

    def __init__(self, path: str, sample_rate: int, encode: Callable[[str], list[int]], cache: float = 2e9):
        self.data = DataDir.read(path)
        self.sample_rate = sample_rate
        self.cache = cache
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._bytes = 0
        self.ids = {utt: encode(normalize(text)) for utt, text in self.data.text.items()}
        self.names = sorted(utt for utt, ids in self.ids.items() if ids)
        if not self.names:
            raise AudiolmError(f"no transcribed utterance in {path}, expected a text table: train on another set")

    def seconds(self, utt: str) -> float:
        place = self.data.place(utt)
        return place.end - place.start

    def wav(self, utt: str) -> np.ndarray:
        """Samples of an utterance, int16 [samples]."""
        if utt in self._kept:
            self._kept.move_to_end(utt)
            return self._kept[utt]
        place = self.data.place(utt)
        wav = self.data.audio(place.reco, place.start, place.end - place.start, fs=self.sample_rate)
        wav = np.round(np.clip(wav, -1, 1) * 32767).astype(np.int16)
        self._kept[utt] = wav
        self._bytes += wav.nbytes
        while self._bytes > self.cache:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return wav

    def batches(self, size: int, most: int) -> Iterator[dict[str, Tensor]]:
        """Yield batches of ``size``, of at most ``most`` utterances taken evenly, short ones first, zero-padded."""
        chosen = self.names[:: -(-len(self.names) // most)]
        chosen.sort(key=self.seconds)
        for start in range(0, len(chosen), size):
            yield collate(
                [
                    {"wav": self.wav(utt).astype(np.float32) / 32768, "ids": np.array(self.ids[utt])}
                    for utt in chosen[start : start + size]
                ]
            )


class Windows(Examples):
    """Windows of ``seconds`` filled with utterances."""

    def __init__(self, utterances: Utterances, seconds: float, boundary: int, augment: AugmentConfig):
        self.utterances = utterances
        self.samples = round(seconds * utterances.sample_rate)
        self.boundary = boundary
        self.augment = augment
        longest = seconds * augment.speed[0]
        self.names = [utt for utt in utterances.names if utterances.seconds(utt) <= longest]
        self.too_long = len(utterances.names) - len(self.names)
        tilts = np.linspace(*augment.tilt, NOISES)
        self.noises = [coloured_noise(NOISE_WINDOWS * self.samples, tilt) for tilt in tilts]

    def seconds_for(self, share: float) -> float:
        """Length of a window into which this share of the utterances would fit, in seconds with one decimal."""
        lengths = sorted(map(self.utterances.seconds, self.utterances.names))
        return math.ceil(10 * lengths[math.ceil(share * len(lengths)) - 1] / self.augment.speed[0]) / 10

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """Return ``wav`` float32 [samples] and ``ids`` int64 [characters], utterances joined by the word boundary."""
        rng, rate = key.rng("window"), self.utterances.sample_rate
        wav = np.zeros(self.samples, dtype=np.float32)
        ids: list[int] = []
        position, loudest = 0, 0.0
        # CTC may learn to place a first character in the silence before it; where there is none the character is lost.
        begins, ends = rng.uniform(size=2) < self.augment.edge
        name = self.names[key.item(len(self.names))]
        while True:
            part = change_speed(self.utterances.wav(name), rng.uniform(*self.augment.speed))
            gap = rng.uniform(*self.augment.gap) * rate
            if position + len(part) > self.samples:
                break
            first = begins and not position
            start = 0 if first else min(position + round(gap), self.samples - len(part))
            part *= 10 ** (rng.uniform(*self.augment.gain) / 20)
            wav[start : start + len(part)] = part
            loudest = max(loudest, float(np.square(part).mean()))
            ids += [self.boundary] * bool(ids) + self.utterances.ids[name]
            position = start + len(part)
            name = self.names[rng.integers(len(self.names))]
        free = self.samples - position
        wav = np.roll(wav, 0 if begins else free if ends else rng.integers(free + 1))
        if rng.uniform() < self.augment.noise:
            power = loudest * 10 ** (-rng.uniform(*self.augment.snr) / 10)
            noise = self.noises[rng.integers(NOISES)]
            start = rng.integers(len(noise) - self.samples + 1)
            wav += np.float32(np.sqrt(power)) * noise[start : start + self.samples]
        return {"wav": np.clip(wav, -1, 1), "ids": np.array(ids)}

    def collate(self, examples: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
        return collate(examples)


def collate(examples: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """Pad to ``wav`` [B, T] and ``ids`` [B, L]; ``lengths`` and ``id_lengths`` [B] say what is valid."""
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "wav": pad([torch.from_numpy(e["wav"]) for e in examples], batch_first=True),
        "lengths": torch.tensor([len(e["wav"]) for e in examples]),
        "ids": pad([torch.from_numpy(e["ids"]) for e in examples], batch_first=True),
        "id_lengths": torch.tensor([len(e["ids"]) for e in examples]),
    }


def change_speed(wav: np.ndarray, factor: float) -> np.ndarray:
    """int16 samples played ``factor`` times faster, float32 in [-1, 1] (linear interpolation)."""
    positions = np.arange(0, len(wav) - 1, factor)
    return np.interp(positions, np.arange(len(wav)), wav).astype(np.float32) / 32768


def coloured_noise(samples: int, tilt: float) -> np.ndarray:
    """Gaussian noise of power 1 whose spectrum falls by ``tilt`` dB per octave, float32 [samples]; always the same."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    # Flat below 1 % of the band, where a steep fall would put all the power.
    spectrum *= np.maximum(np.arange(len(spectrum)), len(spectrum) / 100) ** (-tilt / (20 * np.log10(2)))
    noise = np.fft.irfft(spectrum, samples)
    return (noise / noise.std()).astype(np.float32)
