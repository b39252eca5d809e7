"""Shares of corpora, tasks and kinds of batch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.train.loader import key_lists
from audiolm.train.mixing import Mixed, Shares, StepTurns, turn
from audiolm.train.randomness import Key


class Named:
    """Examples that tell their kind and index."""

    def __init__(self, name):
        self.name = name

    def __call__(self, key):
        return self.name, key.index


@pytest.mark.parametrize("share", [0.5, 0.1, 0.3])
def test_shares_are_exact_and_epochs_whole(share):
    examples = StepTurns([Named("audio"), Named("text")], [1 - share, share])
    steps = [[examples(key) for key in keys] for keys in key_lists(0, range(20), 4)]
    assert all(len({kind for kind, _ in step}) == 1 for step in steps)  # a batch is of one kind
    seen = {kind: [i for step in steps for k, i in step if k == kind] for kind in ("audio", "text")}
    assert len(seen["text"]) == 4 * round(20 * share)
    assert all(indices == list(range(len(indices))) for indices in seen.values())
    halves = [[examples(key) for key in keys] for rank in (0, 1) for keys in key_lists(0, range(20), 4, 1, rank, 2)]
    assert sorted(e for half in halves for e in half) == sorted(e for step in steps for e in step)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_turns_are_exact_and_counted(weights):
    """After a round of all weights, and at any time up to a turn for each that comes after, each has its share."""
    total = sum(weights)
    taken: dict[int, int] = {}
    for number in range(3 * total):
        who, before = turn(number, weights)
        assert before == taken.get(who, 0)
        taken[who] = before + 1
        for one, weight in enumerate(weights):
            assert abs(taken.get(one, 0) - (number + 1) * weight / total) < 1 + len(weights)
    assert [taken[who] for who in range(len(weights))] == pytest.approx([3 * weight for weight in weights], abs=1)


def test_drawn_sources_have_their_weights():
    mixed = Mixed([Named("a"), Named("b")], [3, 1])
    drawn = Counter(mixed(Key(0, index))[0] for index in range(1000))
    assert drawn["a"] == pytest.approx(750, abs=45)
    assert mixed(Key(0, 999)) == mixed(Key(0, 999))


def test_draws_are_those_of_cumulated_weights():
    """Moshi's trainings began with these draws: their weights stay byte-identical."""
    weights, shares = [5, 2, 9], Shares([5, 2, 9])
    for index in range(200):
        at = Key(3, index).rng("text set").random()
        assert shares.draw(Key(3, index), "text set") == np.searchsorted(np.cumsum(weights) / 16, at, side="right")


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [1, np.inf]])
def test_faulty_weights(weights):
    with pytest.raises(ValueError, match="expected numbers of at least 0, one above 0"):
        Shares(weights)
