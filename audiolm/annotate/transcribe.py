"""Words and their times in recordings without a transcript.

A transcriber is anything with ``transcribe(wavs) -> [words or Failure, …]`` for stretches of at most LONGEST s; here
recordings become such stretches and words get back their places. What voice activity detection calls silence is cut
out first: models of Whisper's kind make words up in long silences, of which a channel with one speaker of two is full.
Transcribers: ``whisper_timestamped``, ``whisper`` (annotate/whisper.py), ``pocketsphinx_transcribe``
(annotate/pocketsphinx.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from audiolm.annotate.align import Failure, TimedWord
from audiolm.annotate.segmentation import cut_at_pauses
from audiolm.annotate.turns import Region, union
from audiolm.annotate.vad import SileroVad, VoiceActivity
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Word
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs.progress import progress
from audiolm.text.normalize import tidy

BACKENDS = ("whisper_timestamped", "whisper", "pocketsphinx_transcribe")
LONGEST = 30.0  # seconds that Whisper hears at once
SHORTEST = 10.0  # seconds: a stretch without a pause to cut at is not cut before
PAUSE = 1.0  # seconds: longer silences are cut out
MARGIN = 0.3  # seconds of each that stay on both sides: detectors cut onsets short


class Transcriber(Protocol):
    """Speech recognition with word times. ``fs``: the rate it takes, in Hz; ``batch``: stretches it likes at once."""

    name: str
    fs: int
    batch: int

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure]:
        """The words of each of ``wavs``, float32 [samples], with times from its start; or why there are none."""
        ...


def make_transcriber(backend: str, model: str | None, language: str | None = None, device: str = "cpu") -> Transcriber:
    """The transcriber of that name.

    Args:
        model: size, path or hub id; see annotate/whisper.py.
        language: code of Whisper's such as ``en``; None: the model finds it.

    Raises:
        AudiolmError: there is none of that name, or its model cannot be found.
    """
    if backend not in BACKENDS:
        raise AudiolmError(f"no transcriber '{backend}'{did_you_mean(backend, BACKENDS)}")
    if backend == "pocketsphinx_transcribe":
        from audiolm.annotate.pocketsphinx import PocketSphinxTranscriber

        return PocketSphinxTranscriber()
    if model is None:
        raise AudiolmError(f"--backend {backend} needs a Whisper model: name its folder, file or hub id with --model")
    from audiolm.annotate.whisper import WhisperBatched, WhisperTimestamped

    return {"whisper_timestamped": WhisperTimestamped, "whisper": WhisperBatched}[backend](model, language, device)


@dataclass(frozen=True)
class Stretch:
    """Pieces of a recording, heard one after another: (start, end) in seconds, in order."""

    pieces: tuple[Region, ...]

    def cut(self, wav: np.ndarray, fs: int) -> np.ndarray:
        """The stretch's samples."""
        return np.concatenate([wav[round(start * fs) : round(end * fs)] for start, end in self.pieces])

    def place(self, word: TimedWord) -> TimedWord:
        """A word of the stretch on the recording's time axis, within the piece that holds its middle."""
        middle, offset = (word.start + word.end) / 2, 0.0
        for start, end in self.pieces:
            if middle < offset + end - start or (start, end) == self.pieces[-1]:
                break
            offset += end - start
        first, last = (min(max(start + time - offset, start), end) for time in (word.start, word.end))
        return TimedWord(word.word, first, last, word.confidence)


def stretches(speech: Sequence[Region], duration: float) -> list[Stretch]:
    """Pack speech into stretches of at most LONGEST s.

    Args:
        speech: disjoint regions in order.
        duration: seconds of the recording.
    """
    pieces: list[Region] = []
    for start, end in union(speech, PAUSE):
        inside = [region for region in speech if region[0] >= start and region[1] <= end]
        pieces += cut_at_pauses(inside, max(0.0, start - MARGIN), min(duration, end + MARGIN), LONGEST, SHORTEST)
    packed: list[list[Region]] = []
    filled = LONGEST
    for start, end in pieces:
        if filled + end - start > LONGEST:
            packed.append([])
            filled = 0.0
        packed[-1].append((start, end))
        filled += end - start
    return [Stretch(tuple(own)) for own in packed]


def transcribe_recordings(
    data: DataDir, recos: Iterable[str], transcriber: Transcriber, vad: VoiceActivity | None = None
) -> tuple[list[Word], list[tuple[str, str]]]:
    """Transcribe the named recordings, a batch of stretches at a time.

    Returns:
        words on the time axis of their recordings, and (recording, reason) of those that have none.
    """
    words: list[Word] = []
    rejected: list[tuple[str, str]] = []
    batches = _batches(_stretches(data, recos, transcriber.fs, vad or SileroVad(), rejected), transcriber.batch)
    found: dict[str, list[TimedWord]] = {}
    failed: dict[str, str] = {}
    for batch in batches:
        results = transcriber.transcribe([item.wav for item in batch])
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Failure):
                failed.setdefault(item.reco, f"{result.reason}, at {item.stretch.pieces[0][0]:.2f} s")
                result = []
            found.setdefault(item.reco, []).extend(
                item.stretch.place(word) for word in map(_plain, result) if word.word
            )
    for reco, timed in found.items():
        if reco in failed:
            rejected.append((reco, failed[reco]))
        elif not timed:
            rejected.append((reco, "no word found in its speech"))
        else:
            file, channel = data.file_and_channel(reco)
            words += [
                Word(file, channel, w.start, w.end - w.start, w.word, w.confidence) for w in sorted(timed, key=_start)
            ]
    return words, rejected


class _Item(NamedTuple):
    reco: str
    stretch: Stretch
    wav: np.ndarray


def _stretches(
    data: DataDir, recos: Iterable[str], fs: int, vad: VoiceActivity, rejected: list[tuple[str, str]]
) -> Iterator[_Item]:
    for reco in progress(list(recos), desc="transcribe"):
        try:
            wav = data.audio(reco, fs=fs)
        except AudiolmError as error:
            rejected.append((reco, str(error)))
            continue
        found = stretches(vad(wav, fs), len(wav) / fs)
        if not found:
            rejected.append((reco, "no speech found by voice activity detection"))
        for stretch in found:
            yield _Item(reco, stretch, stretch.cut(wav, fs))


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _plain(word: TimedWord) -> TimedWord:
    """The word as a table can hold it: without blanks or control characters."""
    return word._replace(word="".join(tidy(word.word).split()))


def _start(word: TimedWord) -> float:
    return word.start
