"""Clusters of made-up and of real voices; the best path against an exhaustive search."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.annotate.clustering import cluster, relabel, viterbi
from audiolm.errors import AudiolmError


def voices(*counts, spread=0.15, seed=0):
    """Rows of length 1 around one random direction per entry of ``counts``, and whose they are."""
    rng = np.random.default_rng(seed)
    centres = np.abs(rng.standard_normal((len(counts), 64)))
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = centres[labels] / 8 + spread / 8 * rng.standard_normal((len(labels), 64))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


@pytest.mark.parametrize("counts", [(20,), (20, 20), (30, 8), (12, 9, 15, 4)])
def test_distinct_voices_are_found_and_counted(counts):
    rows, truth = voices(*counts)
    order = np.random.default_rng(1).permutation(len(rows))
    assert (cluster(rows[order]) == relabel(truth[order])).all()


def test_a_known_number_is_kept():
    rows, truth = voices(10, 10)
    assert (cluster(rows, num_speakers=2) == truth).all()
    assert cluster(rows, num_speakers=5).max() == 4
    assert cluster(rows, num_speakers=1).max() == 0
    assert cluster(rows[:3], num_speakers=5).max() == 2
    with pytest.raises(AudiolmError, match="number of speakers is 0"):
        cluster(rows, num_speakers=0)


def test_one_odd_window_makes_no_speaker():
    rows, _ = voices(20, 1)
    assert cluster(rows).max() == 0


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one(count):
    assert cluster(np.ones((count, 4))).tolist() == [0] * count


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 6), st.floats(0, 2), st.integers(0, 1000))
def test_viterbi_finds_the_best_of_all_paths(states, frames, cost, seed):
    scores = np.random.default_rng(seed).standard_normal((frames, states))

    def value(path):
        return sum(scores[f, s] for f, s in enumerate(path)) - cost * sum(a != b for a, b in itertools.pairwise(path))

    best = max(value(path) for path in itertools.product(range(states), repeat=frames))
    assert value(viterbi(scores, cost)) == pytest.approx(best)
