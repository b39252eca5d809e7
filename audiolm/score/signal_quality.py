"""How near resynthesis is to the original, as signals and to models of the ear.

Each is measured on utterances, the same ones of the original and of its resynthesis; the baseline is the same codec
decoded from its semantic level alone, so the difference is what the acoustic levels carry.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from audiolm.data.audio import resample
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.score.parallel import on_all_cores
from audiolm.score.record import Score, bootstrap_ci

SHORTEST = 0.6  # seconds; PESQ and STOI need some speech
MOST = 80  # utterances, spread over the set
WORST_SI_SDR = -100.0  # dB
PESQ_SECONDS = 20.0  # its authors' program holds 50 utterances, and crashes beyond
SILENCE = 1e-5  # root mean square, -100 dB full scale: below it there is nothing to hear

Pair = tuple[np.ndarray, np.ndarray]  # original, resynthesis: float32 [samples]


class NotMeasured(Exception):
    """A pair that a measure has no value for; the message is the reason, in a few words."""


def mel_distance(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """Mean absolute difference of log-mel frames in dB (64 bands, 25 ms windows every 10 ms, floor at -80 dB)."""
    import torch

    from audiolm.encoders.logmel import LogMel

    mel = LogMel(fs, 64)
    a, b = (mel(torch.from_numpy(np.ascontiguousarray(wav))[None]) for wav in (original, copy))
    return float(10 * (a - b).abs().mean())


def si_sdr(original: np.ndarray, copy: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, equation 3); means are not removed.

    A copy that is silent gets WORST_SI_SDR.
    """
    original, copy = original.astype(np.float64), copy.astype(np.float64)
    if copy @ copy < 1e-12:  # nothing of the original is left: the formula has no value, and 0 dB would be praise
        if original @ original < 1e-12:
            raise NotMeasured("both silent")
        return WORST_SI_SDR
    target = original * (copy @ original) / max(original @ original, 1e-12)
    error = copy - target
    return float(10 * np.log10(max(target @ target, 1e-12) / max(error @ error, 1e-12)))


def pesq_rate(fs: int) -> int:
    """The rate in Hz at which PESQ hears audio of ``fs`` Hz: it knows two, and nothing is gained by more than there is.

    >>> [pesq_rate(fs) for fs in (8000, 11025, 16000, 24000)]
    [8000, 8000, 16000, 16000]
    """
    return 8000 if fs < 16000 else 16000


