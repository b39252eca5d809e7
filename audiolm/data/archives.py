"""Archives of matrices by frames: Kaldi ``ark,scp`` pairs of ``.npy`` entries, one pair a job, and ``meta.json``.

An entry is ``<key> NPY<n><length in n bytes><.npy file>``, as kaldiio writes with ``write_function="numpy"``; kaldiio
reads what is written here. The reader maps the archive and touches only the frames asked for. It takes nothing but
plain ``.npy`` matrices: no pickles, no pipes. What the numbers are, tokens or features, is said by the classes on top:
:mod:`audiolm.data.tokens`, :mod:`audiolm.data.features`.
"""

import fcntl
import io
import json
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from audiolm.data.files import temporary, write_lines
from audiolm.data.tables import rows, split
from audiolm.errors import AudiolmError

# What numpy writes for plain arrays of numbers (format 1.0, 2.0): nothing else is evaluated.
NPY_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>[<>|](?:[iu][1248]|f[248]))', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>\d+(?:, \d+)*),?\), \} *\n?"
)


HEAD_BYTES = 512  # of an entry, more than its header takes


class Meta(Protocol):
    """What the matrices of an archive are, as its ``meta.json`` says it."""

    frame_rate: float
    source: str

    def fields(self) -> dict[str, Any]:
        """The entries of ``meta.json``, ``kind`` left out."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers as they are stored."""


def meta_text(kind: str, meta: Meta) -> str:
    """The text of a ``meta.json``."""
    return json.dumps({"kind": kind, **meta.fields()}, indent=2)


def read_fields(directory: str | os.PathLike, kind: str) -> dict[str, Any]:
    """The entries of an archive's ``meta.json``, ``kind`` left out.

    Raises:
        AudiolmError: missing, malformed, or of another kind.
    """
    path = Path(directory) / "meta.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        found = fields.pop("kind")
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}; run the stage that writes '{kind}'") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AudiolmError(f"{path} is not the description of an archive: {error}") from None
    if found != kind:
        raise AudiolmError(f"{path} describes '{found}', expected '{kind}'")
    return fields


def read_meta(directory: str | os.PathLike, kind: str, meta_class: type, what: str) -> Any:
    """The ``meta.json`` of an archive as ``meta_class``; ``what`` it holds, for messages.

    Raises:
        AudiolmError: see :func:`read_fields`; entries that ``meta_class`` does not take.
    """
    fields = read_fields(directory, kind)
    try:
        return meta_class(**fields)
    except (ValueError, TypeError) as error:
        path = Path(directory) / "meta.json"
        raise AudiolmError(f"{path} is not the description of an archive of {what}: {error}") from None


