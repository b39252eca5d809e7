"""The line formats of a data directory: Kaldi's tables by id, and NIST's ``rttm`` (turns) and ``ctm`` (words).

Readers stream, check every line and name file and line of what is wrong. What happens then is the caller's choice:
by default the first problem is raised; a ``report`` function collects problems instead, and the line is left out.
Fields are separated by ASCII blanks, as in Kaldi. Python orders strings by code point, which is the byte order of
their UTF-8, so ``sorted`` and ``<`` here mean ``LC_ALL=C``.

Readers that are given ids pass over all other lines unread, so that what one job of many holds does not grow with the
set.

Sources: Kaldi, "Data preparation" (kaldi-asr.org/doc/data_prep.html); NIST, "The 2009 RT evaluation plan",
appendix A (RTTM); NIST SCTK, ``doc/infmts.htm`` (CTM).
"""

import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import IO

from audiolm.data.files import write_lines
from audiolm.errors import AudiolmError

# The rttm line types of the evaluation plan that are not speaker turns; readers pass over them.
OTHER_RTTM_TYPES = frozenset(
    "NOSCORE NO_RT_METADATA SEGMENT LEXEME NON-LEX NON-SPEECH FILLER EDIT IP SU CB A/P SPKR-INFO".split()
)
CHANNEL = "a letter (A, B …) or a number from 1"  # what a channel is called
# The words of a ctm that mark alternatives.
ALTERNATIVES = frozenset(("<ALT_BEGIN>", "<ALT>", "<ALT_END>"))
FROM_0 = "the table counts channels from 0, expected from 1"


@dataclass(frozen=True, slots=True)
class Segment:
    """An utterance's place: recording id, start and end in seconds."""

    reco: str
    start: float
    end: float

    @property
    def line(self) -> str:
        """What ``segments`` says of the utterance after its id."""
        return f"{self.reco} {seconds(self.start)} {seconds(self.end)}"


@dataclass(frozen=True, slots=True)
class Turn:
    """A speaker turn of an ``rttm``: file id, channel as written (``1``, ``2``, ``A`` …), seconds, speaker."""

    file: str
    channel: str
    start: float
    duration: float
    speaker: str

    @property
    def end(self) -> float:
        return self.start + self.duration

    @property
    def line(self) -> str:
        """Its line of an ``rttm``."""
        times = f"{seconds(self.start)} {seconds(self.duration)}"
        return f"SPEAKER {self.file} {self.channel} {times} <NA> <NA> {self.speaker} <NA> <NA>"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a ``ctm``: file id, channel as written (``A``, ``1`` …), seconds, word, confidence in 0…1."""

    file: str
    channel: str
    start: float
    duration: float
    word: str
    confidence: float = 1.0

    @property
    def end(self) -> float:
        return self.start + self.duration

    @property
    def line(self) -> str:
        """Its line of a ``ctm``."""
        times = f"{seconds(self.start)} {seconds(self.duration)}"
        return f"{self.file} {self.channel} {times} {self.word} {seconds(self.confidence)}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line (``line`` 0: with the whole file) and the id it concerns, if it has one.

    ``repairable``: it can be put right without leaving anything out.
    """

    path: str
    line: int
    id: str
    reason: str
    repairable: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"


# The keys by which these are written in order.
TURN_ORDER = attrgetter("file", "channel", "start", "end", "speaker")
WORD_ORDER = attrgetter("file", "channel", "start")

Report = Callable[[Problem], None]
Ids = Collection[str] | None


def refuse(problem: Problem) -> None:
    """The default ``report``: raise the problem.

    Raises:
        AudiolmError: always.
    """
    raise AudiolmError(str(problem))


