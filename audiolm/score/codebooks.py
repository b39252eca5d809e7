"""How evenly a codec uses its codebooks, level by level, and its bitrate."""

from pathlib import Path

import numpy as np

from audiolm.data.tokens import TokenReader
from audiolm.score.record import Score


def perplexity(counts: np.ndarray) -> float:
    """exp of the entropy of counts [entries]: 1 (one entry only) … entries (all equally often).

    >>> round(perplexity(np.array([5, 5, 0, 0])), 6)
    2.0
    """
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def score(dump: str | Path, data: str) -> list[Score]:
    """Perplexity of every level on ``<dump>/codes``, and the bitrate that these codebooks stand for."""
    reader = TokenReader(Path(dump) / "codes", "codes")
    sizes, rate = reader.meta.vocab_sizes, reader.meta.frame_rate
    counts = [np.zeros(size, dtype=np.int64) for size in sizes]
    for key in reader.keys():
        for level, column in zip(counts, reader.read(key).T, strict=True):
            level += np.bincount(column, minlength=len(level))
    frames = int(counts[0].sum())
    common = {"backend": "", "checksum": reader.meta.source, "data": data, "count": frames}
    scores = [
        Score(
            metric=f"codebook_perplexity_{number}",
            value=perplexity(level),
            unit="",
            protocol="exp of the entropy of the level's tokens over all frames of the set, silence included",
            baseline=float(len(level)),
            baseline_name="entries",
            better="higher",
            details={"entries chosen at least once, %": 100 * float((level > 0).mean())},
            **common,
        )
        for number, level in enumerate(counts, 1)
    ]
    bits = rate * float(np.log2(sizes).sum())
    use = [100 * float((level > 0).mean()) for level in counts]
    return scores + [
        Score(
            metric="codebook_use",
            value=float(np.mean(use)),
            unit="%",
            protocol="entries that are chosen at least once in the set, mean of the levels",
            better="higher",
            details={f"level {number}, %": share for number, share in enumerate(use, 1)},
            **common,
        ),
        Score(
            metric="bitrate",
            value=bits,
            unit="bit/s",
            protocol="frame rate times the sum of log2 of the codebook sizes; nothing is entropy-coded",
            better=None,
            **common,
        ),
        Score(
            metric="token_rate",
            value=rate * len(sizes),
            unit="token/s",
            protocol="frame rate times the number of levels",
            better=None,
            details={"frames a second": rate, "levels": len(sizes)},
            **common,
        ),
    ]
