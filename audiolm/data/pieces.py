"""Recordings cut into pieces: each piece a recording of its own, with what of the tables lies in it.

A piece is called after its recording and its time in milliseconds, ``call-A-0000000-0300000``; what is not cut keeps
its name. The channels of a file are cut at the same places.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from audiolm.data.datadir import DataDir
from audiolm.data.files import write_lines
from audiolm.data.tables import Problem, Segment, Turn, Word, number_of, rows, seconds
from audiolm.errors import AudiolmError

SLACK = 0.01  # seconds by which a segment may reach over a cut: tables are rounded


class Piece(NamedTuple):
    """Part of a recording, in seconds."""

    reco: str
    start: float
    end: float


class Screen(Protocol):
    """Says where recordings are cut and which pieces are not fit for training. Channels of a file come together."""

    def cut(self, recos: Sequence[str]) -> list[tuple[float, float]]:
        """Where the pieces of a file lie (s): they touch and cover it."""
        ...

    def faults(self, recos: Sequence[str], start: float, end: float) -> dict[str, str]:
        """Channel -> what is wrong with this piece of it; empty if nothing is."""
        ...


def piece_name(name: str, start: float, end: float, whole: bool) -> str:
    """What a piece of a recording or file is called."""
    return name if whole else f"{name}-{round(1000 * start):07d}-{round(1000 * end):07d}"


def write_pieces(path: Path, pieces: Mapping[str, Piece]) -> None:
    """Write ``piece recording start end`` lines."""
    write_lines(path, (f"{name} {p.reco} {p.start:.6f} {p.end:.6f}" for name, p in sorted(pieces.items())))


def read_pieces(path: Path) -> dict[str, Piece]:
    """Pieces as ``write_pieces`` leaves them."""
    pieces = {}
    for number, fields in rows(path, 4, 4, "<piece> <recording> <start> <end>"):
        start, end = number_of(fields[2]), number_of(fields[3])
        if not 0 <= start < end:
            raise AudiolmError(f"{path}:{number}: found '{' '.join(fields)}', expected 0 <= start < end")
        pieces[fields[0]] = Piece(fields[1], start, end)
    return pieces


def cut_tables(data: DataDir, pieces: Mapping[str, Piece], problems: list[Problem]) -> DataDir:
    """A data directory of pieces, without audio paths.

    Utterances and words lie in the piece that holds them; a turn over a cut becomes two. What lies in no piece is left
    out; utterances that do, or that lie over a cut, are named in ``problems``.

    Args:
        data: the recordings' tables.
        pieces: the pieces that are kept.
    """
    of: dict[str, list[tuple[str, Piece]]] = defaultdict(list)
    for name, piece in pieces.items():
        of[piece.reco].append((name, piece))
    out = DataDir(rttm=[], ctm=[], path=data.path, allow_pipes=data.allow_pipes)
    whole = {name for name, piece in pieces.items() if name == piece.reco}
    for name, piece in pieces.items():
        out.reco2dur[name] = piece.end - piece.start
        if piece.reco in data.reco2file_and_channel:
            file, channel = data.reco2file_and_channel[piece.reco]
            out.reco2file_and_channel[name] = (piece_name(file, piece.start, piece.end, name in whole), channel)
        if not data.segments:
            out.utt2spk.update({name: data.utt2spk[piece.reco]} if piece.reco in data.utt2spk else {})
            out.text.update({name: data.text[piece.reco]} if name in whole and name in data.text else {})
    for utt, place in data.segments.items():
        home = next((p for p in of[place.reco] if p[1].start - SLACK <= place.start < p[1].end), None)
        if home is None:
            reason = f"'{utt}' at {seconds(place.start)} s of '{place.reco}' is in a piece that was rejected"
            problems.append(Problem("segments", 0, utt, reason))
            continue
        name, piece = home
        if place.end > piece.end + SLACK:
            reason = (
                f"'{utt}' ends at {seconds(place.end)} s of '{place.reco}', which was cut at {seconds(piece.end)} s"
            )
            problems.append(Problem("segments", 0, utt, reason))
            continue
        start, end = max(place.start, piece.start) - piece.start, min(place.end, piece.end) - piece.start
        out.segments[utt] = Segment(name, start, end)
        for table, target in ((data.text, out.text), (data.utt2spk, out.utt2spk)):
            target.update({utt: table[utt]} if utt in table else {})
    for name, piece, word in _entries(data.words(), of):
        middle = (word.start + word.end) / 2
        if piece.start <= middle < piece.end:
            start, end = _within(word, piece)
            out.ctm.append(Word(*out.file_and_channel(name), start, end - start, word.word, word.confidence))
    for name, piece, turn in _entries(data.turns(), of):
        start, end = _within(turn, piece)
        if end > start:
            file = out.file_and_channel(name)[0]
            out.rttm.append(Turn(file, turn.channel, start, end - start, turn.speaker))
    return out


def _entries(table: Mapping[str, Iterable], of: Mapping[str, list[tuple[str, Piece]]]) -> Iterator[tuple]:
    """(Piece's name, piece, entry) of every entry with every piece of its recording that it touches."""
    for reco, entries in table.items():
        for entry in entries:
            for name, piece in of.get(reco, ()):
                if entry.start < piece.end and entry.end >= piece.start:
                    yield name, piece, entry


def _within(entry: Word | Turn, piece: Piece) -> tuple[float, float]:
    """Start and end of an entry on the piece's time axis, cut at its ends."""
    return max(entry.start, piece.start) - piece.start, min(entry.end, piece.end) - piece.start
