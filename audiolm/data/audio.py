"""Audio files: windows of them as float32, resampled; their headers; and writing them whole.

libsndfile decodes (audiolm.data.decoding), soxr resamples. Every fault of a file is one AudiolmError that names it.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from audiolm.data.decoding import Decoder, opened
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError

if TYPE_CHECKING:
    from torch import Tensor

CONTEXT_SECONDS = 0.1  # audio read on both sides of a window before resampling: far beyond soxr's filter
BLOCK_SECONDS = 60  # what ``convert`` holds in memory of a recording
QUALITY = "HQ"  # soxr's 20-bit quality: pass band to 0.91 of the lower Nyquist frequency, linear phase
SLACK_SECONDS = 0.01  # times in tables are rounded; a window may overshoot the end by this much and is cut there
FORMATS = {".flac": ("FLAC", "PCM_16"), ".wav": ("WAV", "PCM_16")}


@dataclass(frozen=True, slots=True)
class Info:
    """A file's header: Hz, samples per channel, channels."""

    fs: int
    frames: int
    channels: int

    @property
    def duration(self) -> float:
        return self.frames / self.fs


def info(path: str | os.PathLike, allow_pipes: bool = False) -> Info:
    """The header of an audio file (of a pipe: its output is read).

    Raises:
        AudiolmError: missing, empty, not audio, truncated WAV, no samples.
    """
    with opened(os.fspath(path), allow_pipes) as file:
        return Info(file.samplerate, file.frames, file.channels)


def read(
    path: str | os.PathLike,
    start: float = 0.0,
    duration: float | None = None,
    fs: int | None = None,
    channel: int | str | None = None,
    expect_fs: int | None = None,
    allow_pipes: bool = False,
) -> np.ndarray:
    """Samples of a file: float32 [samples] in −1…1.

    Args:
        start, duration: the window in seconds; None reads to the end.
        fs: resample to this rate. A window is cut from the resampled whole, so neighbouring windows fit together.
        channel: of a file with several channels, the 0-based one to take, or ``"mix"`` for their mean; files of one
            channel need neither.
        expect_fs: the rate that the file itself must have.

    Raises:
        AudiolmError: missing, empty, truncated, not audio, no samples, NaN or infinite samples, several channels and
            none picked, another rate than ``expect_fs``, a window outside, a pipe that is not allowed or fails.
    """
    path = os.fspath(path)
    wav, rate = read_channels(path, start, duration, fs, expect_fs, allow_pipes)
    if channel == "mix":
        return wav.mean(axis=1)
    return np.ascontiguousarray(wav[:, pick_channel(path, wav.shape[1], channel)])


def tensor(path: str | os.PathLike, fs: int, channel: int | str | None = None) -> "Tensor":
    """A file as models here take it: float32 [1, 1, samples] in −1…1, resampled to ``fs`` Hz.

    ``codec.encode(audio.tensor("a.flac", codec.sample_rate))`` are the codes of a file.

    Args:
        channel: see ``read``.

    Raises:
        AudiolmError: see ``read``.
    """
    import torch

    return torch.from_numpy(read(path, fs=fs, channel=channel))[None, None]


def pick_channel(path: str, channels: int, channel: int | None) -> int:
    """The channel to take of a file with ``channels`` of them: the only one, else ``channel`` (0-based).

    Raises:
        AudiolmError: several channels and none is named, or not so many.
    """
    if channels == 1:
        return 0
    if channel is None:
        raise AudiolmError(
            f"{path} has {channels} channels, expected one, or a line in reco2file_and_channel that picks one"
        )
    if channel >= channels:
        raise AudiolmError(
            f"{path} has {channels} channels, channel {channel + 1} was asked for; mend reco2file_and_channel"
        )
    return channel


def read_channels(
    path: str,
    start: float = 0.0,
    duration: float | None = None,
    fs: int | None = None,
    expect_fs: int | None = None,
    allow_pipes: bool = False,
) -> tuple[np.ndarray, int]:
    """All channels of a window of a file, float32 [samples, channels], and their rate; see ``read``."""
    with opened(path, allow_pipes) as file:
        rate = file.samplerate
        _check_rate(path, rate, expect_fs)
        first = round(start * rate)
        last = file.frames if duration is None else round((start + duration) * rate)
        if not 0 <= first < last or last - file.frames > SLACK_SECONDS * rate:
            raise AudiolmError(_outside(path, start, duration, file.frames / rate))
        if fs is None or fs == rate:
            return file.window(first, min(last, file.frames)), rate
        return _resampled(file, path, start, duration, rate, fs), fs


