"""What models of speech quality and of voices say of resynthesis, beside what they say of the originals."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from audiolm.annotate.wheels import checksum, wheel_file
from audiolm.data.datadir import DataDir
from audiolm.score.record import Score, bootstrap_ci
from audiolm.score.signal_quality import SHORTEST, SILENCE, Pair, utterances

MOST_DNSMOS = 12  # utterances; most of a second of one core each, twice
WINDOW = 9.02  # seconds that DNSMOS hears at once: longer clips are cut to their middle, shorter ones repeated
MOST_VOICES = 80


def dnsmos(original: DataDir, copy: DataDir, fs: int, data: str) -> list[Score]:
    """DNSMOS P.835 of the resynthesis beside that of the originals; none where all is silent."""
    from audiolm.annotate.quality import Dnsmos

    model = Dnsmos()
    pairs = [pair for _, pair in utterances(original, copy, fs, MOST_DNSMOS)]
    heard = [pair for pair in pairs if not _silent(pair)]
    if not heard:
        print(f"codec_dnsmos left out: every utterance of {data} or its resynthesis is silent")
        return []
    of_original, of_copy = (np.array([model(_window(pair[side], fs), fs) for pair in heard]) for side in (0, 1))
    return [
        Score(
            metric="codec_dnsmos",
            value=float(of_copy.mean()),
            unit="MOS",
            protocol=f"DNSMOS P.835, overall quality (Reddy et al. 2022), at 16 kHz, mean over utterances of at least "
            f"{SHORTEST} s; a model without reference, trained on speech in noise",
            backend=model.name,
            checksum=checksum(wheel_file("speechmos", "dnsmos_models/sig_bak_ovr.onnx", "speechmos")),
            data=data,
            count=len(heard),
            ci=bootstrap_ci(of_copy.tolist()),
            baseline=float(of_original.mean()),
            baseline_name="the originals",
            better="higher",
            details=_left_out(pairs, heard),
        )
    ]


def speaker_similarity(original: DataDir, copy: DataDir, fs: int, data: str) -> list[Score]:
    """Cosine of speaker embeddings of originals and their resynthesis, beside that of different originals.

    The baseline is that of different utterances of a speaker; details hold that of different speakers. Either is left
    out where the set has no such pair.
    """
    from audiolm.annotate.embeddings import ResemblyzerEncoder

    encoder = ResemblyzerEncoder()
    pairs = utterances(original, copy, fs, MOST_VOICES)
    heard = [(utt, pair) for utt, pair in pairs if not _silent(pair)]
    if not heard:
        print(f"codec_speaker_similarity left out: every utterance of {data} or its resynthesis is silent")
        return []
    a, b = (
        np.concatenate([encoder.embed(pair[side], fs, [(0.0, len(pair[side]) / fs)]) for _, pair in heard])
        for side in (0, 1)
    )  # [utterances, 256]
    cosines = (a * b).sum(axis=1)
    same, other = _between(a, [original.utt2spk.get(utt, utt) for utt, _ in heard])
    return [
        Score(
            metric="codec_speaker_similarity",
            value=float(cosines.mean()),
            unit="",
            protocol=f"cosine of the speaker embeddings of an utterance and its resynthesis, at 16 kHz, mean over "
            f"utterances of at least {SHORTEST} s",
            backend="Resemblyzer (GE2E)",
            checksum=checksum(wheel_file("resemblyzer", "pretrained.pt", "resemblyzer")),
            data=data,
            count=len(heard),
            ci=bootstrap_ci(cosines.tolist()),
            baseline=same,
            baseline_name="" if same is None else "other originals of the same speaker",
            better="higher",
            details={
                **({} if other is None else {"originals of different speakers": other}),
                **_left_out(pairs, heard),
            },
        )
    ]


def _between(embeddings: np.ndarray, speakers: Sequence[str]) -> tuple[float | None, float | None]:
    """Mean cosine of pairs of utterances of one speaker, the mean over speakers, and of pairs of two speakers."""
    cosines = embeddings @ embeddings.T
    same, other = defaultdict(list), []
    for i, j in combinations(range(len(speakers)), 2):
        (same[speakers[i]] if speakers[i] == speakers[j] else other).append(cosines[i, j])
    return (
        float(np.mean([np.mean(values) for values in same.values()])) if same else None,
        float(np.mean(other)) if other else None,
    )


def _window(wav: np.ndarray, fs: int) -> np.ndarray:
    length = round(WINDOW * fs)
    spare = max(0, len(wav) - length) // 2
    return np.resize(wav[spare : len(wav) - spare], length)  # repeats


def _silent(pair: Pair) -> bool:
    return any(np.sqrt(np.mean(np.square(wav, dtype=np.float64))) < SILENCE for wav in pair)


def _left_out(pairs: Sequence, heard: Sequence) -> dict[str, float]:
    return {"left out: silent": len(pairs) - len(heard)} if len(pairs) > len(heard) else {}
