"""A speaker as a dialogue model would hear them on a call: louder or softer, in noise, with its own voice echoing."""

import numpy as np

GAIN = (-24.0, 15.0)  # dB
NOISE = (-30.0, 6.0)  # dB, against the speaker's power
NOISE_SECONDS = (3.0, 30.0)  # of one stretch of noise, or of the silence that takes its place
TILT = (0.0, 9.0)  # dB an octave by which the noise falls, white to darker than brown
ECHO = (0.0, 0.2)  # factor
ECHO_DELAY = (0.1, 0.5)  # seconds
REVERBERATION = (0.1, 0.5)  # seconds in which a room's sound falls by 60 dB


def as_heard(user: np.ndarray, main: np.ndarray, fs: int, rng: np.random.Generator) -> np.ndarray:
    """The user's channel as in Moshi's instruction tuning (section 4.3).

    Half the time a gain; 30 % of the time noise, every other stretch of it silent; 30 % of the time an echo of the main
    speaker in a reverberant room. The paper's noise is of recordings (DNS challenge); this is Gaussian, of a random
    colour.

    Args:
        user, main: float32 [T], the two speakers of a conversation.
        fs: samples a second.
        rng: of all draws.

    Returns:
        float32 [T], within ±1.
    """
    wav = user.astype(np.float32)
    loud, noisy, echoing = rng.random(3)
    power = float(np.square(wav, dtype=np.float64).mean())
    if noisy < 0.3:
        wav = wav + _noise(len(wav), fs, power, rng)
    if echoing < 0.3:
        wav = _room(wav + _echo(main, fs, rng), fs, rng)
    if loud < 0.5:
        wav = wav * np.float32(10 ** (rng.uniform(*GAIN) / 20))
    return np.clip(wav, -1, 1).astype(np.float32)


def _noise(samples: int, fs: int, power: float, rng: np.random.Generator) -> np.ndarray:
    noise, start = np.zeros(samples, dtype=np.float32), 0
    while start < samples:
        stretch = noise[start : start + round(rng.uniform(*NOISE_SECONDS) * fs)]
        start += len(stretch)
        if rng.random() < 0.5:
            continue
        spectrum = np.fft.rfft(rng.standard_normal(len(stretch)))
        # Flat below 1 % of the band, where a steep fall would put all the power.
        octaves = np.log2(np.maximum(np.arange(len(spectrum)), len(spectrum) / 100 + 1e-9))
        coloured = np.fft.irfft(spectrum * 10 ** (-rng.uniform(*TILT) / 20 * octaves), len(stretch))
        level = power * 10 ** (rng.uniform(*NOISE) / 10)
        stretch[:] = coloured * np.sqrt(level / max(np.square(coloured).mean(), 1e-20))
    return noise


def _echo(main: np.ndarray, fs: int, rng: np.random.Generator) -> np.ndarray:
    delay = min(round(rng.uniform(*ECHO_DELAY) * fs), len(main))
    return np.float32(rng.uniform(*ECHO)) * np.pad(main[: len(main) - delay], (delay, 0))


def _room(wav: np.ndarray, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Convolve with a decaying noise behind the direct sound, of a quarter of its power."""
    from scipy.signal import oaconvolve

    seconds = rng.uniform(*REVERBERATION)
    tail = rng.standard_normal(round(seconds * fs)) * 10 ** (-3 * np.arange(round(seconds * fs)) / (seconds * fs))
    tail *= 0.5 / np.sqrt(np.square(tail).sum())
    return oaconvolve(wav, np.concatenate(([1.0], tail)))[: len(wav)].astype(np.float32)
