"""Words and their times in recordings whose transcript is known.

An aligner is anything with ``align(utterances) -> [words or Failure, …]``; this module cuts utterances from
recordings, hands them over in batches, and puts the words back on the recording's time axis. Aligners:
``pocketsphinx`` (annotate/pocketsphinx.py), ``ctc`` and ``wav2vec2`` (annotate/ctc.py); ``given`` takes the words of
the corpus's own ``ctm``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from audiolm.annotate.batches import worked
from audiolm.annotate.sources import utts_by_reco
from audiolm.annotate.timed import Failure, TimedWord, Utterance
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Word
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.text.marks import DROP, Marks, without_marks

CONTEXT = 0.3  # seconds of audio around an utterance that the aligner sees: silence shows where speech begins
BATCH = 32  # utterances

BACKENDS = ("given", "pocketsphinx", "ctc", "wav2vec2")


class Aligner(Protocol):
    """Forced alignment. ``fs`` is the sample rate it takes, in Hz."""

    name: str
    fs: int

    def align(self, utterances: Sequence[Utterance]) -> list[list[TimedWord] | Failure]:
        """For each utterance its spoken words with times from the start of ``wav``, in order, or why there are none.

        Words of punctuation alone are not spoken and have no time.
        """
        ...


def make_aligner(
    backend: str, recognizer: Path | None = None, model: str | None = None, device: str = "cpu"
) -> Aligner:
    """The aligner of that name.

    Args:
        recognizer: experiment directory of a trained CTC model, for ``ctc``.
        model: bundle, folder or hub id of a pretrained one, for ``wav2vec2``.
        device: of the pretrained one.

    Raises:
        AudiolmError: there is none of that name, or it lacks its model.
    """
    if backend == "pocketsphinx":
        from audiolm.annotate.pocketsphinx import PocketSphinxAligner

        return PocketSphinxAligner()
    if backend == "ctc":
        from audiolm.annotate.ctc import CtcAligner

        if recognizer is None:
            raise AudiolmError("--backend ctc needs a trained recogniser: name its directory with --recognizer")
        return CtcAligner.load(recognizer)
    if backend == "wav2vec2":
        from audiolm.annotate.ctc import CtcAligner

        if model is None:
            raise AudiolmError("--backend wav2vec2 needs a CTC model: name its folder, hub id or bundle with --model")
        return CtcAligner.pretrained(model, device)
    raise AudiolmError(f"no aligner '{backend}'{did_you_mean(backend, BACKENDS)}")


def align_recordings(
    data: DataDir, recos: Iterable[str], aligner: Aligner, marks: Marks = DROP
) -> tuple[list[Word], list[tuple[str, str]]]:
    """Align every utterance of the named recordings. Marks that are kept share the time between their neighbours.

    Returns:
        words on the time axis of their recordings, and (utterance, reason) of those without; recordings without any
        utterance are named themselves.
    """
    words: list[Word] = []
    rejected: list[tuple[str, str]] = []
    utts_of = utts_by_reco(data)

    def pieces(reco: str) -> Iterator[tuple[float, Utterance]]:
        return _utterances(data, reco, utts_of.get(reco, []), aligner.fs, rejected, marks)

    def align(batch: Sequence[tuple[float, Utterance]]) -> list[tuple[str, float, list[TimedWord] | Failure]]:
        results = aligner.align([utterance for _, utterance in batch])
        return [
            (piece.id, offset, _with_marks(result, piece, marks.split(data.text[piece.id])))
            for (offset, piece), result in zip(batch, results, strict=True)
        ]

    for reco, found in worked(recos, pieces, BATCH, align, "align"):
        for utt, offset, result in found:
            if isinstance(result, Failure):
                rejected.append((utt, result.reason))
            else:
                words += _on_recording(data, reco, offset, result)
    return words, rejected


def given_words(data: DataDir, recos: Iterable[str], marks: Marks = DROP) -> tuple[list[Word], list[tuple[str, str]]]:
    """The words of the corpus's own ``ctm`` and the marks that are kept; recordings without any are rejected.

    Raises:
        AudiolmError: the corpus has no ``ctm``.
    """
    if not data.ctm and not data.has("ctm"):
        raise AudiolmError(
            f"{data.path} has no words in a ctm, which --backend given takes them from: align with pocketsphinx or ctc"
        )
    table = {
        reco: [replace(word, word=text) for word in words if (text := without_marks(word.word, marks))]
        for reco, words in data.words().items()
    }
    rejected = [(reco, "no word of the corpus's ctm is in this recording") for reco in recos if not table[reco]]
    return [word for reco in recos for word in table[reco]], rejected


def _utterances(
    data: DataDir, reco: str, utts: Sequence[str], fs: int, rejected: list[tuple[str, str]], marks: Marks
) -> Iterator[tuple[float, Utterance]]:
    """Yield (seconds at which the utterance's audio begins, utterance); what cannot be read goes to ``rejected``."""
    spoken = [utt for utt in utts if data.text.get(utt, "").split()]
    rejected += [(utt, "no transcript in text") for utt in utts if utt not in spoken]
    if not utts:
        rejected.append((reco, "no utterance in segments"))
    try:
        wav = data.audio(reco, fs=fs) if spoken else None
    except AudiolmError as error:
        rejected += [(utt, str(error)) for utt in spoken]
        return
    for utt, (begin, start, end, stop) in zip(spoken, _windows(data, utts, spoken, wav, fs), strict=True):
        part = wav[round(begin * fs) : round(stop * fs)]
        if not part.any():
            rejected.append((utt, f"all samples from {start:.2f} to {end:.2f} s of '{reco}' are zero"))
            continue
        words = [word for word, is_mark in marks.split(data.text[utt]) if not is_mark]
        yield begin, Utterance(utt, part, fs, words, start - begin, end - begin)


def _with_marks(
    result: list[TimedWord] | Failure, utterance: Utterance, units: Sequence[tuple[str, bool]]
) -> list[TimedWord] | Failure:
    """An alignment with the marks of the transcript, each in the pause in which it stands.

    Args:
        units: the transcript's words and marks, and which are marks.
    """
    if not any(is_mark for _, is_mark in units) or (isinstance(result, Failure) and utterance.words):
        return result
    aligned = [] if isinstance(result, Failure) else result  # of a transcript of marks alone
    found, waiting, time, done = [], [], utterance.start, 0
    for unit, is_mark in [*units, ("", False)]:  # the last is the utterance's end
        if is_mark:
            waiting.append(unit)
            continue
        word = aligned[done] if done < len(aligned) and unit and aligned[done].word == unit else None
        if unit and word is None:
            continue  # punctuation has no time
        until = max(time, word.start if word else utterance.end)
        step = (until - time) / max(len(waiting), 1)
        found += [TimedWord(mark, time + i * step, time + (i + 1) * step) for i, mark in enumerate(waiting)]
        waiting = []
        if word:
            found.append(word)
            time, done = word.end, done + 1
    return [*found, *aligned[done:]]


def _windows(
    data: DataDir, utts: Sequence[str], spoken: Sequence[str], wav: np.ndarray | None, fs: int
) -> list[tuple[float, float, float, float]]:
    """(begin of context, start, end, end of context) in seconds of each spoken utterance.

    Context ends halfway to the neighbouring utterance, so that no word is found in two.
    """
    if wav is None:
        return []
    length = len(wav) / fs
    if not data.segments:
        return [(0.0, 0.0, length, length) for _ in spoken]
    places = [data.segments[utt] for utt in utts]
    windows = []
    for index, (utt, place) in enumerate(zip(utts, places, strict=True)):
        if utt in spoken:
            before = max([0.0, *(p.end for p in places[:index] if p.end <= place.start)])
            after = min([length, *(p.start for p in places[index + 1 :] if p.start >= place.end)])
            begin = max(place.start - CONTEXT, (before + place.start) / 2 if before else 0.0)
            stop = min(place.end + CONTEXT, (after + place.end) / 2 if after < length else length)
            windows.append((begin, place.start, min(place.end, length), stop))
    return windows


def _on_recording(data: DataDir, reco: str, offset: float, words: Sequence[TimedWord]) -> Iterator[Word]:
    file, channel = data.file_and_channel(reco)
    for word in words:
        yield Word(file, channel, offset + word.start, word.end - word.start, word.word, word.confidence)
