"""Forced alignment and recognition with PocketSphinx and the English models of its wheel (no download; alignment is
about 70 times faster than real time).

Measured on two-speaker synthetic dialogues, mean error of word starts: 14 ms from 16 kHz audio, 20 ms from 8 kHz.
Words after a silence come 20 ms early there (voices whose vowels begin abruptly) but not in human speech, so nothing
is corrected.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from audiolm.annotate.pronunciations import guess
from audiolm.annotate.timed import Failure, TimedWord, Utterance
from audiolm.data.audio import resample
from audiolm.text.normalize import normalize

FRAME = 0.01  # seconds
# The model knows no digital silence and no empty upper band (8 kHz audio): white noise this far below the utterance's
# level fills both. It halves failures at 8 kHz and changes nothing else.
NOISE = 10 ** (-40 / 20)
BEAM = {"beam": 1e-48, "pbeam": 1e-48, "wbeam": 7e-29}  # PocketSphinx's defaults
WIDE_BEAM = {"beam": 1e-120, "pbeam": 1e-120, "wbeam": 1e-100}
NARROW_CONTEXT = 0.1  # seconds


class Path(NamedTuple):
    """A transcript found in audio.

    Attributes:
        spoken: every word with its tokens.
        times: start and end of every token in seconds of ``part``.
        first, last: where ``part`` lies in the utterance's audio.
        decoder: the one that found it.
        part: float32 [samples], what it heard.
    """

    spoken: list[tuple[str, list[str]]]
    times: list[tuple[float, float]]
    first: float
    last: float
    decoder: object
    part: np.ndarray


class PocketSphinxAligner:
    """Alignment by a grammar that is the transcript, with optional silence and noise between words.

    A word that CMUdict lacks gets a guessed pronunciation. If no path reaches the end, wider beams are tried (slower,
    and their ends of utterances are less exact), then less context, in which silence can swallow fewer words.
    """

    fs = 16000
    options: ClassVar[dict[str, object]] = {}  # of the decoders, beside their beams

    @property
    def name(self) -> str:
        from importlib.metadata import version

        return f"PocketSphinx {version('pocketsphinx')}, forced alignment, en-us"

    def align(self, utterances: Sequence[Utterance]) -> list[list[TimedWord] | Failure]:
        return [self._align(utterance) for utterance in utterances]

    def _align(self, utterance: Utterance) -> list[TimedWord] | Failure:
        found = self._found(utterance)
        return found if isinstance(found, Failure) else list(_words(found.spoken, found.times, found.first, found.last))

    def _found(self, utterance: Utterance) -> "Path | Failure":
        """The path through the transcript that the audio takes."""
        spoken = [(word, normalize(word).split()) for word in utterance.words]  # "twenty-one" is two tokens
        tokens = [token for _, parts in spoken for token in parts]
        if not tokens:
            return Failure(f"no spoken word in transcript '{' '.join(utterance.words)}'")
        for token in tokens:
            if not self._learn(token):
                return Failure(f"no pronunciation for '{token}': write it in English letters as it is spoken")
        wav = _with_noise(resample(utterance.wav, utterance.fs, self.fs))
        end = len(wav) / self.fs
        narrow = max(0.0, utterance.start - NARROW_CONTEXT), min(end, utterance.end + NARROW_CONTEXT)
        for decoder, (first, last) in (("_decoder", (0.0, end)), ("_wide", (0.0, end)), ("_wide", narrow)):
            part = wav[round(first * self.fs) : round(last * self.fs)]
            times = _search(getattr(self, decoder), part, tokens)
            if times is not None:
                return Path(spoken, times, first, last, getattr(self, decoder), part)
        return Failure(f"transcript '{' '.join(utterance.words)}' does not fit the audio, even with wide beams")

    def _learn(self, token: str) -> bool:
        """Whether both decoders know the token, after a guess if need be."""
        if self._decoder.lookup_word(token) is None:
            phones = guess(token, self._decoder.lookup_word)
            if phones is None:
                return False
            for decoder in (self._decoder, self._wide):
                decoder.add_word(token, phones, False)
        return True

    @cached_property
    def _decoder(self):
        return _decoder(BEAM | self.options)

    @cached_property
    def _wide(self):
        return _decoder(WIDE_BEAM | self.options)


class PocketSphinxPhones(PocketSphinxAligner):
    """Alignment of phones instead of words: CMUdict's without stress, silence and noise left out.

    The words' path is searched first, as it chooses pronunciations and pauses; its phones are then aligned alone.
    """

    # Of the lattice's best path words may be shorter than their phones can be, and no phones then fit.
    options: ClassVar[dict[str, object]] = {"bestpath": False}

    def _align(self, utterance: Utterance) -> list[TimedWord] | Failure:
        found = self._found(utterance)
        if isinstance(found, Failure):
            return found
        phones = _phones(found.decoder, found.part)
        if phones is None:
            return Failure(f"the phones of '{' '.join(utterance.words)}' do not fit the audio, though its words do")
        return [
            TimedWord(phone, found.first + start, min(found.first + end, found.last)) for phone, start, end in phones
        ]


class PocketSphinxTranscriber:
    """Recognition with the wheel's language model, for English without transcripts where no other model is at hand.

    Far from what Whisper hears (benchmarks/README.md has its word errors); its words are lower case.
    """

    fs, batch = 16000, 1

    @property
    def name(self) -> str:
        from importlib.metadata import version

        return f"PocketSphinx {version('pocketsphinx')}, en-us language model"

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure]:
        return [list(self._transcribe(wav)) for wav in wavs]

    def _transcribe(self, wav: np.ndarray) -> Iterator[TimedWord]:
        self._decoder.start_utt()
        self._decoder.process_raw(_pcm(_with_noise(wav)), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return
        for segment in self._decoder.seg():
            word = normalize(segment.word.partition("(")[0])  # nothing of <s>, <sil>, [NOISE] …
            if segment.word[0] not in "<[" and word:
                end = min((segment.end_frame + 1) * FRAME, len(wav) / self.fs)
                yield TimedWord(word, min(segment.start_frame * FRAME, end), end)

    @cached_property
    def _decoder(self):
        from pocketsphinx import Decoder

        return Decoder(loglevel="FATAL")


def _decoder(options: dict[str, object]):
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL", **options)


def _with_noise(wav: np.ndarray) -> np.ndarray:
    """Add the same white noise every time, so that the result depends on the utterance alone."""
    level = np.sqrt(np.mean(np.square(wav, dtype=np.float64)))
    noise = np.random.default_rng(0).standard_normal(len(wav), dtype=np.float32)
    return wav + np.float32(NOISE * level) * noise


def _pcm(wav: np.ndarray) -> bytes:
    return np.clip(np.rint(wav * 32767), -32768, 32767).astype("<i2").tobytes()


def _search(decoder, wav: np.ndarray, tokens: list[str]) -> list[tuple[float, float]] | None:
    """Start and end of every token in seconds, or None if the search does not reach the end of the transcript."""
    decoder.set_align_text(" ".join(tokens))
    decoder.start_utt()
    decoder.process_raw(_pcm(wav), full_utt=True)  # cepstral means of this utterance alone
    decoder.end_utt()
    if decoder.hyp() is None:
        return None
    # Alternative pronunciations are called "word(2)"; silence and noises are in brackets.
    found = [segment for segment in decoder.seg() if segment.word[0] not in "<[(" or segment.word in tokens]
    if [segment.word.partition("(")[0] for segment in found] != tokens:
        return None
    return [(segment.start_frame * FRAME, (segment.end_frame + 1) * FRAME) for segment in found]


def _phones(decoder, wav: np.ndarray) -> list[tuple[str, float, float]] | None:
    """Phones of the path that ``decoder`` has just found, with start and end in seconds; None if none fits."""
    decoder.set_alignment()
    decoder.start_utt()
    decoder.process_raw(_pcm(wav), full_utt=True)
    try:
        decoder.end_utt()
    except RuntimeError:  # the last phone's end is not reached
        return None
    alignment = decoder.get_alignment()  # kept: its words and phones live no longer than it does
    if alignment is None:
        return None
    return [
        (phone.name, phone.start * FRAME, (phone.start + phone.duration) * FRAME)
        for word in alignment.words()
        for phone in word
        if phone.name != "SIL" and phone.name[0] != "+"
    ]


def _words(spoken, times, first: float, last: float):
    """Yield the transcript's words, each from its first token's start to its last one's end."""
    position = 0
    for word, parts in spoken:
        if parts:
            start, end = times[position][0], times[position + len(parts) - 1][1]
            yield TimedWord(word, first + start, min(first + end, last))
            position += len(parts)
