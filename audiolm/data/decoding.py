"""What decodes a file: opened, its length made sure of, and read in order.

libsndfile (through soundfile) decodes. It tells a length before it has decoded anything, from what a header counts or
by a guess, and gives no sample beyond; here that length is held against the file. Where the two differ, the file is
shown to libsndfile behind a header that is right (audiolm.data.mp3, riff and caf), link by link where it is a chain of
streams (audiolm.data.ogg), or is refused.
"""

import io
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate, pairwise
from typing import BinaryIO

import numpy as np
import soundfile

from audiolm.data import caf, mp3, ogg, riff
from audiolm.data.readers import is_pipe
from audiolm.errors import AudiolmError

PIPE_SECONDS = 600  # longer than any decoder needs for one recording; a pipe that waits for input must not hang a job
MOST_FRAMES = 1 << 40  # libsndfile's count is far above this where a header gives none
LOUDEST = 4.0  # 12 dB above full scale: decoders and float mixes pass 1, samples on another scale pass this
SKIP_FRAMES = 1 << 20  # read at once on the way to a place in a file that cannot seek
AHEAD = 1 << 16  # bytes that decoders read ahead, at most
SECOND_STREAM = {"FLAC": re.compile(rb"fLaC[\0\x80]\0\0\x22"), "OGG": re.compile(rb"OggS\0[\2\6]")}  # how one begins
# A size of sample data (the outermost chunk, RIFF or FORM, may be wrong in sound files) and what libsndfile found.
TOO_SHORT = re.compile(r"(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)")
# Containers that hold samples alone behind a header of at most AHEAD bytes, and the bytes of a sample.
PLAIN = {"AU", "NIST", "W64"}
WIDTH = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


