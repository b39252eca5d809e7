"""Items of a phone ABX test: triphones with their times, from a ``.item`` file or from a phone alignment."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audiolm.data.datadir import DataDir
from audiolm.data.files import write_lines
from audiolm.data.tables import Word, number_of, rows, seconds
from audiolm.errors import AudiolmError

HEADER = "#file onset offset #phone prev-phone next-phone speaker"
EXPECTED = "<file> <onset> <offset> <phone> <previous phone> <next phone> <speaker>"
# Marks of silence, noise and unknown words in phone alignments: no neighbour of a triphone.
NO_PHONES = frozenset(["", "<eps>", "sil", "sp", "spn", "nsn", "h#", "pau", "+nsn+", "+spn+", "<sil>"])
TOUCH = 0.0015  # seconds between two phones of one run of speech, at most: times in tables are rounded


class NoTriples(AudiolmError):
    """A set has too little speech for ABX."""


@dataclass(frozen=True, slots=True)
class Item:
    """A phone between two others, all three of one speaker.

    Attributes:
        file: recording.
        onset, offset: seconds of the whole triphone in it.
        phone: the one in the middle, by which items are told apart.
        previous, next: its context.
        speaker: who says it.
    """

    file: str
    onset: float
    offset: float
    phone: str
    previous: str
    next: str
    speaker: str

    @property
    def line(self) -> str:
        """Its line of a ``.item`` file."""
        times = f"{seconds(self.onset)} {seconds(self.offset)}"
        return f"{self.file} {times} {self.phone} {self.previous} {self.next} {self.speaker}"


def read_items(path: str | os.PathLike) -> list[Item]:
    """Read a ``.item`` file of ZeroSpeech or Libri-Light (Kahn et al. 2020, section 4.1).

    Raises:
        AudiolmError: it cannot be read, has no items, or a line of another form (named with its number).
    """
    items = []
    for number, fields in rows(path, 7, 7, EXPECTED):
        if number == 1 and fields[0].startswith("#"):
            continue
        onset, offset = number_of(fields[1]), number_of(fields[2])
        if not 0 <= onset < offset:  # also where one is no number
            raise AudiolmError(
                f"{path}:{number}: item from '{fields[1]}' to '{fields[2]}' s, expected 0 <= onset < offset"
            )
        items.append(Item(fields[0], onset, offset, *fields[3:]))
    if not items:
        raise AudiolmError(f"{path} has no items, expected lines of '{EXPECTED}'")
    return items


def write_items(path: str | os.PathLike, items: Iterable[Item]) -> None:
    """Write a ``.item`` file with its header, atomically."""
    write_lines(path, [HEADER, *(item.line for item in items)])


def triphones(phones: Sequence[Word], data: DataDir) -> list[Item]:
    """Every run of three phones without silence between them, by recording and time.

    Args:
        phones: a phone alignment (``ctm``): silence is a gap or one of `NO_PHONES`.
        data: the recordings' utterances and speakers; a triphone belongs to the utterance that its middle lies in.

    Raises:
        AudiolmError: a phone is in a recording that ``data`` does not have.
    """
    runs: dict[str, list[list[Word]]] = {}
    for reco, entries in data.by_reco(phones).items():
        parts = runs[reco] = [[]]
        for phone in entries:
            if phone.word.lower() in NO_PHONES:
                parts.append([])
                continue
            if parts[-1] and not abs(phone.start - parts[-1][-1].end) <= TOUCH:
                parts.append([])
            parts[-1].append(phone)
    speaker = _speakers(data)
    return [
        Item(reco, round(first.start, 6), round(last.end, 6), middle.word, first.word, last.word, who)
        for reco, parts in runs.items()
        for part in parts
        for first, middle, last in zip(part, part[1:], part[2:], strict=False)
        if (who := speaker(reco, (middle.start + middle.end) / 2)) is not None
    ]


def _speakers(data: DataDir):
    """A function (recording, seconds) -> speaker of the utterance there, or None outside all."""
    if not data.segments:
        return lambda reco, time: data.utt2spk.get(reco, reco)
    places: dict[str, list[tuple[float, float, str]]] = {}
    for utt, place in data.segments.items():
        places.setdefault(place.reco, []).append((place.start, place.end, data.utt2spk.get(utt, place.reco)))

    def speaker(reco: str, time: float) -> str | None:
        return next((who for start, end, who in places.get(reco, ()) if start <= time < end), None)

    return speaker
