"""Whole sequences of different lengths in rows of one length, several in a row: which ones, drawn by the key alone.

A padded batch of speech computes mostly padding. Packed, nearly every place of a row is a token; a mask by segment
keeps the sequences apart (:func:`audiolm.nn.masks.sequence_mask`), so each has the outputs that it has alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from audiolm.train.randomness import Key

PADDING = -1  # segment of places that hold no sequence
CLASSES = 32  # classes of length an octave: lengths of one class differ by 2 % and take each other's places


class Packing:
    """Which sequences share a row, for a list of lengths; the same number of rows in every epoch.

    Lengths are rounded up to classes. Rows are filled once, the longest sequences first, each into the row that it
    fills best (best fit decreasing). In every epoch the sequences of one class change places at random, and the rows
    come in another order: each sequence is seen once an epoch, in company that changes, and what a key gives depends on
    nothing that went before.

    Args:
        lengths: of the sequences, in places.
        places: length of a row.
        name: of the draws, where an example draws from several packings.

    Attributes:
        too_long: indices of the sequences that are longer than a row: they are in none, and the caller names them.
        rows: number of rows of an epoch.

    Raises:
        ValueError: no sequence fits, or one has no length.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, places: int, name: str = "packing"):
        lengths = _checked(lengths)
        self.places, self.name = places, name
        self.too_long = np.flatnonzero(lengths > places).tolist()
        fitting = np.flatnonzero(lengths <= places)
        if not len(fitting):
            raise ValueError(f"none of {len(lengths)} sequences fits into a row of {places} places")
        rounded = np.minimum(_round_up(lengths[fitting]), places)
        self.classes = {int(size): fitting[rounded == size] for size in np.unique(rounded)}
        self._rows = _best_fit(rounded, places)  # each a list of (class, number within the class)

    @property
    def rows(self) -> int:
        return len(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, key: Key) -> list[int]:
        """Indices of the sequences of the key's row, at least one."""
        row = self._rows[key.item(self.rows, f"{self.name} rows")]
        epoch = key.index // self.rows
        return [self._member(Key(key.seed, epoch), size, number) for size, number in row]

    def _member(self, epoch: Key, size: int, number: int) -> int:
        """Which sequence takes place ``number`` of its class in this epoch."""
        members = self.classes[size]
        place = Key(epoch.seed, epoch.index * len(members) + number).item(len(members), f"{self.name} {size}")
        return int(members[place])


class Buckets:
    """Which sequence an example is, for a list of lengths: those of one step have lengths that differ little.

    For what cannot be packed. Sequences lie in order of their classes (:class:`Packing`) and are cut into as many
    groups as an epoch has steps; in every epoch those of one class change places at random and the groups come in
    another order. Where the last group would not be full, some sequences, spread over all lengths, are seen twice.

    Args:
        lengths: of the sequences, in places.
        most: the longest that is taken; None = any.
        name: of the draws, where an example draws from several.

    Attributes:
        too_long: indices of the sequences that are longer than ``most``: the caller names them.

    Raises:
        ValueError: no sequence is short enough, or one has no length.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, most: int | None = None, name: str = "buckets"):
        lengths = _checked(lengths)
        most = int(lengths.max(initial=1)) if most is None else most
        self.name = name
        self.too_long = np.flatnonzero(lengths > most).tolist()
        fitting = np.flatnonzero(lengths <= most)
        if not len(fitting):
            raise ValueError(f"none of {len(lengths)} sequences is of {most} places or less")
        rounded = _round_up(lengths[fitting])
        order = np.argsort(rounded, kind="stable")
        self._members, self._sizes = fitting[order], rounded[order]

    def __len__(self) -> int:
        return len(self._members)

    def index(self, key: Key) -> int:
        """Index of the key's sequence; keys of one step give a group."""
        groups = -(-len(self) // key.batch)
        group = Key(key.seed, key.step).item(groups, f"{self.name} groups")
        place = (group * key.batch + key.index % key.batch) * len(self) // (groups * key.batch)
        size = self._sizes[place]
        first, stop = np.searchsorted(self._sizes, size, "left"), np.searchsorted(self._sizes, size, "right")
        epoch, count = key.step // groups, int(stop - first)
        number = Key(key.seed, epoch * count + int(place - first)).item(count, f"{self.name} {size}")
        return int(self._members[first + number])


def pack(sequences: Sequence[Mapping[str, np.ndarray]], places: int, fill: Mapping[str, int]) -> dict[str, np.ndarray]:
    """One row of several sequences, one after another, and what tells them apart.

    Args:
        sequences: each a dict of arrays [T, …] of one length; all of the same names.
        places: length of the row.
        fill: what stands at the end, where no sequence is, by name.

    Returns:
        the arrays, [places, …], and ``segments`` int64 [places]: 0, 1, … and ``PADDING``.

    Raises:
        ValueError: arrays of different lengths in a sequence, or more than the row holds.
    """
    lengths = []
    for number, sequence in enumerate(sequences):
        found = {name: len(array) for name, array in sequence.items()}
        if len(set(found.values())) != 1:
            raise ValueError(f"arrays of sequence {number} have different lengths: {found}")
        lengths.append(next(iter(found.values())))
    if sum(lengths) > places:
        raise ValueError(f"sequences of {lengths} places in a row of {places}")
    row = {}
    for name, value in fill.items():
        whole = np.concatenate([sequence[name] for sequence in sequences])
        row[name] = np.full((places, *whole.shape[1:]), value, dtype=whole.dtype)
        row[name][: len(whole)] = whole
    row["segments"] = np.full(places, PADDING, dtype=np.int64)
    row["segments"][: sum(lengths)] = np.repeat(np.arange(len(lengths)), lengths)
    return row


def _checked(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    lengths = np.asarray(lengths, dtype=np.int64)
    if (lengths < 1).any():
        raise ValueError(f"sequence {int((lengths < 1).argmax())} has length {lengths.min()}, expected at least 1")
    return lengths


def _round_up(lengths: np.ndarray) -> np.ndarray:
    """Lengths rounded up to their classes; below ``CLASSES`` exact."""
    step = np.exp2(np.floor(np.log2(np.maximum(lengths, 1)))).astype(np.int64) // CLASSES
    step = np.maximum(step, 1)
    return -(-lengths // step) * step


def _best_fit(sizes: np.ndarray, places: int) -> list[list[tuple[int, int]]]:
    """Rows of (size, number among the equal ones): the longest first, each where the least room is left over.

    Equal sizes are many: rows are kept by the room that is left, so the time is that of the classes, not of the rows.
    """
    rows: list[list[tuple[int, int]]] = []
    by_room: dict[int, list[int]] = {}
    kinds, counts = np.unique(sizes, return_counts=True)
    for size, count in zip(kinds[::-1].tolist(), counts[::-1].tolist(), strict=True):
        for number in range(count):
            room = min((room for room, having in by_room.items() if room >= size and having), default=None)
            if room is None:
                rows.append([])
                row, room = len(rows) - 1, places
            else:
                row = by_room[room].pop()
            rows[row].append((size, number))
            by_room.setdefault(room - size, []).append(row)
    return rows
