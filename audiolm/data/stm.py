"""NIST's STM: what is said in a stretch of a channel, one line each, of one file or of many.

    <file> <channel> <speaker> <start> <end> [<label>] <words>

Of alternatives, ``{ um / uh / @ }``, the first is taken (``@``: no word); a backslash before ``{``, ``}``, ``/``, ``@``
or a backslash makes it an ordinary character. Source: NIST SCTK, ``doc/infmts.htm``.
"""

import re
from dataclasses import dataclass

from audiolm.data.tables import number_of
from audiolm.errors import AudiolmError

EXPECTED = "<file> <channel> <speaker> <start> <end> [<label>] <words>"
UNSPOKEN = ("ignore_time_segment_in_scoring", "inter_segment_gap")
BLANKS = " \t\r\v\f"
ESCAPED = {char: chr(0xE000 + number) for number, char in enumerate("{}/@\\")}  # of the private use area, while reading


@dataclass(frozen=True, slots=True)
class Stretch:
    """A line: ids and channel as written, seconds, and its words ("" where there are none)."""

    file: str
    channel: str
    speaker: str
    start: float
    end: float
    text: str

    @property
    def is_scored(self) -> bool:
        """Whether the line is of somebody who speaks, and no mark that a stretch is not to be scored."""
        return not {self.speaker.lower(), self.text.lower()} & set(UNSPOKEN)


def parse(line: str) -> Stretch | None:
    """A line's content; None for comments and empty lines.

    Raises:
        AudiolmError: it has another form.
    """
    line = line.strip(BLANKS)
    if not line or line.startswith(";;"):
        return None
    fields = re.split(f"[{BLANKS}]+", line, maxsplit=5)
    start, end = (number_of(field) for field in fields[3:5]) if len(fields) > 4 else (0.0, 0.0)
    if not 0 <= start < end:
        raise AudiolmError(f"found '{line}', expected '{EXPECTED}'")
    text = re.sub(r"^<[^>]*>\s*", "", fields[5] if len(fields) > 5 else "")
    return Stretch(*fields[:3], start, end, first_alternative(text))


def first_alternative(text: str) -> str:
    """The words of a transcript, of alternatives the first.

    >>> first_alternative("i've { um / { uh / er } / @ } as far {@/so} km/h")
    "i've um as far km/h"

    Raises:
        AudiolmError: a brace has no partner.
    """
    text = re.sub(r"\\([{}/@\\])", lambda match: ESCAPED[match[1]], text)
    while match := re.search(r"\{([^{}]*)\}", text):  # the innermost first
        parts = re.split(r"(?:^|\s)/(?=\s|$)", match[1])
        first = parts[0] if len(parts) > 1 else match[1].partition("/")[0]
        text = f"{text[: match.start()]} {first} {text[match.end() :]}"
    if "{" in text or "}" in text:
        raise AudiolmError(f"found '{text}', expected pairs of braces (\\{{ for the character itself)")
    words = " ".join(word for word in text.split() if word != "@")
    return words.translate({ord(mark): char for char, mark in ESCAPED.items()})
