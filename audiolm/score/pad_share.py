"""How much of the text stream is padding, and whether that agrees with its words."""

from pathlib import Path

from audiolm.data.tokens import TokenReader
from audiolm.score.record import Score, bootstrap_ci


def score(dump: str | Path, data: str) -> list[Score]:
    """Share of PAD and EPAD among the frames of ``<dump>/text``; all others are pieces, the marks of turns among them.

    The paper's value, about 65 % for English dialogue, counts both kinds of padding; a channel in which one of two
    speakers talks half of the time has more.
    """
    reader = TokenReader(Path(dump) / "text", "text")
    padding, frames, epads = [], [], 0
    for key in reader.keys():
        tokens = reader.read(key)[:, 0]
        announced = int((tokens == reader.meta.specials.epad).sum())
        padding.append(int((tokens == reader.meta.specials.pad).sum()) + announced)
        frames.append(len(tokens))
        epads += announced
    pieces = sum(frames) - sum(padding)
    ci = bootstrap_ci(padding, frames)
    return [
        Score(
            metric="pad_share",
            value=100 * sum(padding) / sum(frames),
            unit="%",
            protocol="PAD and EPAD among the frames of all text streams, one stream a speaker",
            backend="",
            checksum=reader.meta.source,
            data=data,
            count=sum(frames),
            ci=ci and (100 * ci[0], 100 * ci[1]),
            baseline=65.0,
            baseline_name="English dialogue (Moshi, section 3.4.4)",
            better=None,
            details={"epad": epads, "pieces": pieces, "frames": sum(frames)},
        )
    ]
