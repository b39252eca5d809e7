"""How near resynthesis is to the original, as signals and to models of the ear: mel distance, SI-SDR, PESQ, STOI.

Each is measured on utterances, the same ones of the original and of its resynthesis; the baseline is the same codec
decoded from its semantic level alone, so the difference is what the acoustic levels carry.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.score.parallel import on_all_cores
from audiolm.score.record import Score, bootstrap_ci

SHORTEST = 0.6  # seconds; PESQ and STOI need some speech
MOST = 80  # utterances, spread over the set

Pair = tuple[np.ndarray, np.ndarray]  # original, resynthesis: float32 [samples]


def mel_distance(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """Mean absolute difference of log-mel frames in dB (64 bands, 25 ms windows every 10 ms, floor at -80 dB)."""
    import torch

    from audiolm.encoders.logmel import LogMel

    mel = LogMel(fs, 64)
    a, b = (mel(torch.from_numpy(np.ascontiguousarray(wav))[None]) for wav in (original, copy))
    return float(10 * (a - b).abs().mean())


def si_sdr(original: np.ndarray, copy: np.ndarray, fs: int = 0) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, equation 3); means are not removed.

    The rate does not matter.
    """
    original, copy = original.astype(np.float64), copy.astype(np.float64)
    target = original * (copy @ original) / max(original @ original, 1e-12)
    error = copy - target
    return float(10 * np.log10(max(target @ target, 1e-12) / max(error @ error, 1e-12)))


def pesq(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """PESQ (ITU-T P.862; narrow band at 8 kHz, wide band P.862.2 at 16 kHz), MOS-LQO."""
    from pesq import pesq as measure

    return float(measure(fs, original, copy, "nb" if fs == 8000 else "wb"))


def stoi(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    from pystoi import stoi as measure

    return float(measure(original, copy, fs))


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
    "mel_distance": mel_distance,
    "si_sdr": si_sdr,
    "stoi": stoi,
    "pesq": pesq,
}
UNITS = {"mel_distance": "dB", "si_sdr": "dB", "stoi": "", "pesq": "MOS"}


def measure(pair: Pair, names: Sequence[str], fs: int) -> list[float]:
    """The named measures of a pair; not a number where PESQ finds no speech."""
    from pesq import NoUtterancesError

    values = []
    for name in names:
        try:
            values.append(MEASURES[name](*pair, fs))
        except (NoUtterancesError, ValueError):  # the latter where one of the two is all zeros
            values.append(math.nan)
    return values


def pairs(original: DataDir, copy: DataDir, fs: int) -> list[Pair]:
    """Utterances of both directories at ``fs`` Hz, up to MOST spread over the set, the shortest left out.

    Raises:
        AudiolmError: no utterance is long enough.
    """
    places = [original.place(utt) for utt in original.utts if original.place(utt).reco in copy.wav]
    places = [place for place in places if place.end - place.start >= SHORTEST]
    if not places:
        raise AudiolmError(f"{original.path}: no utterance of {SHORTEST} s or more that has a resynthesis")
    chosen = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, MOST).round().astype(int))]
    result = []
    for place in chosen:
        a, b = (each.audio(place.reco, place.start, place.end - place.start, fs=fs) for each in (original, copy))
        result.append((a[: len(b)], b[: len(a)]))
    return result


def score(
    original: DataDir, copy: DataDir, semantic_only: DataDir, names: Sequence[str], fs: int, data: str, codec: str
) -> list[Score]:
    """Scores of ``copy`` against ``original``; ``semantic_only`` is decoded from level 1 alone, ``codec`` a checksum.

    ``names`` are keys of `MEASURES`; PESQ is left out at rates that it does not know. It finds no speech in some
    hopeless or very short clips; their number is in the score's details.

    Raises:
        AudiolmError: a measure finds speech in no utterance.
    """
    names = [name for name in names if name != "pesq" or fs in (8000, 16000)]
    if not names:
        return []
    both = [*pairs(original, copy, fs), *pairs(original, semantic_only, fs)]
    values = np.array(on_all_cores(partial(measure, names=names, fs=fs), both))
    values = values.reshape(2, -1, len(names))  # [copy and semantic only, utterances, measures]
    heard = np.isfinite(values).all(axis=0)  # [utterances, measures]
    scores = []
    for column, name in enumerate(names):
        unit, better, doc = UNITS[name], "lower" if name == "mel_distance" else "higher", MEASURES[name].__doc__
        found = heard[:, column]
        if not found.any():
            raise AudiolmError(
                f"{name} finds no speech in any utterance of {original.path}: leave it out of --measures"
            )
        of_copy, baseline = values[:, found, column]
        scores.append(
            Score(
                metric=f"codec_{name}",
                value=float(np.mean(of_copy)),
                unit=unit,
                protocol=f"mean over utterances of at least {SHORTEST} s: {doc.splitlines()[0]}",
                backend=name,
                checksum=codec,
                data=data,
                count=len(of_copy),
                ci=bootstrap_ci(of_copy.tolist()),
                baseline=float(np.mean(baseline)),
                baseline_name="semantic level alone",
                better=better,
                details={"no speech found": int((~found).sum())},
            )
        )
    return scores
