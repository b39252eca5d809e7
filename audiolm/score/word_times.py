"""How far the words of a ``ctm`` are from where they should be.

The words of each channel are matched to the reference by edit distance, after the normalisation of word error rates;
what counts is the distance between the starts of the words that match. Used for forced alignment and for the word
times of streaming recognition.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Word, channel_index, read_ctm
from audiolm.errors import AudiolmError
from audiolm.score.record import Score
from audiolm.score.wer import align_words
from audiolm.text.normalize import normalize

DRAWS = 1000  # of the bootstrap
PROTOCOL = (
    "{what} of |start − reference start| over words that match by edit distance within their channel; "
    "count is matched words; interval by bootstrap over channels"
)


def score(
    reference_ctm: str | Path,
    hypothesis_ctm: str | Path,
    data: str,
    backend: str,
    checksum: str = "",
    metric: str = "word_start",
    segments: DataDir | None = None,
) -> list[Score]:
    """Score a set: the mean (``<metric>_error``) and the 95th percentile (``<metric>_p95``) of word-start errors in ms.

    Args:
        data: name of the data set, for the records.
        backend, checksum: what found the words.
        segments: the set's data directory with segments and text; the baseline then spreads the words of every
            utterance evenly over it.

    Raises:
        AudiolmError: no word matches.
    """
    reference = read_ctm(reference_ctm)
    errors = start_errors(reference, read_ctm(hypothesis_ctm))
    matched = sum(map(len, errors.values()))
    if not matched:
        raise AudiolmError(f"no word of {hypothesis_ctm} matches {reference_ctm}: score the sets that belong together")
    channels = [1000 * values for values in errors.values()]  # ms
    everything = np.concatenate(channels)
    baseline = None
    if segments is not None:
        baseline = np.concatenate([1000 * e for e in start_errors(reference, spread_evenly(segments)).values()])
    details = {
        "bias_ms": float(everything.mean()),
        "median_ms": float(np.median(everything)),
        "within_80_ms": 100 * float(np.mean(np.abs(everything) <= 80)),
        "reference_words": len(reference),
        "matched_words": matched,
    }
    scores = []
    for name, what, statistic in (("error", "mean", np.mean), ("p95", "95th percentile", _p95)):
        scores.append(
            Score(
                metric=f"{metric}_{name}",
                value=float(statistic(np.abs(everything))),
                unit="ms",
                protocol=PROTOCOL.format(what=what),
                backend=backend,
                checksum=checksum,
                data=data,
                count=matched,
                ci=_bootstrap(channels, statistic),
                baseline=None if baseline is None or not len(baseline) else float(statistic(np.abs(baseline))),
                baseline_name="" if baseline is None else "words spread evenly over each utterance",
                details=details,
            )
        )
    return scores


def start_errors(reference: Iterable[Word], hypothesis: Iterable[Word]) -> dict[tuple[str, int], np.ndarray]:
    """(file, channel) -> start minus reference start in seconds, of the words that match."""
    found = _by_channel(hypothesis)
    errors = {}
    for channel, words in _by_channel(reference).items():
        others = found.get(channel, [])
        parts, other_parts = _parts(words), _parts(others)
        pairs = align_words([text for text, _ in parts], [text for text, _ in other_parts]).pairs
        starts = [(parts[r][1], other_parts[h][1]) for r, h in pairs]
        errors[channel] = np.array([hyp - ref for ref, hyp in starts if ref is not None and hyp is not None])
    return errors


def _parts(words: Iterable[Word]) -> list[tuple[str, float | None]]:
    """What is compared of words, and when it begins: "twenty-one" are two, and when "one" begins is not known."""
    return [
        (part, word.start if first == 0 else None)
        for word in words
        for first, part in enumerate(normalize(word.word).split())
    ]


def spread_evenly(data: DataDir) -> list[Word]:
    """The words of every utterance, one after another from its start to its end, all of equal length."""
    words = []
    for utt in data.utts:
        place, texts = data.place(utt), data.text.get(utt, "").split()
        file, channel = data.file_and_channel(place.reco)
        length = (place.end - place.start) / max(len(texts), 1)
        words += [Word(file, channel, place.start + i * length, length, text) for i, text in enumerate(texts)]
    return words


def _by_channel(words: Iterable[Word]) -> dict[tuple[str, int], list[Word]]:
    table = defaultdict(list)
    for word in words:
        table[word.file, channel_index(word.channel)].append(word)
    return {channel: sorted(table[channel], key=lambda word: word.start) for channel in sorted(table)}


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95))


def _bootstrap(channels: Sequence[np.ndarray], statistic) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of ``statistic`` of absolute values, drawing whole channels with
    replacement.
    """
    channels = [np.abs(values) for values in channels if len(values)]
    if len(channels) < 2:
        return None
    rng = np.random.default_rng(0)
    draws = (rng.integers(0, len(channels), len(channels)) for _ in range(DRAWS))
    values = [statistic(np.concatenate([channels[i] for i in draw])) for draw in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
