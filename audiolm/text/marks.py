"""Marks of transcripts that are no words: noises, breaths, comments, alternatives.

Kaldi directories and NIST's STM write them alike. One rule for all: what stands in square or angle brackets is not
spoken; of ``{ a / b }`` the first alternative is; a word within Switchboard's ``[laughter-word]`` is. Another rule of
:class:`Marks` keeps the brackets, or leaves out the marks of a list: ``--marks`` of the verbs.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from audiolm.errors import AudiolmError

# A bracket is a mark only as a token: "a<b" and "f[0]" are not touched.
_LAUGHED = re.compile(r"(?<!\S)\[laughter-([^\]\s]+)\](?!\S)", re.IGNORECASE)
_MARK = re.compile(r"(?<!\S)(?:\[[^\[\]]*\]|<[^<>]*>)(?!\S)")
_UNIT = re.compile(rf"{_MARK.pattern}|\S+")
_ALTERNATIVES = re.compile(r"\{([^{}/]*)(?:/[^{}]*)?\}")
NOTHING = "@"  # NIST's empty alternative


@dataclass(frozen=True)
class Marks:
    """Which marks are left out of a text.

    Attributes:
        names: those that are left out, as :func:`_name` writes them, in brackets or not; None: all in brackets.
    """

    names: frozenset[str] | None = None

    @classmethod
    def of(cls, names: Iterable[str]) -> "Marks":
        """The rule that leaves out these and no others."""
        return cls(frozenset(map(_name, names)))

    @classmethod
    def by_rule(cls, rule: str | os.PathLike) -> "Marks":
        """``drop``: all in brackets are left out; ``keep``: none; else a file of those that are, one a line.

        Raises:
            AudiolmError: no such file, or no mark in it.
        """
        if rule == "drop":
            return DROP
        if rule == "keep":
            return KEEP
        try:
            with open(rule, encoding="utf-8") as file:
                names = [line for line in file if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise AudiolmError(
                f"--marks {rule}: {why}; expected drop, keep, or a text file with one mark a line, such as [noise]"
            ) from None
        if not names:
            raise AudiolmError(f"--marks {rule}: found no mark in it, expected one a line, such as [noise]")
        return cls.of(names)

    def split(self, text: str) -> list[tuple[str, bool]]:
        """The words of a text and the marks that stay, in order, each with whether it is a mark.

        >>> Marks.of(["<noise>", "uhm"]).split("uhm <Noise> [loud laughter] yes")
        [('[loud_laughter]', True), ('yes', False)]
        """
        if self.names is None and not any(bracket in text for bracket in "[<{"):
            return [(word, False) for word in text.split()]
        text = _LAUGHED.sub(r"\1", text)
        if "{" in text:
            while (inner := _ALTERNATIVES.sub(r" \1 ", text)) != text:  # from the innermost outwards
                text = inner
            text = " ".join(word for word in text.split() if word != NOTHING)
        found = []
        for unit in _UNIT.findall(text):
            is_mark = _MARK.fullmatch(unit) is not None
            if is_mark if self.names is None else _name(unit) in self.names:
                continue
            found.append(("_".join(unit.split()), is_mark))
        return found


def _name(mark: str) -> str:
    return " ".join(mark.split()).lower()


DROP, KEEP = Marks(), Marks(frozenset())


def without_marks(text: str, marks: Marks = DROP) -> str:
    """The text that is spoken, and the marks that ``marks`` keeps, single spaces between them.

    >>> without_marks("[laughter] i <vocnoise> { um / uh } was [laughter-there] { @ / then }")
    'i um was there'
    """
    return " ".join(word for word, _ in marks.split(text))