class ArchiveWriter:
    """Writes part ``job`` of an archive: ``<kind>.<job>.ark`` and ``.scp``. Use it as a context manager.

    The part takes its names when the block ends. If writing fails (a full disk), the complete entries so far take them
    and the error is raised; if the block raises otherwise, an earlier part of these names stays as it was. A
    ``meta.json`` of another source is replaced, and the parts made with it are removed.

    A class on top says what may be written (``_checked``).

    Raises:
        AudiolmError: the disk is full, or (``write``) a key repeats, or the array is not as ``meta`` says.
    """

    def __init__(self, directory: str | os.PathLike, kind: str, job: int, meta: Meta):
        self.directory, self.kind, self.meta = Path(directory), kind, meta
        self.ark, self.scp = (self.directory / f"{kind}.{job}.{suffix}" for suffix in ("ark", "scp"))
        self._keys: set[str] = set()
        self._ends = (0, 0)  # sizes of ark and scp up to the last complete entry
        self.directory.mkdir(parents=True, exist_ok=True)
        with _locked(self.directory):
            self._claim()
        self._files = tuple(open(temporary(path), "wb", buffering=0) for path in (self.ark, self.scp))

    def _claim(self) -> None:
        if self._described():
            return
        for part in _parts(self.directory, self.kind):
            part.unlink()
            part.with_suffix(".ark").unlink(missing_ok=True)
        write_lines(self.directory / "meta.json", [meta_text(self.kind, self.meta)])

    def _described(self) -> bool:
        """Whether ``meta.json`` is of what is written here."""
        path = self.directory / "meta.json"
        return path.exists() and path.read_text(encoding="utf-8") == f"{meta_text(self.kind, self.meta)}\n"

    def write(self, key: str, array: np.ndarray) -> None:
        """Append the matrix [frames, columns] of a key."""
        array = np.asarray(array)
        if split(key) != [key] or key in self._keys:
            raise AudiolmError(
                f"{self.ark}: key '{key}' {'repeats' if key in self._keys else 'has blanks or is empty'}"
            )
        array = self._checked(key, array)
        npy = io.BytesIO()
        np.lib.format.write_array(npy, np.ascontiguousarray(array.astype(self.meta.dtype)), version=(1, 0))
        body, head = npy.getvalue(), f"{key} ".encode()
        size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "little")
        offset = self._ends[0] + len(head)
        try:
            for file, data in zip(
                self._files,
                (b"".join((head, b"NPY", bytes([len(size)]), size, body)), f"{key} {self.ark}:{offset}\n".encode()),
                strict=True,
            ):
                _write_all(file, data)
        except OSError as error:
            self._publish()
            raise AudiolmError(
                f"cannot write '{key}' to {self.ark}: {error.strerror}; {len(self._keys)} entries before it are kept"
            ) from None
        self._keys.add(key)
        self._ends = tuple(file.tell() for file in self._files)

    def _checked(self, key: str, array: np.ndarray) -> np.ndarray:
        """The array, if it may be written.

        Raises:
            AudiolmError: it may not.
        """
        raise NotImplementedError

    def _publish(self) -> None:
        for file, end in zip(self._files, self._ends, strict=True):
            file.truncate(end)
            file.close()
        with _locked(self.directory):
            if not self._described():
                raise AudiolmError(f"{self.directory}/meta.json was changed while {self.ark} was written; run it again")
            (self.directory / f"{self.kind}.scp").unlink(missing_ok=True)  # the joined list, of the parts before
            self.scp.unlink(missing_ok=True)
            os.replace(temporary(self.ark), self.ark)
            os.replace(temporary(self.scp), self.scp)

    def close(self) -> None:
        """Give the part its names (once)."""
        if not self._files[0].closed:
            self._publish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()
        elif not self._files[0].closed:
            for file, path in zip(self._files, (self.ark, self.scp), strict=True):
                file.close()
                temporary(path).unlink()


