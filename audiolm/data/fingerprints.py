"""Acoustic fingerprints: hashed pairs of peaks of a mel spectrogram, by which copies of a recording find each other.

The constellation method (Wang 2003, "An industrial-strength audio search algorithm"), with the parameters that Moshi
prints (Défossez et al. 2024, appendix B): 40 frames a second, 64 mel bands. A peak is a point that passes three
filters: its energy is not far below the loudest around it, and it is the largest among its neighbours in time and in
frequency. Each peak makes a hash with each of the few that follow it: both bands and the time between. Level, additive
noise and lossy coding leave most peaks where they are.
"""

from functools import cache

import numpy as np

SAMPLE_RATE = 8000  # Hz: what telephone speech and every lossy codec keep
FRAME_RATE = 40  # Hz
BANDS = 64
WINDOW = 1024  # samples, 128 ms: peaks then move little when audio is shifted by part of a frame
LOWEST, HIGHEST = 100.0, 3800.0  # Hz
ENERGY_RANGE = 30.0  # dB that a peak may lie below the loudest point within ENERGY_RADIUS
ENERGY_RADIUS = 40  # frames
TIME_RADIUS, BAND_RADIUS = 3, 3  # frames and bands on each side among which a peak is the largest
FAN_OUT = 8  # peaks after it that a peak is paired with
LONGEST_PAIR = 63  # frames
HASH_BITS = 18  # two bands and a time, six bits each
BLOCK = 4096  # frames that are transformed at once


def fingerprint(wav: np.ndarray, fs: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of a recording and when they begin.

    Args:
        wav: float [samples] at ``fs`` Hz.

    Returns:
        hashes below 2^HASH_BITS, uint32 [N], and frames at FRAME_RATE, int32 [N], in order of time.
    """
    from audiolm.data.audio import resample

    frames, bands = peaks(log_mel(resample(np.asarray(wav, dtype=np.float32), fs, SAMPLE_RATE)))
    hashes, times = [], []
    for step in range(1, FAN_OUT + 1):
        apart = frames[step:] - frames[:-step]
        near = (apart >= 1) & (apart <= LONGEST_PAIR)
        hashes.append((bands[:-step] << 12 | bands[step:] << 6 | apart)[near])
        times.append(frames[:-step][near])
    hashes, times = np.concatenate(hashes), np.concatenate(times)
    order = np.argsort(times, kind="stable")
    return hashes[order].astype(np.uint32), times[order].astype(np.int32)


def log_mel(wav: np.ndarray) -> np.ndarray:
    """Mel spectrogram in dB, float32 [frames, BANDS], of float32 [samples] at SAMPLE_RATE, windows centred."""
    hop = SAMPLE_RATE // FRAME_RATE
    count = len(wav) // hop + 1
    wav = np.pad(wav, (WINDOW // 2, WINDOW // 2 + hop))
    windows = np.lib.stride_tricks.sliding_window_view(wav, WINDOW)[::hop][:count]
    shape, filters = np.hanning(WINDOW).astype(np.float32), _filters()
    out = np.empty((count, BANDS), dtype=np.float32)
    for first in range(0, count, BLOCK):
        spectrum = np.fft.rfft(windows[first : first + BLOCK] * shape)
        out[first : first + BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ filters
    return 10 * np.log10(np.maximum(out, 1e-10))


def peaks(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames and bands, int64 [peaks] each, of the peaks of ``mel`` [frames, BANDS], by time, then band."""
    silence = -99.0  # of a spectrogram in which nothing is
    loudest = _running_max(mel.max(axis=1), ENERGY_RADIUS)
    found = mel > np.maximum(loudest - ENERGY_RANGE, silence)[:, None]
    found &= mel >= _running_max(mel, TIME_RADIUS)
    found[1:] &= mel[1:] > mel[:-1]  # a steady tone is one peak
    found &= mel >= _running_max(mel.T, BAND_RADIUS).T
    return np.nonzero(found)


def _running_max(values: np.ndarray, radius: int) -> np.ndarray:
    """Maximum over ``radius`` rows on each side."""
    out = values.copy()
    reached = 0  # rows on each side that ``out`` covers
    while reached < radius:
        step = min(2 * reached + 1, radius - reached)
        wider = out.copy()
        wider[step:] = np.maximum(wider[step:], out[:-step])
        wider[:-step] = np.maximum(wider[:-step], out[step:])
        out, reached = wider, reached + step
    return out


@cache
def _filters() -> np.ndarray:
    """Triangles on the mel scale (O'Shaughnessy's, as HTK's), float32 [WINDOW / 2 + 1, BANDS].

    Each sums to 1, so that white noise is equally strong in all bands and rarely reaches the loudest ones.
    """
    edges = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST)), BANDS + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles / triangles.sum(axis=0)).astype(np.float32)
