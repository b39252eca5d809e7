"""Several kinds of token in one sequence: each kind has a range of ids of its own, found by its name.

AudioLM flattens the levels of a codec into one sequence, each level with ids of its own (Borsos et al. 2022, section
III-C); Spirit LM puts text, units, pitch and style into one (Nguyen et al. 2024, section 3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from audiolm.errors import AudiolmError, did_you_mean


@dataclass(frozen=True)
class Kind:
    """A kind of token.

    Attributes:
        size: different tokens of one level.
        levels: streams that stand beside each other in the data, such as the levels of a codec; each has ids of its
            own.
        start: the first id; None = chosen by :class:`Vocabulary`.
    """

    size: int
    levels: int = 1
    start: int | None = None

    @property
    def count(self) -> int:
        """Ids of all levels."""
        return self.size * self.levels


class Vocabulary:
    """Ranges of ids by the names of their kinds.

    Kinds with a ``start`` stay where they are, such as the ids of a text LM. The others follow after the last of those,
    in alphabetical order: the order in which a config names them does not matter.

    Args:
        kinds: by name.

    Raises:
        AudiolmError: no kinds, a size or a number of levels below 1, a start below 0, ranges that overlap.

    >>> Vocabulary({"units": Kind(500), "text": Kind(32000, start=0), "codes": Kind(1024, levels=4)}).ranges
    {'text': range(0, 32000), 'codes': range(32000, 36096), 'units': range(36096, 36596)}
    """

    def __init__(self, kinds: Mapping[str, Kind]):
        if not kinds:
            raise AudiolmError("a vocabulary of no kinds of token; name one")
        for name, kind in kinds.items():
            if kind.size < 1 or kind.levels < 1 or (kind.start is not None and kind.start < 0):
                raise AudiolmError(f"kind '{name}': {kind}; size and levels are at least 1, start at least 0")
        placed = {name: range(kind.start, kind.start + kind.count)
                  for name, kind in kinds.items() if kind.start is not None}  # fmt: skip
        free = max((ids.stop for ids in placed.values()), default=0)
        for name in sorted(kinds.keys() - placed.keys()):
            placed[name] = range(free, free + kinds[name].count)
            free += kinds[name].count
        self.ranges = dict(sorted(placed.items(), key=lambda pair: pair[1].start))
        self.kinds = {name: kinds[name] for name in self.ranges}
        self.names = list(self.ranges)
        for before, after in zip(self.names, self.names[1:], strict=False):
            if self.ranges[before].stop > self.ranges[after].start:
                raise AudiolmError(
                    f"ids of '{before}' ({_told(self.ranges[before])}) and '{after}' ({_told(self.ranges[after])}) "
                    f"overlap; start '{after}' at {self.ranges[before].stop} or later"
                )
        self._starts = np.array([ids.start for ids in self.ranges.values()])
        self._stops = np.array([ids.stop for ids in self.ranges.values()])

    @property
    def size(self) -> int:
        """One more than the highest id: rows of an embedding."""
        return int(self._stops[-1])

    def ids(self, name: str, tokens: np.ndarray) -> np.ndarray:
        """Ids of tokens of one kind, int64 of the same shape.

        Args:
            tokens: [...], or [..., levels] of a kind with several levels, level 1 first.

        Raises:
            AudiolmError: no such kind, another number of levels, a token that the kind has not.
        """
        kind, tokens = self._kind(name), np.asarray(tokens, dtype=np.int64)
        if kind.levels > 1 and tokens.shape[-1:] != (kind.levels,):
            raise AudiolmError(f"tokens of '{name}' have shape {tokens.shape}, expected [..., {kind.levels} levels]")
        if tokens.size and (tokens.min() < 0 or tokens.max() >= kind.size):
            raise AudiolmError(
                f"tokens of '{name}' go from {tokens.min()} to {tokens.max()}, expected 0 to {kind.size - 1}"
            )
        levels = np.arange(kind.levels) * kind.size if kind.levels > 1 else 0
        return tokens + self.ranges[name].start + levels

    def tokens(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`ids`: tokens of one kind, int64 of the same shape, counted from 0 in each level.

        Raises:
            AudiolmError: no such kind, an id of another kind.
        """
        kind, ids = self._kind(name), np.asarray(ids, dtype=np.int64)
        others = ids[self.kind_of(ids) != self.names.index(name)]
        if others.size:
            raise AudiolmError(f"id {others[0]} is not of '{name}' ({_told(self.ranges[name])})")
        return (ids - self.ranges[name].start) % kind.size

    def level(self, ids: np.ndarray) -> np.ndarray:
        """Level of each id within its kind, from 0, int64 of the same shape; -1 where no kind has the id."""
        ids = np.asarray(ids, dtype=np.int64)
        which = self.kind_of(ids)
        sizes = np.array([kind.size for kind in self.kinds.values()])
        return np.where(which < 0, -1, (ids - self._starts[which]) // sizes[which])

    def kind_of(self, ids: np.ndarray) -> np.ndarray:
        """Place in ``names`` of each id's kind, int64 of the same shape; -1 where no kind has the id."""
        ids = np.asarray(ids, dtype=np.int64)
        which = np.searchsorted(self._starts, ids, side="right") - 1
        return np.where((which >= 0) & (ids < self._stops[which]), which, -1)

    def mask(self, names: Iterable[str], level: int | None = None) -> np.ndarray:
        """Bool [size]: the ids of these kinds, or of one level of them; what may be drawn at a place of a sequence."""
        found = np.zeros(self.size, dtype=bool)
        for name in names:
            kind, first = self._kind(name), self.ranges[name].start
            if level is None:
                found[first : self.ranges[name].stop] = True
            elif level < kind.levels:
                found[first + level * kind.size : first + (level + 1) * kind.size] = True
        return found

    def _kind(self, name: str) -> Kind:
        if name not in self.kinds:
            raise AudiolmError(f"no kind of token '{name}'{did_you_mean(name, self.names)}")
        return self.kinds[name]


def _told(ids: range) -> str:
    return f"{ids.start} to {ids.stop - 1}"
