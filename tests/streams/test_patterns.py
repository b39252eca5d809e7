"""Patterns of tokens, and their exact inverses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from audiolm.streams.patterns import flatten, group, interleave, move_spans, moved_back, unflatten, ungroup

codes = arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=st.integers(0, 9))


def test_flatten_takes_frame_by_frame():
    assert flatten(np.array([[1, 2, 3], [4, 5, 6]])).tolist() == [1, 2, 3, 4, 5, 6]


@given(codes)
def test_flatten_inverts(found):
    assert (unflatten(flatten(found), found.shape[1]) == found).all()


def test_a_frame_in_part():
    with pytest.raises(ValueError, match="5 tokens are no whole number of frames of 2 levels: 1 left over"):
        unflatten(np.arange(5), 2)
    assert unflatten(np.arange(5), 2, whole=False).tolist() == [[0, 1], [2, 3]]


def test_groups_are_trimmed_at_the_start():
    assert group(np.arange(10).reshape(5, 2), 2).tolist() == [[2, 3, 4, 5], [6, 7, 8, 9]]


@given(codes, st.integers(1, 5))
def test_groups_invert(found, size):
    assert (ungroup(group(found, size), size) == found[len(found) % size :]).all()


def test_parts_are_interleaved_by_time():
    pattern = interleave([np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.5]), np.array([1.0])])
    merged = pattern.merge([np.array([10, 11, 12]), np.array([20, 21]), np.array([30])])
    assert merged.tolist() == [10, 20, 11, 30, 21, 12]
    with pytest.raises(ValueError, match="times of part 1 fall at token 1"):
        interleave([np.array([0.0]), np.array([2.0, 1.0])])
    with pytest.raises(ValueError, match="part 0 has 1 tokens, the pattern is for 3"):
        pattern.merge([np.array([1]), np.array([2, 3]), np.array([4])])


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=4))
def test_interleaved_parts_come_back(times):
    times = [np.sort(part) for part in times]
    parts = [np.arange(len(part)) + 100 * number for number, part in enumerate(times)]
    pattern = interleave(times)
    merged = pattern.merge(parts)
    assert [part.tolist() for part in pattern.split(merged)] == [part.tolist() for part in parts]
    assert (np.diff([times[s][p] for s, p in zip(pattern.source, pattern.place, strict=True)]) >= 0).all()


MARKS, END = np.array([-1, -2, -3, -4, -5, -6]), np.array([-9])


def test_spans_move_to_the_end():
    moved = move_spans(np.arange(8), [(1, 3), (5, 6)])
    assert moved.sequence(MARKS, END).tolist() == [0, -1, 3, 4, -2, 6, 7, -1, 1, 2, -9, -2, 5, -9]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=9), st.booleans(), st.booleans())
def test_moved_spans_come_back(lengths, begins, levels):
    """Pieces and spans by turns, beginning with either, of one level or two."""
    edges = np.cumsum([0, *lengths])
    tokens = np.arange(edges[-1])
    marks, end = MARKS, END
    if levels:
        tokens, marks, end = (np.stack((part, part), axis=1) for part in (tokens, marks, end))
    spans = list(zip(edges[:-1], edges[1:], strict=True))[0 if begins else 1 :: 2]
    moved = move_spans(tokens, spans)
    assert (moved.whole() == tokens).all()
    assert (moved_back(moved.sequence(marks, end), marks, end) == tokens).all()


@pytest.mark.parametrize("spans", [[(0, 0)], [(2, 4), (4, 5)], [(3, 9)], [(4, 5), (1, 2)]])
def test_faulty_spans(spans):
    with pytest.raises(ValueError, match="expected in order, apart, not empty, inside"):
        move_spans(np.arange(8), spans)


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ([0, -1, 1], "expected 0, 1, … and the same once more"),
        ([0, -2, 1, -2, 5, -9], "expected 0, 1, …"),
        ([0, -1, 1, -1, 5], "does not end with one end token"),
        ([0, -1, 1, -1, 5, -9, 6], "does not end with one end token"),
    ],
)
def test_a_model_that_broke_the_pattern_is_told(sequence, words):
    with pytest.raises(ValueError, match=words):
        moved_back(np.array(sequence), MARKS, END)
