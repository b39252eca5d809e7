"""The interface of a voice, what its speech must be, and the espeak-ng voices of the mini recipe.

A voice is anything with ``say(text) -> Speech``, or a function of the text; another text-to-speech system plugs in by a
function that gives one for each speaker of a script (audiolm/simulate/backends.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.text.normalize import normalize

SLACK = 0.001  # seconds by which rounding may place the end of a word beyond the sound


class SpokenWord(NamedTuple):
    """A word and its times in seconds from the start of its utterance."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """One utterance: ``wav`` float32 [samples] in −1…1 at ``fs`` Hz, and its words in order.

    ``words`` is None where the voice knows no times: the speaking stage then aligns the text.
    """

    wav: np.ndarray
    fs: int
    words: list[SpokenWord] | None = None


class Voice(Protocol):
    """A text-to-speech voice."""

    def say(self, text: str) -> Speech:
        """Speak one utterance (words separated by spaces). Raises AudiolmError if it cannot."""
        ...


def checked(speech: Speech, text: str) -> Speech:
    """What a voice gave for ``text``: float32 samples, and words that end inside them.

    Raises:
        AudiolmError: it is no speech, is silent or empty, or has other words than the text or times that cannot be.
    """
    if not all(hasattr(speech, name) for name in ("wav", "fs", "words")):
        raise AudiolmError(f"the voice gave a {type(speech).__name__}, expected an audiolm.simulate.voices.Speech")
    try:
        wav = np.asarray(speech.wav)
        numeric = wav.dtype.kind == "f"
    except Exception as error:  # such as a tensor on a GPU
        raise AudiolmError(f"the voice's wav is no array ({type(error).__name__}); give float32 [samples]") from error
    if not numeric or wav.ndim != 1:
        raise AudiolmError(
            f"the voice's wav is {wav.dtype} {list(wav.shape)}, expected float32 [samples] in −1…1 of one channel"
        )
    if not len(wav) or not np.isfinite(wav).all() or not wav.any():
        what = "NaN or infinite samples" if len(wav) and not np.isfinite(wav).all() else "no sound in it"
        raise AudiolmError(f"the voice's wav of {len(wav)} samples has {what}")
    if isinstance(speech.fs, bool) or not isinstance(speech.fs, (int, np.integer)) or speech.fs < 1:
        raise AudiolmError(f"the voice's fs is {speech.fs!r}, expected a whole number of Hz")
    words = None if speech.words is None else _checked_words(speech.words, text, len(wav) / speech.fs)
    return Speech(wav.astype(np.float32, copy=False), int(speech.fs), words)


def _checked_words(words: Sequence, text: str, length: float) -> list[SpokenWord]:
    """Words that say ``text``, in order of time, within ``length`` seconds."""
    try:
        found = [SpokenWord(str(word), float(start), float(end)) for word, start, end in words]
    except (TypeError, ValueError) as error:
        raise AudiolmError(f"the voice's words are no triples of word, start and end in seconds: {error}") from error
    said = " ".join(word for each in found if (word := normalize(each.word)))
    if not found or said != normalize(text) or any(word.word.split() != [word.word] for word in found):
        raise AudiolmError(
            f"the voice gives times for the words '{' '.join(word.word for word in found)}', expected those of the text"
        )
    before = 0.0
    for word, start, end in found:
        if not before <= start <= end <= length + SLACK:
            raise AudiolmError(
                f"the voice says '{word}' from {start:.3f} to {end:.3f} s, expected times in order from "
                f"{before:.3f} to {length:.3f} s, the end of its sound"
            )
        before = start
    return [SpokenWord(word, min(start, length), min(end, length)) for word, start, end in found]


@dataclass(frozen=True)
class EspeakVoice:
    """A voice of espeak-ng: ``language`` and ``variant`` name its files, ``pitch`` is 0…99, ``rate`` in words/min."""

    language: str
    variant: str
    pitch: int = 50
    rate: int = 165


# American and British English ("en"). The sets share no variant, and near-twins (klatt and klatt4, Gene and Gene2 …)
# are in one set. Of the library's hundred variants, whispering and robot ones and those that clip were left out, and
# those of which PocketSphinx (bigram of the grammar, 16 kHz) got more than a fifth of the words wrong.
ESPEAK_VOICES: dict[str, dict[str, EspeakVoice]] = {
    "train": {
        "gb_diogo": EspeakVoice("en", "Diogo", 64, 165),
        "gb_edward2": EspeakVoice("en", "edward2", 58, 170),
        "gb_henrique": EspeakVoice("en", "Henrique", 70, 160),
        "gb_klatt": EspeakVoice("en", "klatt", 30, 165),
        "gb_klatt5": EspeakVoice("en", "klatt5", 72, 170),
        "gb_victor": EspeakVoice("en", "victor", 68, 165),
        "us_alex": EspeakVoice("en-us", "Alex", 55, 165),
        "us_anika": EspeakVoice("en-us", "anika", 38, 145),
        "us_caleb": EspeakVoice("en-us", "caleb", 50, 170),
        "us_david": EspeakVoice("en-us", "david", 62, 165),
        "us_denis": EspeakVoice("en-us", "Denis", 42, 155),
        "us_edward": EspeakVoice("en-us", "edward", 34, 160),
        "us_f3": EspeakVoice("en-us", "f3", 45, 165),
        "us_f5": EspeakVoice("en-us", "f5", 45, 165),
        "us_gene": EspeakVoice("en-us", "Gene", 36, 165),
        "us_gene2": EspeakVoice("en-us", "Gene2", 56, 155),
        "us_grandpa": EspeakVoice("en-us", "grandpa", 44, 165),
        "us_john": EspeakVoice("en-us", "john", 50, 170),
        "us_klatt4": EspeakVoice("en-us", "klatt4", 46, 155),
        "us_m1": EspeakVoice("en-us", "m1", 66, 165),
        "us_m4": EspeakVoice("en-us", "m4", 58, 175),
        "us_m5": EspeakVoice("en-us", "m5", 40, 155),
        "us_m6": EspeakVoice("en-us", "m6", 52, 165),
        "us_m7": EspeakVoice("en-us", "m7", 48, 160),
        "us_m8": EspeakVoice("en-us", "m8", 66, 165),
        "us_michel": EspeakVoice("en-us", "michel", 30, 165),
        "us_nguyen": EspeakVoice("en-us", "Nguyen", 46, 165),
        "us_pedro": EspeakVoice("en-us", "pedro", 54, 140),
        "us_sandro": EspeakVoice("en-us", "sandro", 60, 155),
        "us_steph2": EspeakVoice("en-us", "steph2", 42, 165),
    },
    "dev": {
        "gb_benjamin": EspeakVoice("en", "benjamin", 36, 165),
        "us_f2": EspeakVoice("en-us", "f2", 46, 165),
        "us_max": EspeakVoice("en-us", "max", 62, 160),
        "us_mike2": EspeakVoice("en-us", "mike2", 52, 165),
    },
    "test": {
        "gb_miguel": EspeakVoice("en", "miguel", 68, 170),
        "us_adam": EspeakVoice("en-us", "adam", 48, 165),
        "us_f1": EspeakVoice("en-us", "f1", 56, 165),
        "us_hugo": EspeakVoice("en-us", "Hugo", 60, 160),
        "us_m3": EspeakVoice("en-us", "m3", 42, 165),
        "us_reed": EspeakVoice("en-us", "Reed", 34, 160),
    },
}


def espeak_voices(split: str, language: str | None = None) -> list[str]:
    """Names of a set's voices, or of the same variants in another of espeak-ng's languages: ``de+adam``."""
    voices = ESPEAK_VOICES[split]
    return sorted(voices) if language is None else sorted(f"{language}+{voice.variant}" for voice in voices.values())


def espeak_named(name: str) -> EspeakVoice:
    """The voice of a name: one of ESPEAK_VOICES, or ``LANGUAGE+VARIANT``, which has that variant's pitch and rate.

    Raises:
        AudiolmError: neither.
    """
    voices = {name: voice for split in ESPEAK_VOICES.values() for name, voice in split.items()}
    language, plus, variant = name.partition("+")
    if plus:
        known = {voice.variant: voice for voice in voices.values()}
        return replace(known.get(variant, EspeakVoice(language, variant)), language=language)
    if name not in voices:
        raise AudiolmError(f"unknown voice '{name}'{did_you_mean(name, voices)} (or LANGUAGE+VARIANT of espeak-ng)")
    return voices[name]
