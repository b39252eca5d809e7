"""Marks of transcripts that are no words: noises, breaths, comments, alternatives.

Kaldi directories and NIST's STM write them alike. One rule for all: what stands in square or angle brackets is not
spoken; of ``{ a / b }`` the first alternative is; a word within Switchboard's ``[laughter-word]`` is.
"""

import re

# A bracket is a mark only as a token: "a<b" and "f[0]" are not touched.
_LAUGHED = re.compile(r"(?<!\S)\[laughter-([^\]\s]+)\](?!\S)", re.IGNORECASE)
_MARK = re.compile(r"(?<!\S)(?:\[[^\[\]]*\]|<[^<>]*>)(?!\S)")
_ALTERNATIVES = re.compile(r"\{([^{}/]*)(?:/[^{}]*)?\}")
NOTHING = "@"  # NIST's empty alternative


def without_marks(text: str) -> str:
    """The text that is spoken, single spaces between its words.

    >>> without_marks("[laughter] i <vocnoise> { um / uh } was [laughter-there] { @ / then }")
    'i um was there'
    """
    if not any(bracket in text for bracket in "[<{"):
        return text
    text = _MARK.sub(" ", _LAUGHED.sub(r"\1", text))
    while (inner := _ALTERNATIVES.sub(r" \1 ", text)) != text:  # from the innermost outwards
        text = inner
    return " ".join(word for word in text.split() if word != NOTHING)