def rows(
    path: str | os.PathLike,
    low: int,
    high: int,
    expected: str,
    report: Report = refuse,
    ids: Ids = None,
    column: int = 0,
):
    """Yield (line number, fields) of each line that has ``low`` to ``high`` fields; the last keeps its inner blanks.

    With ``low`` 0, empty lines are passed over (NIST's formats allow them).

    Args:
        expected: the line's form, for messages, such as ``"<utterance> <speaker>"``.
        ids: None: every line; else only those whose field number ``column`` is one of these.

    Raises:
        AudiolmError: the file cannot be read; by default also a line of another form or not in UTF-8.
    """
    path = os.fspath(path)
    try:
        file = open(path, "rb")
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    with file:
        for number, line in _lines(file, ids, column):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):  # no line of it can be saved
                raise AudiolmError(f"{path} is UTF-16, expected UTF-8; convert it with 'iconv -f UTF-16 -t UTF-8'")
            try:
                fields = list(map(bytes.decode, line.split(None, high - 1)))
            except UnicodeDecodeError as error:
                shown = line[:40].decode(errors="backslashreplace").strip()
                wrong = f"not UTF-8 (byte 0x{error.object[error.start]:02x}): {shown}"
                report(Problem(path, number, "", f"{wrong}; convert the file with iconv"))
                continue
            if not fields and low == 0:
                continue
            if len(fields) < low:
                found = " ".join(fields) or "an empty line"
                report(Problem(path, number, fields[0] if fields else "", f"found '{found}', expected '{expected}'"))
                continue
            if number == 1 and fields[0].startswith("\ufeff"):
                reason = "begins with a byte-order mark; write UTF-8 without it"
                report(Problem(path, 1, "", reason, repairable=True))
                fields[0] = fields[0][1:]
            fields[-1] = fields[-1].rstrip(" \t\r\n\v\f")
            if "\r" in fields[-1]:  # with one at every line's end, the file is one line
                wrong = f"{path}:{number}: has a carriage return inside, expected line feeds at the ends of lines"
                raise AudiolmError(f"{wrong}; convert it with tr '\\r' '\\n'")
            yield number, fields


def _lines(file: IO[bytes], ids: Ids, column: int) -> Iterator[tuple[int, bytes]]:
    """(Number, line) of a file, or of its lines with one of ``ids`` in a column."""
    if ids is None:
        yield from enumerate(file, 1)
        return
    wanted = {id.encode() for id in ids}
    for number, line in enumerate(file, 1):
        fields = line.split(None, column + 1)
        if len(fields) > column and fields[column] in wanted:
            yield number, line


def read_table(
    path: str | os.PathLike,
    expected: str,
    report: Report = refuse,
    may_be_empty: bool = False,
    ids: Ids = None,
    column: int = 0,
):
    """Yield (line number, id, rest of the line) of a Kaldi table, sorted and without duplicates (``ids``: see rows).

    With a ``report`` that returns, a duplicate is left out and an id out of order is reported and kept.
    ``may_be_empty``: a line may hold its id alone.
    """
    path, previous, seen = os.fspath(path), "", None
    for number, fields in rows(path, 1 if may_be_empty else 2, 2, expected, report, ids, column):
        key = fields[0]
        if key <= previous or seen is not None:
            # Only a table out of order needs the set of all ids to find its duplicates.
            seen = _ids(path, number) if seen is None else seen
            if key in seen:
                report(Problem(path, number, key, f"duplicate id '{key}'"))
                continue
            if key < previous:
                reason = f"'{key}' comes after '{previous}', expected the order of LC_ALL=C sort"
                report(Problem(path, number, key, reason, repairable=True))
            seen.add(key)
        previous = key
        yield number, key, fields[1] if len(fields) > 1 else ""


def _ids(path: str, before: int) -> set[str]:
    """Ids of the lines before line ``before``."""
    ids = set()
    for number, fields in rows(path, 1, 2, "", report=lambda problem: None):
        if number >= before:
            break
        ids.add(fields[0])
    return ids


def split(text: str) -> list[str]:
    """The fields of a line or of the rest of one, split at ASCII blanks only."""
    return list(map(bytes.decode, text.encode().split()))


