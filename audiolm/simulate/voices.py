"""The interface of a voice, and the espeak-ng voices of the mini recipe.

A voice is anything with ``say(text) -> Speech``; another text-to-speech system plugs in by a class of its own, and a
function that gives one for each speaker of a script (``voice_backend``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np

from audiolm.errors import AudiolmError, did_you_mean


class SpokenWord(NamedTuple):
    """A word and its times in seconds from the start of its utterance."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """One utterance: ``wav`` float32 [samples] in −1…1 at ``fs`` Hz, and its words in order."""

    wav: np.ndarray
    fs: int
    words: list[SpokenWord]


class Voice(Protocol):
    """A text-to-speech voice."""

    def say(self, text: str) -> Speech:
        """Speak one utterance (words separated by spaces). Raises AudiolmError if a word gets no time."""
        ...


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


def voice_backend(name: str) -> Callable:
    """The function that gives a speaker's voice (script.Speaker -> context manager of a Voice): ``espeak``, or
    ``module:function`` of one's own.

    Raises:
        AudiolmError: there is no such module or function.
    """
    module, _, function = {"espeak": "audiolm.simulate.espeak:espeak_voice"}.get(name, name).partition(":")
    if not function:
        raise AudiolmError(f"--voices {name}: expected espeak, or module:function")
    return getattr(plugin(module, [function], f"--voices {name}"), function)


def plugin(module: str, names: Sequence[str], option: str) -> ModuleType:
    """A module of the user's, which must have ``names``.

    Args:
        option: that names it, for the message.

    Raises:
        AudiolmError: it cannot be imported, or lacks one.
    """
    try:
        found = import_module(module)
    except ImportError as error:
        raise AudiolmError(f"{option}: cannot import {module} ({error}); is its folder on PYTHONPATH?") from None
    lacking = [name for name in names if not hasattr(found, name)]
    if lacking:
        raise AudiolmError(f"{option}: module {module} has no {', '.join(lacking)}")
    return found
