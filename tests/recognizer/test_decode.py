import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.recognizer.decode import WordLoop, greedy

SYMBOLS = " abc"


def path(text: str) -> np.ndarray:
    """Posteriors [F, 5] that are sure of one id a frame; '-' is the blank."""
    ids = [0 if c == "-" else SYMBOLS.index(c) + 1 for c in text]
    return np.log(np.full((len(ids), 5), 0.01) + 0.95 * np.eye(5)[ids])


@pytest.mark.parametrize(
    "frames, expected",
    [("aab-bcc", "abbc"), ("--", ""), ("- aa -- bb  -", "a b"), ("c-c  c", "cc c"), ("", "")],
)
def test_greedy_merges_repetitions_then_drops_blanks(frames, expected):
    assert greedy(path(frames), SYMBOLS) == expected


@pytest.mark.parametrize(
    "frames, expected",
    [
        ("aa-bb", ["ab"]),
        ("ab ab", ["ab", "ab"]),
        ("--abb-  -cc--", ["ab", "cc"]),  # cc needs a blank between: c c would be one c
        ("---", []),
        ("a", ["a"]),
        ("abab", ["ab"]),  # 'abab' is no word, and a second word needs a boundary
    ],
)
def test_word_loop_finds_only_words(frames, expected):
    loop = WordLoop({"ab": [2, 3], "cc": [4, 4], "a": [2]})
    assert loop.decode(path(frames)[None], [len(frames)]) == [expected]


def test_word_loop_takes_utterances_of_many_lengths_at_once():
    loop = WordLoop({"ab": [2, 3], "cc": [4, 4], "a": [2]})
    texts = ["a", "--abb-  -cc--", "ab ab", "-"]
    batch = np.stack([np.pad(path(text), ((0, 13 - len(text)), (0, 0))) for text in texts])
    assert loop.decode(batch, list(map(len, texts))) == [["a"], ["ab", "cc"], ["ab", "ab"], []]


def test_insertion_penalty_makes_words_rarer():
    words = {"ab": [2, 3]}
    assert WordLoop(words).decode(path("ab ab")[None], [5]) == [["ab", "ab"]]
    assert WordLoop(words, insertion=-50.0).decode(path("ab ab")[None], [5]) == [[]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_word_loop_is_the_best_of_all_paths(seed, frames):
    """Against every path of ids, each scored and read by CTC's own rules."""
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.full(4, 0.4), frames))  # blank, space, a, b
    words = {"ab": [2, 3], "b": [3], "aa": [2, 2]}
    best = -np.inf, None
    for ids in itertools.product(range(4), repeat=frames):
        text = "".join(" ab"[i - 1] for i in (k for k, _ in itertools.groupby(ids)) if i)
        found = text.split(" ") if text.strip() else []
        # One boundary between words; the search also allows one before the first and one after the last.
        found = found[1:] if found and not found[0] else found
        found = found[:-1] if found and not found[-1] else found
        if all(word in words for word in found) and "  " not in text:
            score = sum(log_probs[t, i] for t, i in enumerate(ids))
            best = max(best, (score, found), key=lambda pair: pair[0])
    loop = WordLoop(words)
    assert loop.decode(log_probs[None], [frames]) == [best[1]]
