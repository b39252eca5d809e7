"""How loud a stretch of sound is, and the same sound at another level."""

import numpy as np

BLOCK = 0.4  # seconds
HOP = 0.1  # seconds from one block to the next
SILENCE = -60.0  # dBFS: what is quieter is no sound whose loudness could be set
GATE = 10.0  # dB under the mean of the blocks that are not silent: quieter ones are pauses


def loudness(wav: np.ndarray, fs: int) -> float:
    """Level of a sound [samples] without its pauses in dB of full scale: a square wave of amplitude 1 has 0, a sine −3.

    The mean power of blocks of 0.4 s, those left out that are silent or 10 dB quieter than the mean of the others: the
    gates of ITU-R BS.1770-4 without its weighting of frequencies, so that it is plain RMS for steady sounds. A sound
    shorter than a block is one block. Minus infinity where all is silent (under −60 dBFS).
    """
    size, hop = min(round(BLOCK * fs), len(wav)), max(round(HOP * fs), 1)
    if size == 0:
        return -np.inf
    total = np.concatenate([[0.0], np.cumsum(np.square(wav, dtype=np.float64))])
    power = (total[size:] - total[:-size])[::hop] / size
    heard = power[power > 10 ** (SILENCE / 10)]
    if not len(heard):
        return -np.inf
    return float(10 * np.log10(heard[heard >= heard.mean() * 10 ** (-GATE / 10)].mean()))


def amplify(wav: np.ndarray, gain: float) -> np.ndarray:
    """``wav`` float32 [samples], louder by ``gain`` dB, or by as much less as keeps its peak within −1…1."""
    factor = 10 ** (gain / 20)
    peak = float(np.abs(wav).max(initial=0.0)) * factor
    return wav * np.float32(factor / max(peak, 1.0))
