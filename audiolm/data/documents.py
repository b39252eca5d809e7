"""Texts as documents: Kaldi ``text`` files and plain UTF-8 files, one after another, however long; and their counts.

A document is a line of a Kaldi ``text`` (without its id), a line of a ``.txt`` or ``.txt.gz`` file (``.TXT`` too), or,
with ``layout: paragraphs``, what stands between two blank lines of one. Lines end at ``\\n`` or ``\\r\\n``, and
at ``\\r`` in a file without any ``\\n``.
"""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from audiolm.data.files import lines_of, write_lines
from audiolm.data.tables import read_table
from audiolm.errors import AudiolmError

Layout = Literal["lines", "paragraphs"]
PLAIN = (".txt", ".txt.gz")


@dataclass(frozen=True)
class Counts:
    """What one job of ``audiolm tokens`` has read and written.

    Attributes:
        inputs: documents of the whole set.
        documents, tokens, words, bytes: written by this job; a document's end is one of its tokens and bytes.
    """

    inputs: int = 0
    documents: int = 0
    tokens: int = 0
    words: int = 0
    bytes: int = 0

    def write(self, path: str | os.PathLike) -> None:
        """Write JSON, atomically."""
        write_lines(path, [json.dumps(asdict(self))])

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Counts":
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def __add__(self, other: "Counts") -> "Counts":
        sums = {name: value + getattr(other, name) for name, value in asdict(self).items() if name != "inputs"}
        return Counts(max(self.inputs, other.inputs), **sums)


def document_files(directory: str | os.PathLike) -> list[Path]:
    """The files of a set's directory that hold its documents: ``text``, then ``*.txt`` and ``*.txt.gz`` by name.

    Raises:
        AudiolmError: there are none.
    """
    directory = Path(directory)
    files = [path for path in (directory / "text",) if path.is_file()]
    files += sorted(path for path in directory.glob("*") if path.name.lower().endswith(PLAIN))
    if not files:
        raise AudiolmError(f"{directory} holds no text: expected Kaldi's 'text', or UTF-8 files *.txt or *.txt.gz")
    return files


def read_documents(path: str | os.PathLike, layout: Layout = "lines") -> Iterator[tuple[str, str]]:
    """Yield (id, text) of each document; those of plain files are called ``<file>:<line of their beginning>``.

    Args:
        layout: of plain files. Blank lines are no documents.

    Raises:
        AudiolmError: the file cannot be read, or is not UTF-8; the message names file and line.
    """
    path = Path(path)
    if not path.name.lower().endswith(PLAIN):
        for _, id, text in read_table(path, "<utterance> <text>", may_be_empty=True):
            yield id, text
        return
    lines = _lines(path)
    if layout == "lines":
        yield from ((f"{path.name}:{number}", line) for number, line in lines if line)
        return
    begin, parts = 0, []
    for number, line in lines:
        if line and not parts:
            begin = number
        if line:
            parts.append(line)
        elif parts:
            yield f"{path.name}:{begin}", "\n".join(parts)
            parts = []
    if parts:
        yield f"{path.name}:{begin}", "\n".join(parts)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise AudiolmError(
                        f"{path}:{number}: not UTF-8 (byte 0x{error.object[error.start]:02x}); convert it with iconv"
                    ) from None
                if number == 1 and not text.endswith("\n") and "\r" in text:
                    yield from ((count, part.strip()) for count, part in enumerate(lines_of(text), 1))
                else:
                    yield number, text.strip().replace("\r", " ")
    except (OSError, EOFError) as error:
        raise AudiolmError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
