"""Delays and their inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.streams.delays import delay, stream_delays, undelay


@given(
    st.integers(1, 6).flatmap(lambda s: st.tuples(st.lists(st.integers(0, 7), min_size=s, max_size=s), st.just(s))),
    st.integers(0, 9),
    st.booleans(),
)
def test_undelay_inverts_delay(delays_streams, frames, batched):
    delays, streams = delays_streams
    shape = (2, streams, frames) if batched else (streams, frames)
    grid = np.arange(np.prod(shape)).reshape(shape)
    delayed, valid = delay(grid, delays, fill=-1)
    assert delayed.shape == (*shape[:-1], frames + max(delays))
    assert ((delayed >= 0) == valid).all()
    assert (undelay(delayed, delays) == grid).all()


def test_by_hand():
    delayed, valid = delay(np.array([[1, 2], [3, 4], [5, 6]]), [0, 2, 1], fill=[10, 20, 30])
    assert delayed.tolist() == [[1, 2, 10, 10], [20, 20, 3, 4], [30, 5, 6, 30]]
    assert valid.tolist() == [[True, True, False, False], [False, False, True, True], [False, True, True, False]]


def test_patterns():
    assert stream_delays(2, [0] + [1] * 7, text=0) == [0] + [0, 1, 1, 1, 1, 1, 1, 1] * 2  # Moshi
    assert stream_delays(1, [0] + [2] * 7, text=25) == [25] + [0] + [2] * 7  # streaming ASR
    assert stream_delays(1, [0] + [2] * 7, text=-25) == [0] + [25] + [27] * 7  # streaming TTS
    assert stream_delays(2, [0, 1, 2, 3], text=2) == [2, 0, 1, 2, 3, 0, 1, 2, 3]  # MusicGen's pattern


def test_refused():
    grid = np.zeros((2, 4), dtype=np.int64)
    for delays in ([1], [0, -1]):
        with pytest.raises(ValueError, match="one number"):
            delay(grid, delays)
    with pytest.raises(ValueError, match="shorter than its longest delay"):
        undelay(grid, [0, 5])
