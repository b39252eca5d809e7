"""Named ranges of ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.errors import AudiolmError
from audiolm.streams.patterns import flatten, unflatten
from audiolm.streams.vocabulary import Kind, Vocabulary

KINDS = {"text": Kind(100, start=0), "units": Kind(50), "codes": Kind(8, levels=3)}


def test_ranges_do_not_depend_on_the_order_of_names():
    one, other = Vocabulary(KINDS), Vocabulary(dict(reversed(KINDS.items())))
    assert one.ranges == other.ranges == {"text": range(100), "codes": range(100, 124), "units": range(124, 174)}
    assert one.size == 174


def test_a_new_kind_moves_no_kind_that_has_a_start():
    fixed = {"text": Kind(100, start=0), "units": Kind(50, start=100)}
    grown = Vocabulary({**fixed, "a_first": Kind(7)})
    assert grown.ranges["units"] == range(100, 150) and grown.ranges["a_first"] == range(150, 157)


def test_levels_have_ids_of_their_own():
    vocabulary = Vocabulary(KINDS)
    codes = np.array([[0, 0, 7], [7, 1, 0]])
    ids = vocabulary.ids("codes", codes)
    assert ids.tolist() == [[100, 108, 123], [107, 109, 116]]
    assert vocabulary.tokens("codes", ids).tolist() == codes.tolist()
    assert vocabulary.level(np.array([99, 100, 108, 123, 124, 174, -1])).tolist() == [0, 0, 1, 2, 0, -1, -1]
    assert vocabulary.mask(["codes"], level=1).nonzero()[0].tolist() == list(range(108, 116))
    assert vocabulary.mask(["codes", "units"]).nonzero()[0].tolist() == list(range(100, 174))


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1))
def test_every_id_is_of_one_kind_and_back(sizes):
    vocabulary = Vocabulary({name: Kind(*size) for name, size in sizes.items()})
    ids = np.arange(vocabulary.size)
    kinds, levels = vocabulary.kind_of(ids), vocabulary.level(ids)
    assert vocabulary.size == sum(size * levels for size, levels in sizes.values())
    for number, name in enumerate(vocabulary.names):
        mine = kinds == number
        tokens = vocabulary.tokens(name, ids[mine])
        assert mine.sum() == sizes[name][0] * sizes[name][1]
        assert (tokens + levels[mine] * sizes[name][0] + vocabulary.ranges[name].start == ids[mine]).all()
        assert (vocabulary.mask([name]) == mine).all()


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 6), st.integers(0, 9))
def test_levels_in_a_row_come_back(levels, size, frames, seed):
    """Codes as AudioLM's coarse stage has them: ids by level, flattened, and back; each place says its level."""
    vocabulary = Vocabulary({"codes": Kind(size, levels), "units": Kind(3)})
    codes = np.random.default_rng(seed).integers(0, size, (frames, levels))
    sequence = flatten(vocabulary.ids("codes", codes if levels > 1 else codes[:, 0]).reshape(frames, levels))
    assert vocabulary.level(sequence).tolist() == list(range(levels)) * frames
    ids = unflatten(sequence, levels)
    assert (vocabulary.tokens("codes", ids) == codes).all()


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({}, "no kinds"),
        ({"a": Kind(0)}, "size and levels are at least 1"),
        ({"a": Kind(5, start=0), "b": Kind(5, start=4)}, "'a' (0 to 4) and 'b' (4 to 8) overlap; start 'b' at 5"),
    ],
)
def test_faults_of_kinds_are_named(kinds, words):
    with pytest.raises(AudiolmError) as error:
        Vocabulary(kinds)
    assert words in str(error.value)


def test_faults_of_tokens_are_named():
    vocabulary = Vocabulary(KINDS)
    for found, words in [
        (lambda: vocabulary.ids("codes", np.zeros(4)), "shape (4,), expected [..., 3 levels]"),
        (lambda: vocabulary.ids("units", np.array([50])), "from 50 to 50, expected 0 to 49"),
        (lambda: vocabulary.ids("unit", np.array([0])), "did you mean 'units'"),
        (lambda: vocabulary.tokens("units", np.array([124, 100])), "id 100 is not of 'units' (124 to 173)"),
    ]:
        with pytest.raises(AudiolmError) as error:
            found()
        assert words in str(error.value)
