"""Files that appear whole or not at all: written under a temporary name in the same folder, then renamed."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from audiolm.errors import AudiolmError

# Errors that say that there is no room or no right to write, or a file where a folder should be.
UNWRITABLE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
}


class CannotWrite(AudiolmError):
    """The disk is full or the place may not be written to: no fault of the input, so work must stop."""


def temporary(path: Path) -> Path:
    """The hidden name in the same folder under which ``path`` is written; a rerun after a kill overwrites it."""
    return path.with_name(f".{path.name}.tmp")


def name_of(id: str) -> str:
    """An id as the name of a file; no two ids have the same.

    >>> name_of("day 1/talk"), name_of("100%2F")
    ('day 1%2Ftalk', '100%252F')
    """
    return id.replace("%", "%25").replace("/", "%2F")


@contextmanager
def atomic(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open ``path`` for writing (``"w"``: UTF-8 text with ``\\n`` line ends, ``"wb"``: bytes).

    The file takes its name when the block ends; if the block raises, an earlier file of that name stays as it was.
    Missing parent folders are made. A path has one writer at a time.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written to.
        AudiolmError: text is not Unicode (such as a file name in another encoding).
    """
    path = Path(path)
    hidden = temporary(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(hidden, mode, **text) as file:
            yield file
        os.replace(hidden, path)
    except BaseException as error:
        with suppress(OSError):
            hidden.unlink()
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise CannotWrite(f"cannot write {path}: {error.strerror}") from None
        if isinstance(error, UnicodeEncodeError):
            raise AudiolmError(f"cannot write {path}: {error.object[:80]!a} is not Unicode text") from None
        raise


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends: ``\\n`` or ``\\r\\n``, and ``\\r`` where a text has no ``\\n`` at all.

    ``str.splitlines`` would cut at form feeds, U+0085, U+2028 and others too, which are inside of lines.

    >>> lines_of("a\\x0bb\\u2028c\\r\\nd\\n"), lines_of("a\\rb")
    (['a\\x0bb\\u2028c', 'd'], ['a', 'b'])
    """
    end = "\n" if "\n" in text else "\r"
    lines = text.split(end)
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def write_lines(path: str | os.PathLike, lines: Iterable[str]) -> None:
    """Write ``lines`` (without line ends) to ``path`` atomically."""
    with atomic(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def step_folders(folder: Path) -> list[int]:
    """The numbers of the folders ``step_<n>`` of a folder, ascending; ``step_9.bak`` and ``step_1_0`` are none."""
    names = (re.fullmatch("step_(0|[1-9][0-9]*)", path.name) for path in folder.glob("step_*"))
    return sorted(int(name[1]) for name in names if name)


def remove_others(folder: Path, kept: set[str]) -> None:
    """Remove the files of ``folder`` whose names are not in ``kept``: those of an earlier run."""
    for entry in os.scandir(folder):
        if entry.name not in kept:
            os.unlink(entry)
