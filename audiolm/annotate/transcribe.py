"""Words and their times in recordings without a transcript.

A transcriber is anything with ``transcribe(wavs) -> [words or Failure, …]`` for stretches of at most LONGEST s; here
recordings become such stretches and words get back their places. What voice activity detection calls silence is cut
out first: models of Whisper's kind make words up in long silences, of which a channel with one speaker of two is full.
Transcribers: ``whisper_timestamped`` (annotate/whisper.py), ``whisper`` (annotate/whisper_batched.py),
``faster_whisper`` (annotate/whisper_ct2.py), ``pocketsphinx_transcribe`` (annotate/pocketsphinx.py).
"""

import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audiolm.annotate.batches import worked
from audiolm.annotate.segmentation import cut_at_pauses
from audiolm.annotate.timed import NOTHING, Failure, Partial, TimedWord
from audiolm.annotate.turns import Region, union
from audiolm.annotate.vad import SileroVad, Smoothing, VoiceActivity
from audiolm.data.audio import info, resample
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Word
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.text.normalize import tidy

BACKENDS = ("whisper_timestamped", "whisper", "faster_whisper", "pocketsphinx_transcribe")
LONGEST = 30.0  # seconds that Whisper hears at once
SHORTEST = 10.0  # seconds: a stretch without a pause to cut at is not cut before
PAUSE = 1.0  # seconds: longer silences are cut out
MARGIN = 0.5  # seconds of each that stay on both sides: detectors cut onsets short
LEAD = 0.3  # seconds: no word that lasts into found speech begins longer before it; Whisper's first begins at 0
# A word that is not passed on is lost, noise that is passed on is for the transcriber to leave out.
HEARING = Smoothing(onset=0.3, offset=0.15, min_pause=0.06, min_speech=0.06)
LOST = 0.05  # share of a recording's speech that may be left out as not to be understood; above, the recording is


class Transcriber(Protocol):
    """Speech recognition with word times. ``fs``: the rate it takes, in Hz; ``batch``: stretches it likes at once."""

    name: str
    fs: int
    batch: int

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure | Partial]:
        """The words of each of ``wavs``, float32 [samples], with times from its start; or why there are none, or what
        of it was not understood.
        """
        ...


def make_transcriber(
    backend: str, model: str | None, language: str | None = None, device: str = "cpu", batch: int | None = None
) -> Transcriber:
    """The transcriber of that name.

    Args:
        model: size, path or hub id; see annotate/whisper.py.
        language: code of Whisper's such as ``en``; None: the model finds it.
        batch: stretches that ``whisper`` and ``faster_whisper`` hear at once, if not their own choice.

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
    if backend == "whisper_timestamped":
        from audiolm.annotate.whisper import WhisperTimestamped

        return WhisperTimestamped(model, language, device)
    at_once = {"batch": batch} if batch else {}
    if backend == "faster_whisper":
        from audiolm.annotate.whisper_ct2 import FasterWhisper

        return FasterWhisper(model, language, device, **at_once)
    from audiolm.annotate.whisper_batched import WhisperBatched

    return WhisperBatched(model, language, device, **at_once)


@dataclass(frozen=True)
class Stretch:
    """Pieces of a recording, heard one after another: (start, end) in seconds, in order.

    Attributes:
        onsets: where speech was found to begin in each piece, if that is known.
    """

    pieces: tuple[Region, ...]
    onsets: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.pieces)

    def cut(self, wav: np.ndarray, fs: int) -> np.ndarray:
        """The stretch's samples."""
        return np.concatenate([wav[round(start * fs) : round(end * fs)] for start, end in self.pieces])

    def place(self, word: TimedWord) -> TimedWord:
        """A word of the stretch on the recording's time axis, within the piece that holds its middle."""
        middle, offset, number = (word.start + word.end) / 2, 0.0, 0
        start, end = self.pieces[0]
        while number + 1 < len(self.pieces) and middle >= offset + end - start:
            offset += end - start
            number += 1
            start, end = self.pieces[number]
        first, last = (min(max(start + time - offset, start), end) for time in (word.start, word.end))
        if self.onsets and last > self.onsets[number]:
            first = max(first, self.onsets[number] - LEAD)
        return TimedWord(word.word, first, last, word.confidence)

    def span(self, start: float, end: float) -> Region:
        """Where ``start`` … ``end`` (s, of the stretch) begins and ends in the recording."""
        offset, found = 0.0, []
        for first, last in self.pieces:
            inside = max(start, offset), min(end, offset + last - first)
            if inside[0] < inside[1]:
                found.append((first + inside[0] - offset, first + inside[1] - offset))
            offset += last - first
        return (found[0][0], found[-1][1]) if found else (self.pieces[-1][1], self.pieces[-1][1])


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
    ends = [end for _, end in speech]

    def onset(start: float, end: float) -> float:
        first = bisect_right(ends, start)
        inside = first < len(speech) and speech[first][0] < end
        return max(start, speech[first][0]) if inside else start

    return [Stretch(tuple(own), tuple(onset(*piece) for piece in own)) for own in packed]