def number_of(text: str) -> float:
    """The finite number that ``text`` writes, else NaN.

    >>> number_of("1e-2"), number_of("1_0"), number_of("inf")
    (0.01, nan, nan)
    """
    if "_" in text or not text.isascii():  # Python reads 1_0 as 10, and digits of every script
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def seconds(value: float) -> str:
    """A time as text: at least two decimals and at most six (a microsecond, finer than a sample), none of them idle.

    >>> seconds(1.5), seconds(0.0125), seconds(1 / 3)
    ('1.50', '0.0125', '0.333333')
    """
    text = f"{value:.6f}"
    return text[:-4] + text[-4:].rstrip("0")


def read_segments(
    path: str | os.PathLike, report: Report = refuse, recos: Ids = None
) -> Iterator[tuple[int, str, Segment]]:
    """Yield (line number, utterance id, segment) of a ``segments`` file; 0 ≤ start < end is checked.

    With a ``report`` that returns, an end of -1, which is Kaldi's for the recording's end, is reported and becomes inf.
    """
    expected = "<utterance> <recording> <start> <end>"
    for number, utt, rest in read_table(path, expected, report, ids=recos, column=1):
        fields = split(rest)
        start, end = (number_of(fields[1]), number_of(fields[2])) if len(fields) == 3 else (math.nan, math.nan)
        if math.isnan(start + end):
            report(Problem(os.fspath(path), number, utt, f"found '{utt} {rest}', expected '{expected}'"))
        elif end == -1 and start >= 0:
            reason = f"'{utt}' ends at -1, which in Kaldi is the recording's end; expected its time"
            report(Problem(os.fspath(path), number, utt, reason, repairable=True))
            yield number, utt, Segment(fields[0], start, math.inf)
        elif not 0 <= start < end:
            reason = f"'{utt}' goes from {seconds(start)} to {seconds(end)} s, expected 0 <= start < end"
            report(Problem(os.fspath(path), number, utt, reason))
        else:
            yield number, utt, Segment(fields[0], start, end)


def iter_rttm(
    path: str | os.PathLike, report: Report = refuse, files: Ids = None, first: int = 1
) -> Iterator[tuple[int, Turn]]:
    """Yield (line number, turn) of an ``rttm``'s SPEAKER lines; with ``files``, of theirs.

    ``first``: the number of a file's first channel; 0 where audiolm.data.channels found that the table means that.
    """
    expected = "SPEAKER <file> <channel> <start> <duration> <NA> <NA> <speaker> <NA> [<NA>]"
    for number, fields in rows(path, 0, 11, expected, report, files, column=1):
        if fields[0].startswith(";;") or fields[0] in OTHER_RTTM_TYPES:
            continue
        start, duration = (number_of(field) for field in fields[3:5]) if len(fields) > 4 else (math.nan, math.nan)
        if fields[0] != "SPEAKER" or not 9 <= len(fields) <= 10 or math.isnan(start + duration):
            reason = f"found '{' '.join(fields)}', expected '{expected}'"
            report(Problem(os.fspath(path), number, fields[1] if len(fields) > 1 else "", reason))
        elif start < 0 or duration < 0:
            reason = f"turn of '{fields[7]}' starts at {fields[3]} s and lasts {fields[4]} s, expected both >= 0"
            report(Problem(os.fspath(path), number, fields[1], reason))
        elif not (channel := channel_name(fields[2], first)):
            reason = f"turn of '{fields[7]}' is in channel '{fields[2]}', {_expected(fields[2])}"
            report(Problem(os.fspath(path), number, fields[1], reason, repairable=fields[2] == "0"))
        else:
            yield number, Turn(fields[1], channel, start, duration, fields[7])