class ArchiveReader:
    """Reads an archive, all its parts.

    Args:
        directory, kind: as given to the writer.
        meta: of it.
        source: checksum of what will be used with the entries; None accepts any.

    Class attributes:
        number_kinds: types of numbers that are read, as numpy's ``dtype.kind``.
        numbers, holds: what these and the entries are called in messages.

    Raises:
        AudiolmError: no such archive, made by another ``source``, a key in two parts; (reading) an unknown key, an
            entry that is not an ``.npy`` matrix of these types or is cut off, a window outside.
    """

    number_kinds: ClassVar[str]
    numbers: ClassVar[str]
    holds: ClassVar[str]

    def __init__(self, directory: str | os.PathLike, kind: str, meta: Meta, source: str | None = None):
        self.directory, self.kind, self.meta = Path(directory), kind, meta
        if source is not None and source != self.meta.source:
            raise AudiolmError(
                f"{self.directory}: '{kind}' {self.holds} were made by {self.meta.source}, the model in use is "
                f"{source}; run the stage that writes '{kind}' again"
            )
        self._places: dict[str, tuple[str, int]] = {}
        parts = _parts(self.directory, kind)
        if not parts:
            raise AudiolmError(f"no {kind}.<job>.scp in {self.directory}; run the stage that writes '{kind}'")
        for part in parts:
            ark, beside = str(part.with_suffix(".ark")), part.with_suffix(".ark").name
            for number, (key, place) in rows(part, 2, 2, "<key> <ark>:<offset>"):  # in the order of writing
                file, _, offset = place.rpartition(":")
                if not offset.isdigit():
                    raise AudiolmError(f"{part}:{number}: found '{place}', expected '<ark>:<offset>'")
                if key in self._places:
                    raise AudiolmError(
                        f"'{key}' is in {self._places[key][0]} and in {ark}: parts of runs with different --num_jobs;"
                        " run audiolm merge"
                    )
                # The archive beside its scp is taken first, so that a directory can be moved.
                self._places[key] = (ark if os.path.basename(file) == beside else file, int(offset))
        self._maps: dict[str, mmap.mmap] = {}

    def keys(self) -> list[str]:
        """Keys (recording ids), sorted."""
        return sorted(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def num_frames(self, key: str) -> int:
        """Frames of an entry, from its header."""
        return self._entry(key)[0]

    def read(self, key: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Frames ``start`` to ``end`` (exclusive; None: all from there) of an entry, [frames, columns], as stored."""
        frames, columns, dtype, ark, offset = self._entry(key)
        end = frames if end is None else end
        if not 0 <= start <= end <= frames:
            raise AudiolmError(f"{self.directory}: '{key}' has {frames} frames, frames {start} to {end} were asked for")
        step = columns * dtype.itemsize
        data = self._map(ark)[offset + start * step : offset + end * step]
        return np.frombuffer(bytearray(data), dtype).reshape(-1, columns)

    def _map(self, ark: str) -> mmap.mmap:
        if ark not in self._maps:
            try:
                with open(ark, "rb") as file:
                    self._maps[ark] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise AudiolmError(f"cannot read archive {ark}: {error}") from None
        return self._maps[ark]

    def _entry(self, key: str) -> tuple[int, int, np.dtype, str, int]:
        """Frames, columns, dtype, archive and the offset of an entry's first number."""
        if key not in self._places:
            raise AudiolmError(f"no '{key}' among the {len(self)} entries of '{self.kind}' in {self.directory}")
        ark, offset = self._places[key]
        data, name = self._map(ark), f"{key} ".encode()
        where = f"{ark}: entry '{key}' at byte {offset}"
        if data[max(0, offset - len(name)) : offset] != name:
            raise AudiolmError(f"{where} is not there: archive and scp are of different runs; write them again")
        head = data[offset : offset + HEAD_BYTES]  # only slices of it below: a cut archive may end anywhere
        if head[:3] != b"NPY":
            raise AudiolmError(f"{where} is not an .npy matrix, the only kind that is read")
        npy = 4 + sum(head[3:4])  # after the count of bytes that say the length, and those
        size = int.from_bytes(head[4:npy], "little")
        version = sum(head[npy + 6 : npy + 7])
        if head[npy : npy + 6] != b"\x93NUMPY" or version not in (1, 2):
            raise AudiolmError(f"{where} has no .npy header of format 1.0 or 2.0")
        text = npy + (10 if version == 1 else 12)
        numbers = text + int.from_bytes(head[npy + 8 : text], "little")
        header = NPY_HEADER.fullmatch(head, text, numbers)
        dtype = None if header is None else np.dtype(header["dtype"].decode())
        is_matrix = header is not None and header["fortran"] == b"False" and header["shape"].count(b",") == 1
        if not is_matrix or dtype.kind not in self.number_kinds:
            found = head[text:numbers].decode(errors="replace").strip()
            raise AudiolmError(f"{where} holds {found}, expected a row-major matrix of {self.numbers}")
        frames, columns = map(int, header["shape"].split(b","))
        end = numbers + frames * columns * dtype.itemsize
        if end > npy + size or offset + end > len(data):
            raise AudiolmError(f"{where} is cut off: {frames} x {columns} {dtype} numbers do not fit")
        return frames, columns, dtype, ark, offset + numbers

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_maps": {}}  # worker processes map the files themselves


def remove_parts(directory: Path, kind: str, above: int) -> None:
    """Remove the parts of jobs above a number, of an earlier and wider array."""
    for part in _parts(directory, kind):
        if int(part.name.split(".")[-2]) > above:
            part.unlink()
            part.with_suffix(".ark").unlink(missing_ok=True)


def write_joined(reader: ArchiveReader) -> int:
    """Write the joined ``<kind>.scp`` of an archive; return the entry count."""
    places = sorted(reader._places.items())
    write_lines(reader.directory / f"{reader.kind}.scp", (f"{key} {ark}:{offset}" for key, (ark, offset) in places))
    return len(reader)


def _parts(directory: Path, kind: str) -> Iterator[Path]:
    """The ``scp`` of every part, by job."""
    parts = [path for path in directory.glob(f"{kind}.*.scp") if path.name.split(".")[-2].isdigit()]
    return sorted(parts, key=lambda path: int(path.name.split(".")[-2]))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Jobs of one array agree on ``meta.json`` one after another."""
    with open(directory / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
