"""How text is written before it is compared or spelt: one form for words that sound the same."""

import re
import unicodedata

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2018": "'"})
_NOT_SPOKEN = re.compile(r"[^\w\s']|_")
_LOOSE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")


def tidy(text: str) -> str:
    """Unicode's composed compatibility form (NFKC), single spaces, no control characters; case and punctuation stay.

    >>> tidy("  ﬁve\\tsix ")
    'five six'
    """
    composed = unicodedata.normalize("NFKC", text)
    return " ".join("".join(c for c in composed if c.isspace() or unicodedata.category(c) != "Cc").split())


def normalize(text: str) -> str:
    """Words as they are scored and recognised: lower case, no punctuation but apostrophes within words.

    Hyphens part words. Digits stay as they are: spelling them out depends on the language.

    >>> normalize("Don\u2019t say \u201ctwenty-one\u201d, Tom!")
    "don't say twenty one tom"
    """
    spoken = _NOT_SPOKEN.sub(" ", tidy(text).translate(_APOSTROPHES).lower())
    return " ".join(_LOOSE_APOSTROPHE.sub(" ", spoken).split())
