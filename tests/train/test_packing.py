"""Sequences of several lengths in rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.train.packing import PADDING, Buckets, Packing, pack
from audiolm.train.randomness import Key


@settings(max_examples=30)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=60), st.integers(0, 3))
def test_an_epoch_has_every_sequence_once_in_rows_that_hold_it(lengths, epoch):
    packing = Packing(lengths, 120)
    keys = [Key(5, epoch * packing.rows + row) for row in range(packing.rows)]
    rows = [packing.row(key) for key in keys]
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(row and sum(lengths[index] for index in row) <= 120 for row in rows)


def test_rows_are_a_function_of_the_key_and_change_by_epoch():
    lengths = np.random.default_rng(0).integers(20, 400, 300)
    packing, same = Packing(lengths, 400), Packing(lengths, 400)
    last = packing.rows - 1
    assert same.row(Key(0, last)) == packing.row(Key(0, last))  # nothing was asked before
    epochs = [{frozenset(packing.row(Key(0, epoch * packing.rows + row))) for row in range(packing.rows)}
              for epoch in range(2)]  # fmt: skip
    assert len(epochs[0] & epochs[1]) < packing.rows / 2  # other company, but for those who fill a row


def test_rows_are_nearly_full():
    lengths = np.random.default_rng(1).gamma(3, 120, 2000).astype(int).clip(10, 1500)  # seconds of read speech, about
    packing = Packing(lengths, 1500)
    assert lengths.sum() / (packing.rows * 1500) > 0.95


@settings(max_examples=30)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=60), st.integers(0, 3), st.integers(1, 7))
def test_an_epoch_of_buckets_has_every_sequence(lengths, epoch, batch):
    buckets = Buckets(lengths)
    groups = -(-len(lengths) // batch)
    keys = [Key(5, index, batch) for index in range(epoch * groups * batch, (epoch + 1) * groups * batch)]
    seen = [buckets.index(key) for key in keys]
    assert sorted(set(seen)) == list(range(len(lengths))) and len(seen) < len(lengths) + batch
    assert [Buckets(lengths).index(key) for key in keys[::-1]] == seen[::-1]


def test_a_bucket_holds_like_lengths_and_changes():
    lengths = np.random.default_rng(1).gamma(3, 120, 2000).astype(int).clip(10, 1500)
    buckets = Buckets(lengths, 1000)
    steps = [
        [buckets.index(Key(0, step * 16 + row, 16)) for row in range(16)] for step in range(2 * len(buckets) // 16)
    ]
    padded = sum(16 * lengths[rows].max() for rows in steps)
    assert sum(lengths[rows].sum() for rows in steps) / padded > 0.95
    assert buckets.too_long == np.flatnonzero(lengths > 1000).tolist()
    half = len(steps) // 2
    assert len({frozenset(rows) for rows in steps[:half]} & {frozenset(rows) for rows in steps[half:]}) < half / 10
    with pytest.raises(ValueError, match="none of 1 sequences is of 3 places or less"):
        Buckets([4], 3)


def test_what_is_too_long_is_named():
    packing = Packing([5, 11, 10], 10)
    assert packing.too_long == [1] and packing.rows == 2
    with pytest.raises(ValueError, match="none of 1 sequences fits into a row of 3 places"):
        Packing([4], 3)
    with pytest.raises(ValueError, match="sequence 1 has length 0"):
        Packing([4, 0], 3)


def test_a_row():
    sequences = [
        {"ids": np.array([1, 2]), "levels": np.ones((2, 3))},
        {"ids": np.array([3]), "levels": np.zeros((1, 3))},
    ]
    row = pack(sequences, 5, {"ids": -1, "levels": 9})
    assert row["ids"].tolist() == [1, 2, 3, -1, -1]
    assert row["levels"][:, 0].tolist() == [1, 1, 0, 9, 9] and row["levels"].shape == (5, 3)
    assert row["segments"].tolist() == [0, 0, 1, PADDING, PADDING]
    with pytest.raises(ValueError, match="different lengths: {'ids': 1, 'levels': 2}"):
        pack([{"ids": np.array([1]), "levels": np.ones((2, 3))}], 5, {"ids": 0, "levels": 0})
    with pytest.raises(ValueError, match=r"\[2, 1\] places in a row of 2"):
        pack(sequences, 2, {"ids": 0, "levels": 0})