def iter_ctm(
    path: str | os.PathLike, report: Report = refuse, files: Ids = None, first: int = 1
) -> Iterator[tuple[int, Word]]:
    """Yield (line number, word) of a ``ctm``, with ``files`` of theirs; starts within a channel must not go back.

    Of alternatives (``<ALT_BEGIN>`` … ``<ALT>`` … ``<ALT_END>``) the first is read. With a ``report`` that returns, a
    word out of order is reported and kept. ``first``: see iter_rttm.
    """
    expected = "<file> <channel> <start> <duration> <word> [<confidence>]"
    path, last, passed_over = os.fspath(path), {}, set()
    for number, fields in rows(path, 0, 7, expected, report, files):
        if fields[0].startswith(";;"):
            continue
        if len(fields) == 5 and fields[2:4] == ["*", "*"] and fields[4] in ALTERNATIVES:
            (passed_over.add if fields[4] == "<ALT>" else passed_over.discard)((fields[0], fields[1]))
            continue
        if tuple(fields[:2]) in passed_over:
            continue
        found = " ".join(fields)
        start, duration = (number_of(field) for field in fields[2:4]) if len(fields) > 3 else (math.nan, math.nan)
        confidence = number_of(fields[5]) if len(fields) > 5 else 1.0
        if not 5 <= len(fields) <= 6 or math.isnan(start + duration + confidence):
            report(Problem(path, number, fields[0], f"found '{found}', expected '{expected}'"))
            continue
        if start < 0 or duration < 0:
            report(Problem(path, number, fields[0], f"found '{found}', expected start and duration >= 0"))
            continue
        if not (channel := channel_name(fields[1], first)):
            reason = f"found '{found}', {_expected(fields[1], 'as channel ')}"
            report(Problem(path, number, fields[0], reason, repairable=fields[1] == "0"))
            continue
        place = (fields[0], channel)
        if start < last.get(place, 0.0):
            reason = f"'{fields[4]}' at {fields[2]} s comes after a word at {seconds(last[place])} s of its channel"
            report(Problem(path, number, fields[0], f"{reason}, expected the order of time", repairable=True))
        last[place] = start
        yield number, Word(fields[0], channel, start, duration, fields[4], confidence)


def read_rttm(path: str | os.PathLike, files: Ids = None) -> list[Turn]:
    """The speaker turns of an ``rttm`` (with ``files``, of theirs), in the order of the file."""
    return [turn for _, turn in iter_rttm(path, files=files)]


def read_ctm(path: str | os.PathLike, files: Ids = None) -> list[Word]:
    """The words of a ``ctm`` (with ``files``, of theirs), in the order of the file."""
    return [word for _, word in iter_ctm(path, files=files)]


def write_rttm(path: str | os.PathLike, turns: Iterable[Turn]) -> None:
    """Write turns atomically, sorted by file, channel and time."""
    write_lines(path, (turn.line for turn in sorted(turns, key=TURN_ORDER)))


def write_ctm(path: str | os.PathLike, words: Iterable[Word]) -> None:
    """Write words atomically, sorted by file, channel and start (words of equal start stay in the order given)."""
    write_lines(path, (word.line for word in sorted(words, key=WORD_ORDER)))


def channel_name(text: str, first: int = 1) -> str:
    """How the tables of this project write the channel that another's call ``text``, or "" if that is none.

    Letters become capitals. ``first``: the number of a file's first channel.

    >>> channel_name("b"), channel_name("2"), channel_name("1", first=0), channel_name("0")
    ('B', '2', '2', '')
    """
    if len(text) == 1 and text.isascii() and text.isalpha():
        return text.upper()
    if not (text.isascii() and text.isdigit()) or int(text) < first:
        return ""
    return text if first == 1 else str(int(text) + 1 - first)


def channel_index(channel: str) -> int:
    """The 0-based channel that ``A``, ``B`` … or ``1``, ``2`` … names.

    Raises:
        AudiolmError: ``channel`` is neither.
    """
    name = channel_name(channel)
    if not name:
        raise AudiolmError(f"unknown channel '{channel}', expected {CHANNEL}")
    return ord(name) - ord("A") if name.isalpha() else int(name) - 1


def _expected(channel: str, what: str = "") -> str:
    return FROM_0 if channel == "0" else f"expected {what}{CHANNEL}"
