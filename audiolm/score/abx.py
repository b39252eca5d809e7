"""Phone ABX: how often a triphone is nearer to one that differs in its middle phone than to another of its own kind.

Libri-Light's definition (Kahn et al. 2020, section 4.1; Schatz et al. 2013): A and X are the same triphone, B has
another phone in the same context; the triple is an error where d(A, X) > d(B, X), and half a one where both are equal.
A and B are of one speaker; X is of the same ("within") or of another ("across"). Distances are angular and averaged
along a DTW path. Errors are averaged over contexts (and X's speakers), then over speakers, then over pairs of phones.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audiolm.score.dtw import dtw_distances, normalized
from audiolm.score.items import Item

MAX_SIZE_GROUP = 10  # Libri-Light's limits
MAX_X_ACROSS = 5
PAIRS = 1 << 20  # distances looked up at once
FEW_SPEAKERS = 5  # with fewer, cells are drawn for the interval instead
DRAWS = 500


@dataclass(frozen=True)
class Cell:
    """Triples that share phones, context and speakers.

    Attributes:
        phones: of A and B.
        speaker: of A and B.
        a, b, x: numbers of the items; ``a`` is ``x`` within a speaker, and no item is then compared with itself.
    """

    phones: tuple[str, str]
    speaker: str
    a: list[int]
    b: list[int]
    x: list[int]

    @property
    def triples(self) -> int:
        return len(self.a) * len(self.b) * (len(self.x) - (self.a is self.x))


@dataclass(frozen=True)
class Abx:
    """An ABX error rate.

    Attributes:
        error: 0 … 1, chance is 0.5; a difference of two such.
        ci: 95 % interval by bootstrap, or None where nothing can be drawn.
        drawn: what the bootstrap draws: "speakers" or "cells".
        triples, cells, speakers, items: behind the value.
    """

    error: float
    ci: tuple[float, float] | None
    drawn: str
    triples: int
    cells: int
    speakers: int
    items: int


def frames_of(item: Item, frame_rate: float, frames: int, drop_last: bool = False) -> slice:
    """Those of a recording's ``frames`` whose centres, (t + 1/2) / frame_rate, lie in the item; there may be none.

    ``drop_last`` leaves out the last of them, as Libri-Light's code does.
    """
    start = max(0, int(np.ceil(round(item.onset * frame_rate - 0.5, 6))))
    end = int(np.floor(round(item.offset * frame_rate - 0.5, 6))) + (not drop_last)
    return slice(start, max(start, min(end, frames)))


def abx(
    items: Sequence[Item],
    features: Sequence[np.ndarray],
    speaker: str = "within",
    max_size_group: int | None = MAX_SIZE_GROUP,
    max_x_across: int | None = MAX_X_ACROSS,
    seed: int = 0,
    against: Sequence[np.ndarray] | None = None,
) -> Abx | None:
    """ABX error rate of features [F_i, D], F_i >= 1, of items; or how far it is above that of other features of them.

    Args:
        speaker: of X: "within" or "across".
        max_size_group: items of a speaker's triphone, at most; None: all.
        max_x_across: speakers of X for one speaker's A and B, at most; None: all.
        seed: of what is taken where there is more.
        against: other features of the same items: errors are differences then, triple by triple, and the interval is
            that of the difference, which is narrower than those of the two rates.

    Returns:
        None where no triple can be made: no triphone comes twice beside another of its context.
    """
    all_cells = list(cells(items, speaker, max_size_group, max_x_across, seed))
    if not all_cells:
        return None
    errors = _errors(all_cells, [normalized(each) for each in features])
    if against is not None:
        errors = errors - _errors(all_cells, [normalized(each) for each in against])
    speakers = sorted({cell.speaker for cell in all_cells})
    draws, drawn = _bootstrap(all_cells, errors, seed)
    used = {index for cell in all_cells for group in (cell.a, cell.b, cell.x) for index in group}
    return Abx(
        error=_Averages(all_cells)(errors),
        ci=None if draws is None else tuple(map(float, np.quantile(draws, (0.025, 0.975)))),
        drawn=drawn,
        triples=sum(cell.triples for cell in all_cells),
        cells=len(all_cells),
        speakers=len(speakers),
        items=len(used),
    )


def cells(
    items: Sequence[Item], speaker: str, max_size_group: int | None, max_x_across: int | None, seed: int
) -> Iterator[Cell]:
    """Every cell with a triple in it, in the order of the items' contexts, phones and speakers."""
    rng = np.random.default_rng(seed)
    contexts: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, item in enumerate(items):
        contexts[item.previous, item.next][item.speaker, item.phone].append(index)
    for _, unsorted in sorted(contexts.items()):
        groups = {key: _some(indices, max_size_group, rng) for key, indices in sorted(unsorted.items())}
        by_phone: dict[str, list[str]] = defaultdict(list)
        for who, phone in groups:
            by_phone[phone].append(who)
        for (who, phone), a in groups.items():
            others = [(other, b) for (s, other), b in groups.items() if s == who and other != phone]
            for other, b in others:
                if speaker == "within":
                    if len(a) > 1:
                        yield Cell((phone, other), who, a, b, a)
                else:
                    for third in _some([s for s in by_phone[phone] if s != who], max_x_across, rng):
                        yield Cell((phone, other), who, a, b, groups[third, phone])