def pesq(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """PESQ (ITU-T P.862; narrow band below 16 kHz, at 8 kHz; else wide band, P.862.2, at 16 kHz), MOS-LQO.

    What is longer than PESQ_SECONDS is measured in equal pieces, of which the mean is told: P.862.3 wants 8 to 30 s.
    """
    from pesq import PesqError
    from pesq import pesq as measure

    rate = pesq_rate(fs)
    original, copy = (resample(wav, fs, rate) for wav in (original, copy))
    pieces = max(1, int(np.ceil(len(original) / rate / PESQ_SECONDS)))
    values, why = [], "no speech found"
    for before, after in zip(np.array_split(original, pieces), np.array_split(copy, pieces), strict=True):
        try:
            values.append(float(measure(rate, before, after, "nb" if rate == 8000 else "wb")))
        except (PesqError, ValueError) as error:
            why = "too short" if "BufferTooShort" in type(error).__name__ else "no speech found"
    if not values:
        raise NotMeasured(why)
    return float(np.mean(values))


def stoi(original: np.ndarray, copy: np.ndarray, fs: int) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    from pystoi import stoi as measure

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(measure(original, copy, fs))
        except (RuntimeWarning, ValueError, IndexError):  # fewer than 30 frames that are not silent; no frame
            raise NotMeasured("too short") from None


def visqol(original: np.ndarray, copy: np.ndarray, fs: int, mode: str) -> float:
    """ViSQOL (Chinen et al. 2020), MOS-LQO from 1 to 5 (near 4.73 for equal audio in mode ``audio``).

    Args:
        mode: ``audio``: 48 kHz, support vector regression; ``speech``: 16 kHz, exponential fit scaled to 5 (what
            Google's program does with ``--use_lattice_model=false``; its default maps some speech 1 to 2 lower).
    """
    rate = VISQOL_RATES[mode]
    original, copy = (resample(wav, fs, rate).astype(np.float64) for wav in (original, copy))
    try:
        value = _visqol(mode).measure_from_arrays(original, copy, rate).moslqo
    except (ValueError, IndexError):  # less than one patch; no patch with speech
        raise NotMeasured("too short") from None
    return float(value)


VISQOL_RATES = {"audio": 48000, "speech": 16000}


@cache
def _visqol(mode: str):
    try:
        from visqol import VisqolApi
    except ImportError as error:
        raise AudiolmError(
            f"ViSQOL needs visqol-python ({error}): pip install 'visqol-python[accel]', or leave it out of --measures"
        ) from None
    api = VisqolApi()
    api.create(mode=mode, use_lattice_model=False)
    return api


@dataclass(frozen=True)
class Measure:
    """One way to compare a resynthesis with its original.

    Attributes:
        of: (original, copy, fs) -> value; raises `NotMeasured` where there is none.
        unit, better: as in `Score`.
        about: what it is, for the protocol.
        most: utterances that it is measured on, at most.
        backend: what measures, empty for a formula.
        silence: whether it has a value where one of the two is silent.
    """

    of: Callable[[np.ndarray, np.ndarray, int], float]
    unit: str
    better: str
    about: str
    most: int = MOST
    backend: str = ""
    silence: bool = False


MEASURES: dict[str, Measure] = {
    "mel_distance": Measure(
        mel_distance,
        "dB",
        "lower",
        "mean absolute difference of log-mel frames in dB (64 bands, 25 ms windows every 10 ms, floor at -80 dB)",
        silence=True,
    ),
    "si_sdr": Measure(
        lambda original, copy, fs: si_sdr(original, copy),
        "dB",
        "higher",
        "scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, equation 3), means not removed",
        silence=True,
    ),
    "stoi": Measure(
        stoi, "", "higher", "short-time objective intelligibility (Taal et al. 2011), 0 to 1", backend="pystoi"
    ),
    "pesq": Measure(
        pesq,
        "MOS",
        "higher",
        "PESQ, MOS-LQO (ITU-T P.862), narrow band at 8 kHz of audio below 16 kHz, else wide band (P.862.2) at 16 kHz; "
        "both are resampled to that rate; mean over pieces of at most 20 s",
        backend="pesq",
    ),
    "visqol": Measure(
        partial(visqol, mode="audio"),
        "MOS",
        "higher",
        "ViSQOL, MOS-LQO (Chinen et al. 2020), audio mode: both resampled to 48 kHz, support vector regression; equal "
        "audio gets 4.73, and bands above half of the codec's rate, empty in both, count as equal",
        most=24,
        backend="visqol-python",
    ),
    "visqol_speech": Measure(
        partial(visqol, mode="speech"),
        "MOS",
        "higher",
        "ViSQOL, MOS-LQO (Chinen et al. 2020), speech mode: both resampled to 16 kHz, exponential fit scaled to 5 (the "
        "lattice model of Google's program gives lower values)",
        most=24,
        backend="visqol-python",
    ),
}


def measure(pair: Pair, names: Sequence[str], fs: int) -> list[float | str]:
    """The named measures of a pair, each a number or the reason why there is none."""
    fault = next(filter(None, map(_fault, pair, ("original", "resynthesis"))), None)
    values: list[float | str] = []
    for name in names:
        if fault and not (MEASURES[name].silence and fault.endswith("silent")):
            values.append(fault)
            continue
        try:
            value = MEASURES[name].of(*pair, fs)
        except NotMeasured as error:
            values.append(str(error))
        except AudiolmError:
            raise
        except Exception as error:  # of the library: this pair has no value, the others have
            values.append(f"{name}: {type(error).__name__}: {error}")
        else:
            values.append(value if np.isfinite(value) else "no value")
    return values


def _fault(wav: np.ndarray, whose: str) -> str | None:
    """What is wrong with samples, in a few words."""
    if not np.isfinite(wav).all():
        return f"{whose} not finite"
    if len(wav) == 0 or np.sqrt(np.mean(np.square(wav, dtype=np.float64))) < SILENCE:
        return f"{whose} silent"
    return None


def utterances(original: DataDir, copy: DataDir, fs: int, most: int = MOST) -> list[tuple[str, Pair]]:
    """(Utterance, pair) of both directories at ``fs`` Hz, up to ``most`` spread over the set, the shortest left out.

    Raises:
        AudiolmError: no utterance is long enough.
    """
    utts = [utt for utt in original.utts if original.place(utt).reco in copy.wav]
    utts = [utt for utt in utts if original.place(utt).end - original.place(utt).start >= SHORTEST]
    if not utts:
        raise AudiolmError(f"{original.path}: no utterance of {SHORTEST} s or more that has a resynthesis")
    result = []
    for utt in (utts[i] for i in spread(len(utts), most)):
        place = original.place(utt)
        a, b = (each.audio(place.reco, place.start, place.end - place.start, fs=fs) for each in (original, copy))
        result.append((utt, (a[: len(b)], b[: len(a)])))
    return result


def spread(count: int, most: int) -> list[int]:
    """``most`` of 0 … count - 1, evenly spread; all where there are no more."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def score(
    original: DataDir, copy: DataDir, semantic_only: DataDir, names: Sequence[str], fs: int, data: str, codec: str
) -> list[Score]:
    """Scores of ``copy`` against ``original``; ``semantic_only`` is decoded from level 1 alone, ``codec`` a checksum.

    ``names`` are keys of `MEASURES`. An utterance without a value for one of the two is left out of both; how many
    and why is in the score's details. A measure that no utterance has a value for is left out, with a line that says
    why.
    """
    if not names:
        return []
    both = [[pair for _, pair in utterances(original, each, fs)] for each in (copy, semantic_only)]
    shown = {name: set(spread(len(both[0]), MEASURES[name].most)) for name in names}
    asked = [[name for name in names if number in shown[name]] for number in range(len(both[0]))]
    values = on_all_cores(
        partial(_measure, fs=fs), [*zip(both[0], asked, strict=True), *zip(both[1], asked, strict=True)], _died
    )
    found = [dict(zip(wanted, row, strict=True)) for wanted, row in zip(2 * asked, values, strict=True)]
    scores = []
    for name in names:
        results = [
            (a[name], b[name]) for a, b in zip(found[: len(asked)], found[len(asked) :], strict=True) if name in a
        ]
        reasons = Counter(why for pair in results if (why := next((v for v in pair if isinstance(v, str)), None)))
        values = np.array([pair for pair in results if not any(isinstance(v, str) for v in pair)])
        if not len(values):
            told = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
            print(f"codec_{name} left out, no utterance of {data} has a value: {told}")
            continue
        kind = MEASURES[name]
        scores.append(
            Score(
                metric=f"codec_{name}",
                value=float(values[:, 0].mean()),
                unit=kind.unit,
                protocol=f"mean over utterances of at least {SHORTEST} s: {kind.about}",
                backend=kind.backend,
                checksum=codec,
                data=data,
                count=len(values),
                ci=bootstrap_ci(values[:, 0].tolist()),
                baseline=float(values[:, 1].mean()),
                baseline_name="semantic level alone",
                better=kind.better,
                details={f"left out: {reason}": count for reason, count in sorted(reasons.items())},
            )
        )
    return scores


def _measure(pair_and_names: tuple[Pair, list[str]], fs: int) -> list[float | str]:
    return measure(*pair_and_names, fs)


def _died(pair_and_names: tuple[Pair, list[str]]) -> list[float | str]:
    return ["its measuring crashed"] * len(pair_and_names[1])
