"""How many bytes of samples a WAV or AIFF holds, where its header counts fewer than are there.

A recorder that was cut off leaves a count of 0 or that of its last update; 32 bits do not count what is longer than
4 GiB; a writer to a pipe leaves a number that no file has. libsndfile believes all of them. Chunks: IBM and Microsoft,
Multimedia Programming Interface 1.0; RF64: EBU Tech 3306.
"""

import struct
from typing import BinaryIO

from audiolm.errors import AudiolmError

WRAP = 1 << 32
IGNORED = 4096  # bytes behind the last chunk that nobody misses: padding to a disk's block, a tag
PIPE_LENGTH = 0x7FFFF000  # from here to 2^31, and below 2^32, sizes are what writers to a pipe leave
MOST_CHUNKS = 1000


def mended(raw: BinaryIO, size: int, path: str) -> tuple[bytes, int, int] | None:
    """What libsndfile must be shown to read all samples of a WAV, or None where its header is right.

    Args:
        raw: the file, open for reading.
        size: its bytes.
        path: its name, for errors.

    Returns:
        a header, and the bytes of the file, from and to, that follow it: its samples.

    Raises:
        AudiolmError: more samples follow those that the header counts, and how many are sound nobody knows.
    """
    kind = _read(raw, 0, 4)
    order = ">" if kind in (b"RIFX", b"FORM") else "<"
    place, format_, counted = 12, b"", None
    for _ in range(MOST_CHUNKS):
        chunk = _read(raw, place, 8)
        if len(chunk) < 8:
            return None
        name, length = struct.unpack(f"{order}4sI", chunk)
        if name in (b"data", b"SSND"):
            break
        if name == b"fmt ":
            format_ = _read(raw, place + 8, min(length, IGNORED))
        elif name == b"ds64":
            counted = struct.unpack("<Q", _read(raw, place + 16, 8))[0]
        place += 8 + length + length % 2
    else:
        return None
    start = place + 8
    count = counted if kind == b"RF64" and length == WRAP - 1 and counted is not None else length
    there = size - start
    if count >= there or _only_chunks(raw, start + count, size, order, IGNORED if count else 0):
        return None  # libsndfile's log says if it is truncated
    whole = kind in (b"RIFF", b"RF64") and len(format_) >= 16
    for laps in range((there - count) // WRAP, 0, -1):
        if whole and _only_chunks(raw, start + count + laps * WRAP, size, order):
            return _header(format_, count + laps * WRAP), start, start + count + laps * WRAP
    if whole and (count == 0 or PIPE_LENGTH <= count <= 1 << 31 or count >= WRAP - IGNORED):
        return _header(format_, there), start, size
    rate = struct.unpack("<I", format_[8:12])[0] if whole else 0
    told = f"{count / rate:.3f} s of samples, {(there - count) / rate:.3f} s" if rate else f"{count} bytes of samples,"
    more = "" if rate else f" {there - count} bytes"
    raise AudiolmError(
        f"{path} holds more than its header counts: {told}{more} follow behind them (was the recorder cut off?); if"
        f" they are sound, write it again ('sox --ignore-length {path} mended.wav'), else cut the file there"
    )


def _read(raw: BinaryIO, place: int, count: int) -> bytes:
    raw.seek(place)
    return raw.read(count)


def _only_chunks(raw: BinaryIO, place: int, size: int, order: str, few: int = IGNORED) -> bool:
    """Whether from ``place`` to the end there is nothing but chunks and at most ``few`` other bytes."""
    for _ in range(MOST_CHUNKS):
        if size - place <= few:
            return True
        chunk = _read(raw, place, 9)
        if chunk[:1] == b"\0":  # chunks begin at even places
            chunk, place = chunk[1:], place + 1
        if len(chunk) < 8:
            return False
        name, length = struct.unpack(f"{order}4sI", chunk[:8])
        if not (name.isascii() and name.decode().isprintable()) or place + 8 + length > size:
            return False
        place += 8 + length
    return False


def _header(format_: bytes, count: int) -> bytes:
    """The header of a WAV of ``count`` bytes of samples; RF64 where RIFF cannot say so many."""
    inside = b"WAVE", b"fmt " + struct.pack("<I", len(format_)) + format_ + bytes(len(format_) % 2)
    if count < WRAP - IGNORED:
        size = 4 + len(inside[1]) + 8 + count
        return b"RIFF" + struct.pack("<I", size) + b"".join(inside) + b"data" + struct.pack("<I", count)
    size = 4 + 36 + len(inside[1]) + 8 + count
    sizes = b"ds64" + struct.pack("<I3QI", 28, size, count, 0, 0)
    return b"RF64" + b"\xff" * 4 + inside[0] + sizes + inside[1] + b"data" + b"\xff" * 4