class Decoder:
    """An open file: ``samplerate`` in Hz, ``frames`` (samples per channel), ``channels``, and windows of it."""

    def __init__(self, path: str, raw: BinaryIO, source: str | int | BinaryIO, size: int):
        self.path, self._raw, self._source, self._size = path, raw, source, size
        if mended := caf.mended(raw, size, path):  # libsndfile opens none of them
            self._source = io.BufferedReader(_Spliced(raw, *mended))
        self._file = _InOrder(self._source, closefd=False)
        try:
            if mended := self._mended():
                self._file.close()
                self._source = io.BufferedReader(_Spliced(raw, *mended))
                self._file = _InOrder(self._source)
        except BaseException:
            self._file.close()
            raise
        self.samplerate, self.frames, self.channels = self._file.samplerate, self._file.frames, self._file.channels
        self._place = 0

    def close(self) -> None:
        self._file.close()

    def window(self, first: int, last: int) -> np.ndarray:
        """Samples ``first`` to ``last``, float32 [last − first, channels] in −1…1; what passes ±1 is clipped.

        Windows that follow each other are decoded without a seek, which in MP3s would be heard.

        Raises:
            AudiolmError: truncated, damaged, NaN or infinite samples, samples on another scale, and at the end of the
                file more sound than its header counts.
        """
        try:
            self._go(first)
            wav = self._file.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            why = error.error_string.strip() or "it cannot be decoded"
            raise AudiolmError(f"{self.path} is truncated or damaged after sample {first}: {why}") from None
        self._place = first + len(wav)
        if len(wav) < last - first:
            raise AudiolmError(
                f"{self.path} is truncated or damaged: samples {first} to {last} expected, {len(wav)} of"
                f" {last - first} readable"
            )
        if last == self.frames and self._file.format in SECOND_STREAM:
            self._check_end()
        return self._in_range(wav)

    def _go(self, first: int) -> None:
        if first == self._place:
            return
        if self._file.can_seek:
            self._file.seek(first)
            return
        if first < self._place:  # GSM 6.10, G.721 and others can only be read from the start
            self._file.close()
            if not isinstance(self._source, str):
                self._source.seek(0)
            self._file, self._place = _InOrder(self._source), 0
        while self._place < first:
            count = len(self._file.read(min(SKIP_FRAMES, first - self._place), dtype="float32"))
            if count == 0:
                raise AudiolmError(f"{self.path} is truncated or damaged after sample {self._place}")
            self._place += count

    def _in_range(self, wav: np.ndarray) -> np.ndarray:
        if wav.size == 0:
            return wav
        peak = max(float(wav.max()), -float(wav.min()))
        if not np.isfinite(peak):
            raise AudiolmError(f"{self.path} has NaN or infinite samples")
        if peak > LOUDEST:
            raise AudiolmError(
                f"{self.path} has samples up to {peak:.6g}, expected −1…1; if they are on another scale, divide them by"
                " its full scale (32768 where they were 16-bit integers), and write the file again"
            )
        return np.clip(wav, -1.0, 1.0, out=wav) if peak > 1.0 else wav

    def _mended(self) -> tuple[bytes, int, int] | None:
        """A true header and the part of the file that follows it, where libsndfile's length is not the file's."""
        if self._file.format in ("WAV", "WAVEX", "RF64", "AIFF"):
            return riff.mended(self._raw, self._size, self.path)
        if self._file.subtype == "MPEG_LAYER_III":
            return mp3.mended(self._raw, self._size, self.path)
        return None

    def check_length(self) -> None:
        """libsndfile silently shortens most truncated formats, and believes headers that count too little."""
        kind, path = self._file.format, self.path
        for promised, present in TOO_SHORT.findall(self._file.extra_info):
            # 0 and values near 2^31 and 2^32 are what writers to a pipe leave there: the length is the file's.
            if int(present) < int(promised) < riff.PIPE_LENGTH:
                raise AudiolmError(f"{path} is truncated: its header promises {promised} bytes, {present} are there")
        if kind == "OGG":
            ogg.check_end(self._raw, self._size, path)
        if kind == "NIST":
            count = re.search(rb"sample_count -i (\d+)", _part(self._raw, 0, 1024))
            if count and self.frames < int(count[1]):
                raise AudiolmError(
                    f"{path} is truncated: its header promises {int(count[1])} samples, {self.frames} are there"
                )
        if kind in PLAIN and self._file.subtype in WIDTH:
            rest = self._size - self.frames * self.channels * WIDTH[self._file.subtype]
            if rest > AHEAD:
                raise AudiolmError(
                    f"{path} holds more than its header counts: {self.frames} samples a channel, and {rest} further"
                    " bytes (was the recorder cut off?); write it again with a right header"
                )
        if self.frames == 0:
            raise AudiolmError(f"{path} has no samples")
        if self.frames > MOST_FRAMES:
            raise AudiolmError(
                f"the header of {path} gives no length (written to a pipe?); encode it again from a file"
            )

    def _check_end(self) -> None:
        """After the last sample, decoders of FLAC and Ogg have read to the end of a sound file."""
        place = os.lseek(self._source, 0, os.SEEK_CUR) if isinstance(self._source, int) else self._source.tell()
        if place == self._size:
            return
        rest = _part(self._raw, max(4, place - AHEAD), 2 * AHEAD)
        if SECOND_STREAM[self._file.format].search(rest):
            raise AudiolmError(self._another())
        left = self._size - place
        if left > AHEAD and not any(tag in rest for tag in (b"APETAGEX", b"ID3")):
            raise AudiolmError(
                f"{self.path} holds more than its header counts: {left} bytes follow behind its last sample; write it"
                " again with a right header"
            )

    def _another(self) -> str:
        return (
            f"{self.path} holds several streams, one behind the other (put together with cat, or recorded from a"
            " radio), of which libsndfile reads the first; cut them apart, or write them as one file with a program"
            " that reads all (ffmpeg)"
        )


class Chain:
    """Streams one behind the other in a file, as one :class:`Decoder`."""

    def __init__(self, path: str, raw: BinaryIO, bounds: Sequence[int]):
        self._links = []
        try:
            for first, last in pairwise(bounds):
                link, source = (_Spliced(raw, b"", first, last) for _ in range(2))  # each with a place of its own
                self._links.append(Decoder(path, link, io.BufferedReader(source), last - first))
        except BaseException:
            self.close()
            raise
        kinds = {(link.samplerate, link.channels) for link in self._links}
        if len(kinds) > 1:
            self.close()
            told = " and ".join(f"{rate} Hz with {channels} channels" for rate, channels in sorted(kinds))
            raise AudiolmError(
                f"{path} holds {len(self._links)} streams one behind the other, of {told}; cut them apart"
            )
        self.samplerate, self.channels = self._links[0].samplerate, self._links[0].channels
        self._bounds = [0, *accumulate(link.frames for link in self._links)]
        self.frames = self._bounds[-1]

    def close(self) -> None:
        for link in self._links:
            link.close()

    def check_length(self) -> None:
        for link in self._links:
            link.check_length()

    def window(self, first: int, last: int) -> np.ndarray:
        """Samples ``first`` to ``last``, as of a :class:`Decoder`."""
        wavs = [np.zeros((0, self.channels), np.float32)]
        for link, (begin, end) in zip(self._links, pairwise(self._bounds), strict=True):
            if first < end and begin < last:
                wavs.append(link.window(max(first, begin) - begin, min(last, end) - begin))
        return np.concatenate(wavs)