def write(path: str | os.PathLike, wav: np.ndarray, fs: int) -> None:
    """Write 16-bit FLAC or WAV, by the name's suffix, atomically.

    Args:
        wav: float [samples] or [samples, channels] in −1…1; beyond that it is clipped.

    Raises:
        AudiolmError: no samples, NaN or infinite samples, another suffix.
    """
    path = Path(path)
    wav = np.asarray(wav)
    if path.suffix not in FORMATS:
        raise AudiolmError(f"cannot write {path}: suffix '{path.suffix}', expected one of {', '.join(FORMATS)}")
    if wav.ndim not in (1, 2) or wav.size == 0:
        raise AudiolmError(f"cannot write {path}: shape {wav.shape}, expected [samples] or [samples, channels]")
    if not np.isfinite(wav).all():
        raise AudiolmError(f"cannot write {path}: NaN or infinite samples")
    with encoder(path, fs, 1 if wav.ndim == 1 else wav.shape[1]) as put:
        put(wav)


def convert(
    path: str,
    outputs: dict[Path, int | str],
    fs: int,
    expect_fs: int | None = None,
    allow_pipes: bool = False,
    start: float = 0.0,
    end: float | None = None,
) -> int:
    """Write channels of a file to one-channel files at ``fs``, block by block; return the samples written to each.

    Args:
        outputs: file to write -> 0-based channel of ``path``, or ``"mix"``.
        start, end: the part to write, in seconds; None is the file's end.

    Raises:
        AudiolmError: as ``read``; no output is written then.
    """
    with opened(path, allow_pipes) as file, ExitStack() as stack:
        rate, count = file.samplerate, 0
        begin, total = round(start * rate), file.frames if end is None else min(round(end * rate), file.frames)
        _check_rate(path, rate, expect_fs)
        stream = None if rate == fs else soxr.ResampleStream(rate, fs, file.channels, dtype="float32", quality=QUALITY)
        put = {output: stack.enter_context(encoder(output, fs, 1)) for output in outputs}
        for first in range(begin, total, BLOCK_SECONDS * rate):
            last = min(total, first + BLOCK_SECONDS * rate)
            wav = file.window(first, last)
            if stream is not None:
                wav = stream.resample_chunk(wav, last=last == total)
            for output, channel in outputs.items():
                put[output](wav.mean(axis=1) if channel == "mix" else wav[:, channel])
            count += len(wav)
        if count == 0:
            raise AudiolmError(f"{path} has {total - begin} samples at {rate} Hz, too few for one at {fs} Hz")
    return count


@contextmanager
def encoder(path: Path, fs: int, channels: int) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends float samples [samples] or [samples, channels] to ``path``, which is there when the block
    ends; beyond −1…1 they are clipped."""
    kind, subtype = FORMATS[path.suffix]
    with atomic(path, "wb") as raw:
        sink = _Sink(raw)
        file = soundfile.SoundFile(sink, "w", fs, channels, subtype=subtype, format=kind)

        def put(wav: np.ndarray) -> None:
            file.write(np.clip(wav, -1.0, 1.0))
            sink.check()

        try:
            yield put
        finally:
            file.close()
        sink.check()


class _Sink:
    """A file for libsndfile's callbacks, where an exception would be lost: keeps the first error, then does nothing."""

    def __init__(self, file: IO[bytes]):
        self.file, self.error = file, None

    def _do(self, act: Callable[[], int], otherwise: int) -> int:
        try:
            return act() if self.error is None else otherwise
        except OSError as error:
            self.error = error
            return otherwise

    def write(self, data: bytes) -> int:
        return self._do(lambda: self.file.write(data), len(data))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._do(lambda: self.file.seek(offset, whence), 0)  # may write what is buffered

    def tell(self) -> int:
        return self._do(self.file.tell, 0)

    def check(self) -> None:
        if self.error is not None:
            raise self.error


def resample(wav: np.ndarray, fs_in: int, fs_out: int) -> np.ndarray:
    """float32 [samples] or [samples, channels] at another rate (soxr, high quality, linear phase)."""
    return wav if fs_in == fs_out else soxr.resample(wav, fs_in, fs_out, quality=QUALITY)


def _resampled(file: Decoder, path: str, start: float, duration: float | None, rate: int, fs: int) -> np.ndarray:
    """The window of the resampled whole, float32 [samples, channels], from a block of samples around the window."""
    divisor = math.gcd(rate, fs)
    down, up = rate // divisor, fs // divisor
    first = (
        max(0, math.floor((start - CONTEXT_SECONDS) * rate)) // down
    )  # in steps of `down` input, `up` output samples
    last = file.frames if duration is None else min(file.frames, math.ceil((start + duration + CONTEXT_SECONDS) * rate))
    wav = resample(file.window(first * down, last), rate, fs)
    begin = round(start * fs) - first * up
    return wav[begin:] if duration is None else wav[begin : begin + round((start + duration) * fs) - round(start * fs)]


def _check_rate(path: str, rate: int, expected: int | None) -> None:
    if expected is not None and rate != expected:
        raise AudiolmError(f"{path} has {rate} Hz, expected {expected} Hz")


def _outside(path: str, start: float, duration: float | None, total: float) -> str:
    end = "the end" if duration is None else f"{start + duration:.3f} s"
    return f"{path} lasts {total:.3f} s; the window from {start:.3f} s to {end} is not inside"
