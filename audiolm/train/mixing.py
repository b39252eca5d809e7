"""Several corpora or tasks in one training, each with its share; which one an example is of, its key says.

Two ways. *Drawn*: each example at random by the weights (:class:`Mixed`); shares are exact on average, and an item may
come twice before another came once. *By turns*: shares are exact from the beginning and each source counts its own
examples, so that each of its epochs has every item once (:func:`turn`, :class:`StepTurns`).
"""

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np

from audiolm.train.randomness import Key
from audiolm.train.system import Examples


class Shares:
    """Weights of several things, as the ends of their shares of 0 … 1.

    Raises:
        ValueError: no weights, or one that is below 0 or not finite, or all are 0.
    """

    def __init__(self, weights: Sequence[float] | np.ndarray):
        weights = np.asarray(weights)
        if not len(weights) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"weights {weights.tolist()}, expected numbers of at least 0, one above 0")
        self.ends = np.cumsum(weights) / np.sum(weights)

    def draw(self, key: Key, name: str) -> int:
        """Which of them an example takes, by the draw called ``name``."""
        return int(np.searchsorted(self.ends, key.rng(name).random(), side="right"))


class Mixed(Examples):
    """Examples of several sources, each drawn by its weight.

    Args:
        sources: whose examples are collated alike.
        weights: one a source.
        name: of the draw.
    """

    def __init__(self, sources: Sequence[Examples], weights: Sequence[float], name: str = "set"):
        self.sources, self.shares, self.name = sources, Shares(weights), name

    def __call__(self, key: Key) -> dict[str, Any]:
        """An example of one source."""
        number = self.shares.draw(key, self.name) if len(self.sources) > 1 else 0
        return self.sources[number](key)

    def collate(self, examples: list[dict[str, Any]]) -> Any:
        return self.sources[0].collate(examples)


def turn(number: int, weights: Sequence[float]) -> tuple[int, int]:
    """Whose turn number ``number`` is, and how many turns it had before.

    The last one takes turn s where ⌊(s + 1) · share⌋ > ⌊s · share⌋; the others share the remaining turns in the same
    way. So after any number of turns each has had its share, up to one turn for each one after it.

    >>> [turn(number, [3, 1]) for number in range(4)]
    [(0, 0), (0, 1), (0, 2), (1, 0)]
    """
    last = len(weights) - 1
    if not last:
        return 0, number
    share = weights[-1] / sum(weights)
    before = floor(number * share)
    if floor((number + 1) * share) > before:
        return last, before
    return turn(number - before, weights[:-1])


class StepTurns(Examples):
    """Steps of several kinds of batch, by turns: all examples of a step, on every rank, are of one kind.

    Args:
        sources: each with its own examples and batches; they collate alike, or each example says what it is.
        weights: shares of the steps.
    """

    def __init__(self, sources: Sequence[Examples], weights: Sequence[float]):
        self.sources, self.weights = sources, weights

    def __call__(self, key: Key) -> dict[str, Any]:
        """An example of one source, by that source's own count of steps."""
        number, step = turn(key.step, self.weights)
        return self.sources[number](key.at(step))
