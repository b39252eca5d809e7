"""The words of a transcript as word errors count them, and the options of NIST's sclite that forgive some.

Words in parentheses may be missing (-D); fragments, which begin or end with a hyphen, are right where the other side's
word ends or begins so (-F). Source: NIST SCTK, ``doc/infmts.htm`` and ``doc/options.htm``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from audiolm.text.marks import DROP, Marks
from audiolm.text.normalize import normalize

_OPTIONAL = re.compile(r"\(([^()]+)\)[.,;:!?…]*")
_FRAGMENT = re.compile(r"(-?)([^-\s](?:.*[^-\s])?)(-?)[.,;:!?…]*")


class Word(NamedTuple):
    """A word, whether the other side may lack it, and which part of a word it is where it is a fragment."""

    text: str
    optional: bool = False
    fragment: Literal["", "begin", "end"] = ""

    def fits(self, other: "Word") -> bool:
        """Whether ``other`` is this word; of two fragments this one rules, as in sclite."""
        if self.text == other.text:
            return True
        part, whole = (self, other) if self.fragment else (other, self)
        if part.fragment == "begin":
            return whole.text.startswith(part.text)
        return part.fragment == "end" and whole.text.endswith(part.text)


@dataclass(frozen=True)
class WordRules:
    """How transcripts become words that are compared.

    Attributes:
        marks: which marks of noise and comments are no words.
        optional: a reference's word in parentheses, ``(uh)``, costs nothing where it is missing, and counts as right.
        fragments: ``th-`` is right for all words that begin so, ``-ing`` for all that end so, on either side.
        normaliser: text -> text with single spaces; None: :func:`audiolm.text.normalize.normalize`. With another one,
            such as ``str``, marks are words.
    """

    marks: Marks = DROP
    optional: bool = False
    fragments: bool = False
    normaliser: Callable[[str], str] | None = None

    @property
    def told(self) -> str:
        """What a score's protocol says of the rules that are not usual."""
        said = {
            "marks kept": self.marks.names == frozenset(),
            "marks left out by a list": bool(self.marks.names),
            "optional words may be missing (sclite -D)": self.optional,
            "fragments fit whole words (sclite -F)": self.fragments,
        }
        return "".join(f"; {what}" for what, holds in said.items() if holds)

    def reference(self, text: str) -> list[Word]:
        """The words of a reference.

        >>> WordRules(optional=True).reference("(Um), a twenty-one (th-)")[0]
        Word(text='um', optional=True, fragment='')
        >>> [word.text for word in WordRules(fragments=True).reference("th- the [noise] twenty-one")]
        ['th', 'the', 'twenty', 'one']
        """
        return self._words(text, self.optional)

    def hypothesis(self, text: str) -> list[Word]:
        """The words of a hypothesis, of which none is optional."""
        return self._words(text, False)

    def _words(self, text: str, optional: bool) -> list[Word]:
        if not optional and not self.fragments:
            return [Word(word) for word in self._normalised(text).split()]
        units = [(word, False) for word in text.split()] if self.normaliser else self.marks.split(text)
        words = []
        for unit, is_mark in units:
            inner = _OPTIONAL.fullmatch(unit) if optional else None
            unit = inner[1] if inner else unit
            found = _FRAGMENT.fullmatch(unit) if self.fragments and not is_mark else None
            is_begin, is_end = (found[3] != "", found[1] != "") if found else (False, False)
            if is_begin != is_end:
                unit = found[2]
            parts = self._normalised(unit).split()
            for number, part in enumerate(parts):
                fragment = ""
                if is_begin and not is_end and number == len(parts) - 1:
                    fragment = "begin"
                elif is_end and not is_begin and number == 0:
                    fragment = "end"
                words.append(Word(part, inner is not None, fragment))
        return words

    def _normalised(self, text: str) -> str:
        return self.normaliser(text) if self.normaliser else normalize(text, self.marks)


PLAIN = WordRules()