def transcribe_recordings(
    data: DataDir, recos: Iterable[str], transcriber: Transcriber, vad: VoiceActivity | None = None
) -> tuple[list[Word], list[tuple[str, str]]]:
    """Transcribe the named recordings, a batch of stretches at a time.

    Returns:
        words on the time axis of their recordings; and (recording, reason) of those that have none, and of every
        stretch or part of one that is left out of the others.
    """
    words: list[Word] = []
    rejected: list[tuple[str, str]] = []
    vad = vad or SileroVad(HEARING)

    def pieces(reco: str) -> Iterator[tuple[Stretch, np.ndarray]]:
        return _stretches(data, reco, transcriber.fs, vad, rejected)

    def hear(batch: Sequence[tuple[Stretch, np.ndarray]]) -> list[tuple[Stretch, Partial]]:
        results = transcriber.transcribe([wav for _, wav in batch])
        return [(stretch, _heard(stretch, result)) for (stretch, _), result in zip(batch, results, strict=True)]

    for reco, found in worked(recos, pieces, transcriber.batch, hear, "transcribe"):
        left_out = [(stretch, part) for stretch, result in found for part in result.lost]
        reasons = [_reason(stretch, part) for stretch, part in left_out]
        timed = [
            stretch.place(word)
            for stretch, result in found
            for word in map(_plain, result.words)
            if word.word and word.end > word.start
        ]
        lost = sum(end - start for _, (start, end, failure) in left_out if not failure.silent)
        if lost > LOST * sum(stretch.seconds for stretch, _ in found):
            rejected.append((reco, "; ".join(reasons)))
        elif found and not timed:
            told = [_reason(*item) for item in left_out if item[1][2] != NOTHING]
            rejected.append((reco, "; ".join(["no word found in its speech", *told])))
        else:
            rejected += [(reco, f"left out: {reason}") for reason in reasons]
            for reason in reasons:
                print(f"transcribe: {reco}: a stretch is left out: {reason}", file=sys.stderr)
            file, channel = data.file_and_channel(reco)
            words += [
                Word(file, channel, w.start, w.end - w.start, w.word, w.confidence) for w in sorted(timed, key=_start)
            ]
    return words, rejected


def _stretches(
    data: DataDir, reco: str, fs: int, vad: VoiceActivity, rejected: list[tuple[str, str]]
) -> Iterator[tuple[Stretch, np.ndarray]]:
    try:
        own = info(data.wav_path(reco), data.allow_pipes).fs
        wav = data.audio(reco)
    except AudiolmError as error:
        rejected.append((reco, str(error)))
        return
    # At the audio's own rate: of telephone speech at 16 kHz, silero-vad misses eight times as many words as at 8 kHz.
    speech, wav = vad(wav, own), resample(wav, own, fs)
    found = stretches(speech, len(wav) / fs)
    if not found:
        rejected.append((reco, "no speech found by voice activity detection"))
    for stretch in found:
        yield stretch, stretch.cut(wav, fs)


def _heard(stretch: Stretch, result: list[TimedWord] | Failure | Partial) -> Partial:
    if isinstance(result, Partial):
        return result
    if isinstance(result, Failure) or not result:
        return Partial([], [(0.0, stretch.seconds, result or NOTHING)])
    return Partial(result, [])


def _reason(stretch: Stretch, part: tuple[float, float, Failure]) -> str:
    start, end = stretch.span(*part[:2])
    return f"{part[2].reason}, from {start:.2f} to {end:.2f} s"


def _plain(word: TimedWord) -> TimedWord:
    """The word as a table can hold it: without blanks or control characters."""
    return word._replace(word="".join(tidy(word.word).split()))


def _start(word: TimedWord) -> float:
    return word.start