@contextmanager
def opened(path: str, allow_pipes: bool = False) -> Iterator[Decoder | Chain]:
    """The decoder of a file or pipe whose header is sound.

    Raises:
        AudiolmError: missing, empty, not audio, truncated (where the container tells), no samples, a header that
            counts too little and cannot be mended, a pipe that is not allowed or fails.
    """
    with ExitStack() as stack:
        if is_pipe(path):
            output = _pipe_output(path, allow_pipes)
            raw, source, size = io.BytesIO(output), io.BytesIO(output), len(output)
        else:
            size = _size(path)
            raw, source = stack.enter_context(_file(path)), path
            if raw.read(4) in (b"fLaC", b"OggS"):  # others may need the name's suffix
                source = os.open(path, os.O_RDONLY)
                stack.callback(os.close, source)
        try:
            bounds = ogg.links(raw, size, path) if _part(raw, 0, 4) == b"OggS" else ()
            file = Chain(path, raw, bounds) if len(bounds) > 2 else Decoder(path, raw, source, size)
        except soundfile.LibsndfileError as error:
            raise AudiolmError(_undecodable(path, raw, error.error_string.strip())) from None
        stack.callback(file.close)
        file.check_length()
        yield file


class _InOrder(soundfile.SoundFile):
    """soundfile asks where it is, and goes there, after every read; here it does not."""

    def seekable(self) -> bool:
        return False

    @property
    def can_seek(self) -> bool:
        return super().seekable()


class _Spliced(io.RawIOBase):
    """Some bytes, then those of a file from ``first`` to ``last``."""

    def __init__(self, raw: BinaryIO, head: bytes, first: int, last: int):
        self._raw, self._head, self._first = raw, head, first
        self._size, self._place = len(head) + last - first, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), max(0, self._size - self._place))
        if self._place < len(self._head):
            part = self._head[self._place : self._place + count]
        else:
            part = _part(self._raw, self._first + self._place - len(self._head), count)
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


def _part(raw: BinaryIO, place: int, count: int) -> bytes:
    raw.seek(place)
    return raw.read(count)


def _file(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise AudiolmError(f"cannot read audio {path}: {error.strerror}") from None


def _size(path: str) -> int:
    """Bytes of a regular file that is not empty."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise AudiolmError(f"cannot read audio {path}: {error.strerror}{_where(path)}") from None
    except OSError as error:
        raise AudiolmError(f"cannot read audio {path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise AudiolmError(f"{path} is not a regular file, expected audio")
    if status.st_size == 0:
        raise AudiolmError(f"{path} is empty (0 bytes), expected audio")
    return status.st_size


def _where(path: str) -> str:
    """Where a file that is not there was looked for."""
    if os.path.isabs(path):
        return ""
    return f" in {os.getcwd()} (nor beside a wav.scp that names it); write absolute paths into wav.scp"


def _undecodable(path: str, raw: BinaryIO, why: str) -> str:
    """What is wrong with a file that libsndfile does not open."""
    head = _part(raw, 0, 1024)
    if head.startswith(b"NIST_1A") and b"embedded-shorten" in head:
        return (
            f"{path} is SPHERE with shorten compression, which libsndfile does not decode; convert it with"
            f" 'sph2pipe -p {path} decoded.sph' (LDC's sph2pipe) or 'w_decode -o pcm' (NIST's SPHERE tools)"
        )
    start = " ".join(head[:40].decode("latin-1").split())
    if start.isascii() and start.isprintable() and not start.startswith("NIST_1A"):
        why = f"it is text that begins with '{start}'; get it again"  # a web page; Git LFS's note of a file
    elif "does not exist" in why:  # what libsndfile says where a decoder finds nothing to decode
        why = "there is no sound in it; get it again"
    return f"{path} is not audio that libsndfile reads: {why}"


def _pipe_output(command: str, allow_pipes: bool) -> bytes:
    if not allow_pipes:
        raise AudiolmError(f"'{command}' is a pipe, which runs a shell; expected an audio file (or --allow_pipes)")
    try:
        done = subprocess.run(
            command.strip("| "), shell=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=PIPE_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise AudiolmError(f"pipe '{command}' was not done after {PIPE_SECONDS} s") from None
    if done.returncode or not done.stdout:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise AudiolmError(f"pipe '{command}' failed (status {done.returncode}): {''.join(last) or 'no output'}")
    return done.stdout
