"""The streams of an Ogg file: whether its end is there, and where each of several that follow each other begins.

Files that were put together with cat, or recorded from a radio, are chains: streams one behind the other, of which
libsndfile reads the first. Source: RFC 3533.
"""

from typing import BinaryIO

from audiolm.errors import AudiolmError

LONGEST_PAGE = 65307  # bytes
HEADER = 27  # bytes of a page before its table of segments
FIRST, LAST = 2, 4  # bits of a page's sixth byte: of a stream's first page, of its last


def check_end(raw: BinaryIO, size: int, path: str) -> None:
    """Raise where a file ends before its last stream does.

    Raises:
        AudiolmError: it is truncated.
    """
    _, page = _last_page(raw, size)
    if not page[5:6] or not page[5] & LAST:
        raise AudiolmError(f"{path} is truncated: its last page is missing")


def links(raw: BinaryIO, size: int, path: str) -> list[int]:
    """The bytes at which the links of a chain begin and the file's size; [0, size] where there is no chain.

    A chain is known by its end, of a stream that does not begin where the file does. Where the last link has the serial
    number of the first, the decoder finds out when it gets there.

    Raises:
        AudiolmError: it is a chain, and something between its pages is no page.
    """
    place, serials = 0, set()
    while (page := _read(raw, place, HEADER))[:4] == b"OggS" and len(page) == HEADER and page[5] & FIRST:
        serials.add(page[14:18])  # streams side by side all begin before one goes on
        place += _length(raw, place, page)
    end, last = _last_page(raw, size)
    if not last or last[14:18] in serials:
        return [0, size]
    starts, begins = [0], True  # whether the page before was a first one
    while (page := _read(raw, place, HEADER))[:4] == b"OggS" and len(page) == HEADER:
        if page[5] & FIRST and not begins:
            starts.append(place)
        begins = bool(page[5] & FIRST)
        place += _length(raw, place, page)
    if place <= end:
        raise AudiolmError(
            f"{path} is damaged: it holds several streams, one behind the other, and byte {place} belongs to none"
        )
    return [*starts, size]


def _last_page(raw: BinaryIO, size: int) -> tuple[int, bytes]:
    """Where the last page begins, and what follows from there to the end; empty where there is none."""
    begin = max(0, size - LONGEST_PAGE)
    end = _read(raw, begin, LONGEST_PAGE)
    place = end.rfind(b"OggS")
    return (begin + place, end[place:]) if place >= 0 else (begin, b"")


def _length(raw: BinaryIO, place: int, page: bytes) -> int:
    return HEADER + page[26] + sum(_read(raw, place + HEADER, page[26]))


def _read(raw: BinaryIO, place: int, count: int) -> bytes:
    raw.seek(place)
    return raw.read(count)
