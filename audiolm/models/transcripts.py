"""Transcripts of files and of live sound, on their way out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr

from audiolm.data.files import write_lines
from audiolm.data.readers import BLANK
from audiolm.data.tables import WORD_ORDER, Word, write_ctm
from audiolm.data.tools import write_rejected
from audiolm.models.actions import Listening, Transcripts


def lines_of_text(found: Transcripts) -> list[str]:
    """Lines of Kaldi's ``text``: recording and words."""
    texts = {BLANK.sub("%20", reco): " ".join(word.word for word in said) for reco, said in found.words.items()}
    return [f"{reco} {text}".rstrip() for reco, text in sorted(texts.items())]


def words_in_order(found: Transcripts) -> list[Word]:
    """All words as a ctm has them."""
    words = [replace(word, file=BLANK.sub("%20", word.file)) for said in found.words.values() for word in said]
    return sorted(words, key=WORD_ORDER)


def write_transcripts(out: Path, found: Transcripts) -> None:
    """Write ``ctm``, ``text`` and ``rejected.tsv`` into a folder."""
    write_ctm(out / "ctm", words_in_order(found))
    write_lines(out / "text", lines_of_text(found))
    write_rejected(out / "rejected.tsv", found.rejected)


def listen_to(sound: BinaryIO, rate: int, listener: Listening, show: Callable[[list[Word]], None]) -> None:
    """Hear raw sound, 16 bit, one channel, ``rate`` Hz, to its end; ``show`` gets words as they are complete."""
    for wav in _waves(sound, rate, listener):
        show(listener.hear(wav))
    show(listener.close())


def print_live(sound: BinaryIO, rate: int, listener: Listening, name: str, times: bool) -> int:
    """Print words as they are heard, a half-heard one when the sound ends; return how many.

    Args:
        name: of the file in lines of a ctm, which are printed where ``times``.
    """
    count = 0

    def show(words: list[Word]) -> None:
        nonlocal count
        count += len(words)
        for word in words:
            line = replace(word, file=name).line if times else word.word
            print(line, end="\n" if times else " ", flush=True)

    listen_to(sound, rate, listener, show)
    if not times:
        print()
    return count


def _waves(sound: BinaryIO, rate: int, listener: Listening) -> Iterator[np.ndarray]:
    """float32 samples at the listener's rate, about a step at a time."""
    target = listener.sample_rate
    resampler = soxr.ResampleStream(rate, target, 1, dtype="float32") if rate != target else None
    chunk = 2 * max(1, round(rate * listener.frame_size / target))  # bytes
    while data := sound.read(chunk):
        wav = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
        yield wav if resampler is None else resampler.resample_chunk(wav)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
