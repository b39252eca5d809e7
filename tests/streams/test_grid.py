"""The token grid's layout."""

import numpy as np
import pytest

from audiolm.streams.grid import GridLayout, build_grid

LAYOUT = GridLayout(text_vocab=10, levels=2, codebook_size=4)
TEXT, MAIN, USER = np.array([3, 0, 9]), np.array([[0, 1], [2, 3], [0, 1]]), np.array([[3, 3], [2, 2], [1, 1]])


def test_streams_in_order():
    assert LAYOUT.names == ["text", "main1", "main2", "user1", "user2"]
    assert LAYOUT.vocab_sizes == [10, 4, 4, 4, 4]
    assert build_grid(LAYOUT, TEXT, MAIN, USER).tolist() == [[3, 0, 9], [0, 2, 0], [1, 3, 1], [3, 2, 1], [3, 2, 1]]
    assert build_grid(LAYOUT, None, MAIN, None).tolist() == [[-1] * 3, [0, 2, 0], [1, 3, 1], [-1] * 3, [-1] * 3]


@pytest.mark.parametrize(
    "parts, message",
    [
        ((TEXT[:2], MAIN, USER), "'text': 2, 'main codes': 3"),
        ((TEXT, MAIN[:, :1], USER), r"main codes of shape \(3, 1\)"),
        ((TEXT, MAIN, USER + 1), "id 4 in stream user1, which has ids 0 to 3"),
        ((TEXT - 5, MAIN, USER), "id -5 in stream text"),
        ((None, None, None), "no parts"),
    ],
)
def test_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        build_grid(LAYOUT, *parts)
    with pytest.raises(ValueError, match="one speaker"):
        build_grid(GridLayout(10, 2, 4, speakers=1), TEXT, MAIN, USER)
