"""Archives of one set read together: tokens and features of different frame rates, by seconds."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np

from audiolm.data.archives import ArchiveReader
from audiolm.data.features import open_archive
from audiolm.errors import AudiolmError

ROUNDING = 1e-6  # frames: times in floating point that should be a frame's middle


def frame_at(seconds: float, frame_rate: float) -> int:
    """The first frame whose middle is not before a time: windows that follow each other share no frame and miss none.

    >>> frame_at(0.0, 12.5), frame_at(0.04, 12.5), frame_at(0.05, 12.5)
    (0, 0, 1)
    """
    return max(0, ceil(seconds * frame_rate - 0.5 - ROUNDING))


class Aligned:
    """Archives of one set by their kinds, each in ``dump/<set>/<kind>``.

    Archives of frame rate 0 (phonemes, packed text) have no times: their entries are read whole.

    Args:
        directory: of the set, ``dump/<set>``.
        kinds: of the archives.
        sources: checksums of the codec, encoder or tokenizer in use, by kind; a kind without one accepts any.

    Raises:
        AudiolmError: no kinds, or an archive that is missing or made by another source.
    """

    def __init__(self, directory: str | Path, kinds: Iterable[str], sources: Mapping[str, str] | None = None):
        self.directory = Path(directory)
        self.readers: dict[str, ArchiveReader] = {
            kind: open_archive(self.directory / kind, kind, (sources or {}).get(kind)) for kind in kinds
        }
        if not self.readers:
            raise AudiolmError(f"{self.directory}: no kinds of archive to read together; name one or more")
        self.rates = {kind: reader.meta.frame_rate for kind, reader in self.readers.items()}

    def items(self) -> list[str]:
        """Keys that one archive or more has, sorted."""
        return sorted(set().union(*(reader.keys() for reader in self.readers.values())))

    def missing(self, item: str) -> list[str]:
        """Kinds of the archives that lack an item."""
        return [kind for kind, reader in self.readers.items() if item not in reader]

    def num_frames(self, item: str) -> dict[str, int]:
        """Frames of an item in each archive."""
        return {kind: reader.num_frames(item) for kind, reader in self.readers.items()}

    def seconds(self, item: str) -> float:
        """Seconds that every archive has of an item: those of the shortest; 0 where none has times.

        Raises:
            AudiolmError: an archive lacks the item; two archives differ by more than a frame of the coarser one.
        """
        self._check_complete(item)
        timed = {kind: frames / self.rates[kind] for kind, frames in self.num_frames(item).items() if self.rates[kind]}
        for one, two in _pairs(sorted(timed, key=timed.__getitem__)):
            frame = 1 / min(self.rates[one], self.rates[two])
            if timed[two] - timed[one] > frame + ROUNDING:
                raise AudiolmError(
                    f"{self.directory}: '{item}' has {timed[one]:.3f} s of '{one}' and {timed[two]:.3f} s of '{two}', "
                    f"more than a frame of {frame:.3f} s apart; write both again from the same audio"
                )
        return min(timed.values(), default=0.0)

    def read(self, item: str, start: float = 0.0, end: float | None = None) -> dict[str, np.ndarray]:
        """Each archive's frames [frames, columns] of an item, as stored, whose middle is from ``start`` to ``end``.

        Args:
            start, end: seconds; None = to the end of every archive.

        Raises:
            AudiolmError: see :meth:`seconds`; a window that is outside, or of archives without times.
        """
        seconds, frames = self.seconds(item), self.num_frames(item)
        if start == 0 and end is None:
            return {kind: reader.read(item) for kind, reader in self.readers.items()}
        if untimed := [kind for kind, rate in self.rates.items() if not rate]:
            raise AudiolmError(f"{self.directory}: '{untimed[0]}' has no times, so no window of '{item}' can be read")
        longest = max(count / self.rates[kind] for kind, count in frames.items())
        if not 0 <= start < (longest if end is None else end) <= longest + ROUNDING:
            raise AudiolmError(f"{self.directory}: '{item}' has {seconds:.3f} s, {start} to {end} s were asked for")
        found = {}
        for kind, reader in self.readers.items():
            last = frames[kind] if end is None else min(frame_at(end, self.rates[kind]), frames[kind])
            found[kind] = reader.read(item, min(frame_at(start, self.rates[kind]), last), last)
        return found

    def _check_complete(self, item: str) -> None:
        if missing := self.missing(item):
            raise AudiolmError(f"{self.directory}: '{item}' is not in '{missing[0]}'; run the stage that writes it")


def _pairs(ordered: Sequence[str]) -> Iterable[tuple[str, str]]:
    return ((one, two) for number, one in enumerate(ordered) for two in ordered[number + 1 :])
