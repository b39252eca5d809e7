"""How long an MP3 is: its frames, counted.

libsndfile takes an MP3's length from its first frame ("Xing" or "Info", which holds no sound), else guesses it from the
size of the file and the first bit rate. Cutters, stream rippers and recorders leave no such frame; ``cat a.mp3 b.mp3``
leaves one of the first part only. Where the frame is not there, or does not agree with the file, the frames are walked
from header to header, and libsndfile is shown the file behind a frame with the right count.

The layout of headers: ISO/IEC 11172-3, 2.4.1.3, and 13818-3; of the Xing frame: the decoders' common practice.
"""

import struct
from typing import BinaryIO

from audiolm.errors import AudiolmError

HEAD = 1 << 16  # bytes in which the first frame is looked for, behind a tag
SLACK = 4096  # bytes by which the byte count of a Xing frame may differ: padding, and the frame itself
BIT_RATES = {  # kbit/s of layer III by index; version 1, and versions 2 and 2.5
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
INDEX = 5  # of the bit rate of the frame that is made: the first whose frame is long enough at every rate


def frame_bytes(first: int, second: int) -> int:
    """Bytes of the layer III frame whose header has these second and third bytes; 0 if it is none, or of free size."""
    version, layer = first >> 3 & 3, first >> 1 & 3
    index, rate = second >> 4, second >> 2 & 3
    if first >> 5 != 7 or version == 1 or layer != 1 or rate == 3 or not 0 < index < 15:
        return 0
    kilobits = BIT_RATES[version == 3][index]
    return (144 if version == 3 else 72) * 1000 * kilobits // RATES[version][rate] + (second >> 1 & 1)


SIZES = [frame_bytes(code >> 8, code & 255) for code in range(1 << 16)]


def mended(raw: BinaryIO, size: int, path: str) -> tuple[bytes, int, int] | None:
    """What libsndfile must be shown to know an MP3's length, or None where its first frame gives the length.

    Args:
        raw: the file, open for reading.
        size: its bytes.
        path: its name, for errors.

    Returns:
        a first frame, and the bytes of the file, from and to, that follow it.

    Raises:
        AudiolmError: it has fewer frames than its header promises, or sound of two rates.
    """
    first = _first_frame(raw, size)
    if first is None:
        return None
    raw.seek(first)
    head = bytearray(raw.read(HEAD))
    length = SIZES[head[1] << 8 | head[2]]
    xing = _xing(head)
    if head[xing : xing + 4] not in (b"Xing", b"Info"):
        frames, end = _walk(raw, first, path)
        return _made(head, frames), first, end
    has, promised = struct.unpack_from(">2I", head, xing + 4)
    if not has & 1:
        frames, end = _walk(raw, first + length, path)
        return _made(head, frames), first + length, end
    if has & 2:
        told = struct.unpack_from(">I", head, xing + 12)[0]
        if abs(_without_tags(raw, first, size) - first - told) <= SLACK:
            return None
    frames, end = _walk(raw, first + length, path)
    if frames == promised:
        return None
    if frames < promised - 1:  # some writers count this frame too
        raise AudiolmError(f"{path} is truncated: its header promises {promised} MPEG frames, {frames} are there")
    struct.pack_into(">I", head, xing + 8, frames)
    if has & 2:
        struct.pack_into(">I", head, xing + 12, end - first)
    return bytes(head[:length]), first + length, end


def _first_frame(raw: BinaryIO, size: int) -> int | None:
    """Where the first frame begins that another like it follows; None where there is none soon."""
    start = 0
    raw.seek(0)
    while (tag := raw.read(10))[:3] == b"ID3" and len(tag) == 10:
        start += _tag_bytes(tag)
        raw.seek(start)
    raw.seek(start)
    head = raw.read(HEAD)
    place = head.find(b"\xff")
    while 0 <= place < len(head) - 4:
        length = SIZES[head[place + 1] << 8 | head[place + 2]]
        after = place + length
        if length and (start + after == size or (after < len(head) - 3 and _alike(head, place, after))):
            return start + place
        place = head.find(b"\xff", place + 1)
    return None


def _alike(data: bytes, one: int, other: int) -> bool:
    """Whether a frame begins at ``other`` that has the version, layer, rate and number of channels of that at ``one``;
    both places have four bytes."""
    return (
        data[other] == 0xFF
        and (data[one + 1] ^ data[other + 1]) & 0xFE == 0
        and (data[one + 2] ^ data[other + 2]) & 0x0C == 0
        and (data[one + 3] >> 6 == 3) == (data[other + 3] >> 6 == 3)
    )


def _tag_bytes(tag: bytes) -> int:
    """Bytes of an ID3 version 2 tag that begins with these ten."""
    a, b, c, d = (value & 127 for value in tag[6:10])
    return 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if tag[5] & 0x10 else 0)


def _xing(head: bytes) -> int:
    """Where in a first frame the word Xing or Info stands: behind the side information."""
    mono, old = head[3] >> 6 == 3, head[1] >> 3 & 3 == 3
    return 4 + ((17 if mono else 32) if old else (9 if mono else 17)) + (0 if head[1] & 1 else 2)


def _without_tags(raw: BinaryIO, first: int, size: int) -> int:
    """Where the frames end if the tags at the end of the file are sound."""
    end = size
    for _ in range(3):
        raw.seek(max(first, end - 128))
        last = raw.read(end - raw.tell())
        if last[-128:-125] == b"TAG":
            end -= 128
        elif last[-32:-24] == b"APETAGEX":
            length, _, flags = struct.unpack_from("<3I", last, len(last) - 20)
            end -= length + (32 if flags >> 31 else 0)
    return max(first, end)


def _walk(raw: BinaryIO, start: int, path: str) -> tuple[int, int]:
    """Count frames from the one at ``start`` to the end of the file; return how many, and where the last ends."""
    raw.seek(start)
    data = raw.read()
    frames, place, end, limit = 0, 0, 0, len(data) - 3
    kind = (data[1] | 1, data[2] & 0x0C, data[3] >= 0xC0) if limit > 0 else ()  # as _alike, but quick
    while 0 <= place < limit:
        sync, first, second, third = data[place : place + 4]
        length = SIZES[first << 8 | second] if sync == 0xFF else 0
        if length and place + length <= len(data) and (first | 1, second & 0x0C, third >= 0xC0) == kind:
            frames, place = frames + 1, place + length
            end = place
        elif length and place + length < limit and _alike(data, place, place + length):
            raise AudiolmError(
                f"{path} holds sound of several rates or numbers of channels, one behind the other (MPEG frame {frames}"
                " is the last of the first); cut it there, or write all of it at one rate with another program"
            )
        elif data[place : place + 3] == b"ID3" and place + 10 <= len(data):
            place += _tag_bytes(data[place : place + 10])
        else:
            place = data.find(b"\xff", place + 1)
    return frames, start + end


def _made(head: bytes, frames: int) -> bytes:
    """A frame without sound, of the kind of the frame ``head``, that says how many follow."""
    made = bytearray((0xFF, head[1] | 1, INDEX << 4 | head[2] & 0x0C, head[3]))
    made += bytes(SIZES[made[1] << 8 | made[2]] - 4)
    struct.pack_into(">4s2I", made, _xing(made), b"Xing", 1, frames)
    return bytes(made)
