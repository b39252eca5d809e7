"""How much of the text stream is padding, and whether that agrees with its words."""

from pathlib import Path

from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.score.record import Score, bootstrap_ci
from audiolm.streams.text import NUM_SPECIAL
from audiolm.text.tokenizer import EPAD, PAD


def score(dump: str | Path, data: str) -> list[Score]:
    """Share of PAD and EPAD among the frames of ``<dump>/text``.

    Checked against the count of pieces and EPADs: frames = PAD + EPAD + pieces, and no frame holds anything else. The
    paper's value, about 65 % for English dialogue, counts both kinds of padding; a channel in which one of two
    speakers talks half of the time has more.

    Raises:
        AudiolmError: a stream holds BOS, EOS or an id outside the vocabulary, which no builder writes here.
    """
    reader = TokenReader(Path(dump) / "text", "text")
    padding, frames, epads, pieces = [], [], 0, 0
    for key in reader.keys():
        tokens = reader.read(key)[:, 0]
        pads = int((tokens == PAD).sum())
        key_epads = int((tokens == EPAD).sum())
        key_pieces = int(((tokens >= NUM_SPECIAL) & (tokens < reader.meta.vocab_sizes[0])).sum())
        if pads + key_epads + key_pieces != len(tokens):
            raise AudiolmError(
                f"{reader.directory}: '{key}' has {len(tokens)} frames, but {pads} PAD, {key_epads} EPAD and "
                f"{key_pieces} pieces; write the text streams again"
            )
        padding.append(pads + key_epads)
        frames.append(len(tokens))
        epads += key_epads
        pieces += key_pieces
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
