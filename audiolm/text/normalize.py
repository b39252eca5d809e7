"""How text is written before it is compared or spelt: one form for words that sound the same."""

import re
import unicodedata

from audiolm.text.marks import DROP, Marks

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2018": "'"})
_OTHER = re.compile(r"[^\w\s']|_")
_WITHIN_WORDS = re.compile(r"(?<=\w)\u00b7(?=\w)")  # Catalan's raised point
_SEVERAL_APOSTROPHES = re.compile("'{2,}")


def tidy(text: str) -> str:
    """Unicode's composed compatibility form (NFKC), single spaces, no control characters; case and punctuation stay.

    >>> tidy("  ﬁve\\tsix ")
    'five six'
    """
    composed = unicodedata.normalize("NFKC", text)
    return " ".join("".join(c for c in composed if c.isspace() or unicodedata.category(c) != "Cc").split())


def normalize(text: str, marks: Marks = DROP) -> str:
    """Words as they are scored and recognised: lower case, no punctuation but apostrophes within words.

    Marks that are not spoken are left out (:mod:`audiolm.text.marks`); those that ``marks`` keeps stand as they are, in
    lower case. Hyphens part words; marks that Unicode combines with a letter (vowel signs, tones) belong to it, and
    joiners and soft hyphens part nothing. Digits stay as they are: spelling them out depends on the language.

    >>> normalize("Don\u2019t say \u201ctwenty-one\u201d, [laughter] Tom!")
    "don't say twenty one tom"
    """
    found = marks.split(text)
    if not any(is_mark for _, is_mark in found):
        return _normalized(" ".join(word for word, _ in found))
    words = (word.lower() if is_mark else _normalized(word) for word, is_mark in found)
    return " ".join(word for word in words if word)


def _normalized(text: str) -> str:
    lower = tidy(text).translate(_APOSTROPHES).lower().replace("i\u0307", "i")  # of İ
    spoken = _SEVERAL_APOSTROPHES.sub(" ", _OTHER.sub(_instead, _WITHIN_WORDS.sub("", lower)))
    return " ".join(word for part in spoken.split() if (word := part.strip("'")))


def _instead(found: re.Match) -> str:
    """What stands for a character that is neither letter nor digit: itself, nothing, or a space."""
    kind = unicodedata.category(found[0])
    if kind.startswith("M"):
        return found[0]
    return "" if kind == "Cf" else " "