def _some(values: list, most: int | None, rng: np.random.Generator) -> list:
    """``most`` of the values at random, in order; all where there are no more."""
    if most is None or len(values) <= most:
        return values
    return [values[i] for i in sorted(rng.choice(len(values), most, replace=False))]


def _errors(all_cells: Sequence[Cell], sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Share of errors of every cell, [cells]."""
    errors = np.empty(len(all_cells))
    for part in _parts(all_cells):
        keys = [_keys(all_cells[number], len(sequences)) for number in part]
        wanted, places = np.unique(np.concatenate([k.ravel() for pair in keys for k in pair]), return_inverse=True)
        distances = dtw_distances(sequences, *np.divmod(wanted, len(sequences)))[places]
        at = 0
        for number, (xa, xb) in zip(part, keys, strict=True):
            to_a = distances[at : at + xa.size].reshape(xa.shape)
            to_b = distances[at + xa.size : at + xa.size + xb.size].reshape(xb.shape)
            at += xa.size + xb.size
            wrong = 0.5 * (1 + np.sign(to_a[:, :, None] - to_b[:, None, :]))  # [X, A, B]
            if all_cells[number].a is all_cells[number].x:
                wrong[np.arange(len(wrong)), np.arange(len(wrong))] = 0  # an item with itself
            errors[number] = wrong.sum() / all_cells[number].triples
    return errors


def _keys(cell: Cell, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [X, A] and [X, B] of items, each as one number."""
    x = np.array(cell.x)[:, None] * count
    return x + np.array(cell.a), x + np.array(cell.b)


def _parts(all_cells: Sequence[Cell]) -> Iterator[range]:
    """Neighbouring cells (they share distances) of about PAIRS pairs."""
    start, pairs = 0, 0
    for number, cell in enumerate(all_cells):
        pairs += len(cell.x) * (len(cell.a) + len(cell.b))
        if pairs >= PAIRS or number == len(all_cells) - 1:
            yield range(start, number + 1)
            start, pairs = number + 1, 0


class _Averages:
    """Errors of cells -> the mean over pairs of phones of means over speakers of (weighted) means over cells."""

    def __init__(self, all_cells: Sequence[Cell]):
        self.groups = _numbers([(cell.phones, cell.speaker) for cell in all_cells])  # of every cell
        firsts = np.unique(self.groups, return_index=True)[1]
        self.phones = _numbers([all_cells[i].phones for i in firsts])  # of every group
        self.speakers = _numbers([all_cells[i].speaker for i in firsts])

    def __call__(self, errors: np.ndarray, times: np.ndarray | None = None) -> float:
        """``times`` [cells]: how often each counts."""
        return self.of_groups(*self.by_group(errors, np.ones(len(errors)) if times is None else times))

    def by_group(self, errors: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean of every pair of phones of a speaker, and 1 where there is one, else 0."""
        count = np.bincount(self.groups, times)
        return np.bincount(self.groups, errors * times) / np.maximum(count, 1e-12), (count > 0).astype(float)

    def of_groups(self, means: np.ndarray, times: np.ndarray) -> float:
        count = np.bincount(self.phones, times)
        found = count > 0
        return float((np.bincount(self.phones, means * times)[found] / count[found]).mean())


def _numbers(keys: Sequence) -> np.ndarray:
    """Equal keys -> equal numbers, from 0 in the order of their first occurrence."""
    known: dict = {}
    return np.array([known.setdefault(key, len(known)) for key in keys])


def _bootstrap(all_cells: Sequence[Cell], errors: np.ndarray, seed: int) -> tuple[np.ndarray | None, str]:
    """Error rates of DRAWS draws with replacement of speakers, or of cells where speakers are few."""
    averages, rng = _Averages(all_cells), np.random.default_rng(seed)
    speakers = averages.speakers.max() + 1
    if speakers >= FEW_SPEAKERS:
        means, _ = averages.by_group(errors, np.ones(len(errors)))
        times = rng.multinomial(speakers, np.full(speakers, 1 / speakers), DRAWS)  # [draws, speakers]
        return np.array([averages.of_groups(means, row[averages.speakers].astype(float)) for row in times]), "speakers"
    if len(errors) < 2:
        return None, "cells"
    times = (np.bincount(rng.integers(0, len(errors), len(errors)), minlength=len(errors)) for _ in range(DRAWS))
    return np.array([averages(errors, row.astype(float)) for row in times]), "cells"
