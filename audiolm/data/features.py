"""Archives of features: matrices of floats [frames, dim] in the files of :mod:`audiolm.data.archives`.

A kind has any name (``whisper``, ``beats``, ``logmel``): its folder and files carry it, as those of tokens do.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audiolm.data import archives
from audiolm.data.archives import ArchiveReader, ArchiveWriter
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError


@dataclass(frozen=True)
class FeatureMeta:
    """What the features of an archive are.

    Attributes:
        frame_rate: frames a second.
        dim: numbers in a frame.
        encoder: what made them, as a user names it: ``openai/whisper-large-v2``.
        source: checksum of it, its layer and settings among what is summed.
        store: type of the numbers on disk.
    """

    frame_rate: float
    dim: int
    encoder: str
    source: str
    store: Literal["float16", "float32"] = "float16"

    def __post_init__(self):
        object.__setattr__(self, "frame_rate", float(self.frame_rate))
        if self.frame_rate <= 0 or self.dim < 1 or self.store not in ("float16", "float32"):
            raise ValueError(
                f"frame_rate {self.frame_rate}, dim {self.dim}, store {self.store}: expected a rate above 0, at least "
                "one number, float16 or float32"
            )

    def fields(self) -> dict[str, Any]:
        """The entries of ``meta.json``, ``kind`` left out."""
        return asdict(self)

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers on disk."""
        return np.dtype(self.store).newbyteorder("<")


def read_feature_meta(directory: str | os.PathLike, kind: str) -> FeatureMeta:
    """The ``meta.json`` of an archive of features.

    Raises:
        AudiolmError: missing, malformed, or of another kind.
    """
    return archives.read_meta(directory, kind, FeatureMeta, "features")


class FeatureWriter(ArchiveWriter):
    """Writes part ``job`` of an archive of features.

    Raises:
        AudiolmError: see :class:`ArchiveWriter`; (``write``) the array is not [frames >= 1, dim], or holds a number
            that is not finite as it is stored (float16 ends at 65504).
    """

    def __init__(self, directory: str | os.PathLike, kind: str, job: int, meta: FeatureMeta):
        super().__init__(directory, kind, job, meta)

    def _checked(self, key: str, array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != self.meta.dim:
            raise AudiolmError(f"{self.ark}: '{key}' has shape {array.shape}, expected [frames >= 1, {self.meta.dim}]")
        if array.dtype.kind != "f":
            raise AudiolmError(f"{self.ark}: '{key}' holds {array.dtype}, expected floats")
        with np.errstate(over="ignore"):
            stored = array.astype(self.meta.dtype)
        if not np.isfinite(stored).all():
            frame, column = np.argwhere(~np.isfinite(stored))[0]
            raise AudiolmError(
                f"{self.ark}: '{key}' holds {array[frame, column]} in frame {frame}, which is not finite as "
                f"{self.meta.store}; store float32, or mend the encoder"
            )
        return stored


class FeatureReader(ArchiveReader):
    """Reads an archive of features, all its parts; :meth:`read` gives them as they are stored.

    Args:
        directory, kind: as given to the writer.
        source: checksum of the encoder that will be used with the features; None accepts any.

    Raises:
        AudiolmError: see :class:`ArchiveReader`.
    """

    number_kinds, numbers, holds = "f", "floats", "features"

    def __init__(self, directory: str | os.PathLike, kind: str, source: str | None = None):
        super().__init__(directory, kind, read_feature_meta(directory, kind), source)


def open_archive(directory: str | os.PathLike, kind: str, source: str | None = None) -> TokenReader | FeatureReader:
    """An archive of either sort, as its ``meta.json`` says.

    Raises:
        AudiolmError: see :class:`ArchiveReader`.
    """
    reader = FeatureReader if "dim" in archives.read_fields(directory, kind) else TokenReader
    return reader(directory, kind, source)


def merge(directory: str | os.PathLike, kind: str, num_jobs: int) -> int:
    """Write the joined ``<kind>.scp`` of either sort, remove parts above ``num_jobs`` (of an earlier run).

    Returns:
        the number of entries.
    """
    archives.remove_parts(Path(directory), kind, num_jobs)
    return archives.write_joined(open_archive(directory, kind))
