"""Pauses cut short: by hand, and what must hold for every grid."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audiolm.streams.pauses import shorten_pauses, sounding
from audiolm.text.tokenizer import EPAD, PAD

VOCAB = 20


def grid_of(text):
    """The text and one stream of numbers that say where each frame was."""
    return np.stack([np.asarray(text), np.arange(len(text))])


def test_where_words_sound():
    text = np.array([PAD, 9, PAD, PAD, PAD, PAD, PAD, PAD, VOCAB, 5])  # a start token is no piece
    assert sounding(text, 3, VOCAB).nonzero()[0].tolist() == [1, 2, 3, 9]


def test_pauses_by_hand():
    text = [PAD, PAD, PAD, EPAD, 9, PAD, PAD, PAD, PAD, PAD, PAD, EPAD, 5, 6, PAD, PAD, PAD]
    # Sounds of two frames and what announces them: 3 4 5, 11 12 13 14. Of a pause of three frames, one is at its start.
    assert shorten_pauses(grid_of(text), 2, 3, VOCAB)[1].tolist() == [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15]
    silent = grid_of([PAD] * 9)
    assert shorten_pauses(silent, 2, 3, VOCAB) is silent


@given(st.lists(st.sampled_from([PAD, PAD, PAD, PAD, EPAD, 4, 19]), min_size=1, max_size=80), st.integers(0, 9))
def test_words_stay_and_no_pause_is_longer(text, pause):
    grid, length = grid_of(text), 3
    short = shorten_pauses(grid, length, pause, VOCAB)
    kept, pieces = short[1], grid[0] >= 4
    assert (np.diff(kept) > 0).all() and (short[0] == grid[0, kept]).all()
    if not pieces.any():
        return
    sound = sounding(grid[0], length, VOCAB) | np.append(pieces[1:], False)
    assert np.isin(np.flatnonzero(sound), kept).all()
    runs = "".join("x" if s else "." for s in sound[kept]).split("x")
    assert max(map(len, runs)) <= pause
    longest = max(map(len, "".join("x" if s else "." for s in sound).split("x")))
    if longest <= pause // 2:
        assert short.shape == grid.shape
