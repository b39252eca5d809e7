"""What texts go through before their words are compared, references and hypotheses alike.

Whisper writes as people do ("Mr. Brown's 21 colours"); Whisper's own normaliser of English (Radford et al. 2023,
appendix C) takes such ways of writing to one: numbers as digits, contractions spelt out, American spelling, fillers
left out. Other languages get this project's plain form.
"""

import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

from audiolm.errors import AudiolmError
from audiolm.text.marks import without_marks
from audiolm.text.normalize import normalize

CHOICES = ("plain", "english", "digits")


class Normaliser(NamedTuple):
    """A text -> its words, parted by blanks; ``name`` is for the record."""

    name: str
    apply: Callable[[str], str]


PLAIN = Normaliser("lower case, no punctuation", normalize)


def make_normaliser(name: str) -> Normaliser:
    """The normaliser of that name: ``plain``; ``english``, Whisper's; ``digits``, the same with each digit a word.

    Strings of digits want the last: "one two three" is one word, "123", to Whisper's, and wrong as a whole.

    Raises:
        AudiolmError: openai-whisper, which brings Whisper's, is not installed.
    """
    if name == "plain":
        return PLAIN
    english = _english()
    called = f"Whisper's normaliser of English (openai-whisper {version('openai-whisper')})"
    if name == "english":
        return Normaliser(called, lambda text: english(without_marks(text)))
    return Normaliser(f"{called}, each digit a word", lambda text: apart(english(without_marks(text))))


def apart(text: str) -> str:
    """The text with every digit a word; Whisper's normaliser writes a lonely 1 as "one".

    >>> apart("room 101 b one")
    'room 1 0 1 b 1'
    """
    return " ".join("1" if word == "one" else word for word in re.sub(r"(\d)", r" \1 ", text).split())


@cache
def _english() -> Callable[[str], str]:
    try:
        from whisper.normalizers import EnglishTextNormalizer
    except ImportError as error:
        raise AudiolmError(
            f"Whisper's normaliser of English cannot be imported ({error}): pip install 'audiolm[whisper]', or score "
            "with --asr_normaliser plain"
        ) from None
    return EnglishTextNormalizer()
