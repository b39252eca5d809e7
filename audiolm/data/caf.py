"""How many bytes of samples a CAF holds, where its header does not say so.

A recorder that was cut off leaves a count of nothing or that of its last update; −1 stands for "to the end of the
file". libsndfile believes the count, and opens no file that counts −1, nothing, or more than there is. Source: Apple,
Core Audio Format Specification 1.0.
"""

import struct
from typing import BinaryIO

from audiolm.errors import AudiolmError

TO_THE_END = -1
IGNORED = 4096  # bytes behind the last chunk that nobody misses: padding to a disk's block, a tag
EDITS = 4  # bytes of the count of edits before the samples
MOST_CHUNKS = 1000


def mended(raw: BinaryIO, size: int, path: str) -> tuple[bytes, int, int] | None:
    """What libsndfile must be shown to read all samples of a CAF, or None where it is none or its header is right.

    Args:
        raw: the file, open for reading.
        size: its bytes.
        path: its name, for errors.

    Returns:
        a header, and the bytes of the file, from and to, that follow it: its samples.

    Raises:
        AudiolmError: fewer samples than the header counts, or more, and how many are sound nobody knows.
    """
    if _read(raw, 0, 4) != b"caff":
        return None
    place, rate = 8, 0.0
    for _ in range(MOST_CHUNKS):
        chunk = _read(raw, place, 12)
        if len(chunk) < 12:
            return None
        name, length = struct.unpack(">4sq", chunk)
        if name == b"data":
            break
        if name == b"desc":
            rate = _bytes_a_second(_read(raw, place + 12, 32))
        place += 12 + max(0, length)
    else:
        return None
    start = place + 12
    there = size - start
    if length > there:
        raise AudiolmError(f"{path} is truncated: its header promises {length} bytes of samples, {there} are there")
    if length > EDITS and _only_chunks(raw, start + length, size, IGNORED):
        return None
    if length in (TO_THE_END, 0, EDITS):
        if there <= EDITS or (length != TO_THE_END and _only_chunks(raw, start + length, size, 0)):
            raise AudiolmError(f"{path} has no samples")
        return _read(raw, 0, place) + struct.pack(">4sq", b"data", there), start, size
    more = there - length
    told = (
        f"{(length - EDITS) / rate:.3f} s of samples, {more / rate:.3f} s" if rate else f"{length} bytes, {more} bytes"
    )
    raise AudiolmError(
        f"{path} holds more than its header counts: {told} follow behind them (was the recorder cut off?); if they are"
        " sound, write the file again with a right header, else cut it there"
    )


def _read(raw: BinaryIO, place: int, count: int) -> bytes:
    raw.seek(place)
    return raw.read(count)


def _bytes_a_second(description: bytes) -> float:
    """Of an audio description; 0 where packets vary in size."""
    if len(description) < 32:
        return 0.0
    rate, _, _, packet, frames, _, _ = struct.unpack(">d4s5I", description)
    return rate * packet / frames if frames else 0.0


def _only_chunks(raw: BinaryIO, place: int, size: int, few: int) -> bool:
    """Whether from ``place`` to the end there is nothing but chunks and at most ``few`` other bytes."""
    for _ in range(MOST_CHUNKS):
        if size - place <= few:
            return True
        chunk = _read(raw, place, 12)
        if len(chunk) < 12:
            return False
        name, length = struct.unpack(">4sq", chunk)
        if not (name.isascii() and name.decode().isprintable()) or not 0 <= length <= size - place - 12:
            return False
        place += 12 + length
    return False
