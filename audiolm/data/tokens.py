"""Token archives: matrices of integers [frames, streams] in the files of :mod:`audiolm.data.archives`."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiolm.data import archives
from audiolm.data.archives import ArchiveReader, ArchiveWriter
from audiolm.data.files import write_lines
from audiolm.errors import AudiolmError
from audiolm.text.specials import SENTENCEPIECE, Specials


@dataclass(frozen=True)
class Meta:
    """What the tokens of an archive are.

    Attributes:
        frame_rate: frames a second; 0 for packed text, which has no time.
        vocab_sizes: of every stream (column), number of different tokens.
        source: checksum of the codec or tokenizer that made them.
        special_ids: of text, the ids of EPAD, BOS, EOS and PAD; None = 0, 1, 2, 3.
    """

    frame_rate: float
    vocab_sizes: tuple[int, ...]
    source: str
    special_ids: tuple[int, ...] | None = None

    def __post_init__(self):
        object.__setattr__(self, "frame_rate", float(self.frame_rate))
        object.__setattr__(self, "vocab_sizes", tuple(int(size) for size in self.vocab_sizes))
        if self.special_ids is not None:
            ids = tuple(int(id) for id in self.special_ids)
            if len(set(ids)) != 4 or not all(0 <= id < self.vocab_sizes[0] for id in ids):
                raise ValueError(f"special_ids {list(ids)}, expected four different ids below {self.vocab_sizes[0]}")
            object.__setattr__(self, "special_ids", None if ids == SENTENCEPIECE else ids)

    @property
    def specials(self) -> Specials:
        """Ids of the special tokens of text."""
        return Specials.of(self.special_ids)

    def fields(self) -> dict[str, Any]:
        """The entries of ``meta.json``, ``kind`` left out; ``special_ids`` only where they are not 0, 1, 2, 3."""
        fields = asdict(self)
        if self.special_ids is None:
            del fields["special_ids"]
        return fields

    @property
    def dtype(self) -> np.dtype:
        """int16 where every token fits, else int32."""
        return np.dtype("<i2" if max(self.vocab_sizes) <= 1 << 15 else "<i4")


def write_meta(directory: str | os.PathLike, kind: str, meta: Meta) -> None:
    """Write the ``meta.json`` of an archive."""
    write_lines(Path(directory) / "meta.json", [archives.meta_text(kind, meta)])


def read_meta(directory: str | os.PathLike, kind: str) -> Meta:
    """The ``meta.json`` of an archive of tokens.

    Raises:
        AudiolmError: missing, malformed, or of another kind.
    """
    return archives.read_meta(directory, kind, Meta, "tokens")


class TokenWriter(ArchiveWriter):
    """Writes part ``job`` of an archive of tokens.

    Raises:
        AudiolmError: see :class:`ArchiveWriter`; (``write``) the array is not [frames >= 1, streams], or a token is
            outside its vocabulary.
    """

    def __init__(self, directory: str | os.PathLike, kind: str, job: int = 1, meta: Meta | None = None):
        if meta is None:
            raise AudiolmError("TokenWriter needs meta=Meta(frame_rate, vocab_sizes, source)")
        super().__init__(directory, kind, job, meta)

    def _checked(self, key: str, array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != len(self.meta.vocab_sizes):
            raise AudiolmError(
                f"{self.ark}: '{key}' has shape {array.shape}, expected [frames >= 1, {len(self.meta.vocab_sizes)}]"
            )
        if array.dtype.kind not in "iu":
            raise AudiolmError(f"{self.ark}: '{key}' holds {array.dtype}, expected integers")
        if (array < 0).any() or (array >= np.array(self.meta.vocab_sizes)).any():
            raise AudiolmError(
                f"{self.ark}: '{key}' holds tokens from {array.min(axis=0)} to {array.max(axis=0)} by stream,"
                f" expected 0 <= token < {list(self.meta.vocab_sizes)}"
            )
        return array


class TokenReader(ArchiveReader):
    """Reads an archive of tokens, all its parts.

    Args:
        directory, kind: as given to the writer.
        source: checksum of the codec or tokenizer that will be used with the tokens; None accepts any.

    Raises:
        AudiolmError: see :class:`ArchiveReader`.
    """

    number_kinds, numbers, holds = "iu", "integers", "tokens"

    def __init__(self, directory: str | os.PathLike, kind: str, source: str | None = None):
        super().__init__(directory, kind, read_meta(directory, kind), source)
