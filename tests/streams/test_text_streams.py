"""The text stream: cases by hand, a literal transcription of the rules, and the inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.streams.text import TextStats, build_text, own_turns, read_text
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD

RATE = 12.5
VOCAB = 40
WORD_INITIAL = np.arange(VOCAB) < 20  # pieces 4 to 19 begin words, 20 to 39 go on


def literal(starts, pieces, num_frames, rate, layout, overlap, ends):
    """The rules of Moshi, section 3.4.4, read one by one: words in order, each writing over what is there."""
    if layout == "moshi_finetune":
        words = [(s, p) for s, p, e in zip(starts, pieces, ends, strict=True) if e > s]
    else:
        words = list(zip(starts, pieces, strict=True))
    tokens = {}
    free = 0  # first frame after the predecessor's pieces
    for start, word in words:
        t = int(np.floor(start * rate))
        if layout == "paper" and t == 0:
            t = 1
        if overlap == "shift":
            t = max(t, free)
        else:
            tokens = {frame: piece for frame, piece in tokens.items() if frame < t}
        for j, piece in enumerate(word):
            tokens[t + j] = piece
        free = t + len(word)
    stream = [PAD] * num_frames
    for frame, piece in tokens.items():
        if frame < num_frames:
            stream[frame] = piece
    for frame in range(num_frames - 1):
        if stream[frame] == PAD and stream[frame + 1] not in (PAD, EPAD):
            stream[frame] = EPAD
    return stream


def finetune_builder(starts, pieces, num_frames, rate, shift, ends):
    """What moshi-finetune documents: a queue of pieces, one leaves it each frame; a new word joins or replaces it."""
    words = [(s, p) for s, p, e in zip(starts, pieces, ends, strict=True) if e > s]
    stream, queue = [], []
    for frame in range(num_frames):
        while words and words[0][0] * rate < frame + 1:
            queue = (queue if shift else []) + list(words.pop(0)[1])
        if queue:
            if stream and stream[-1] == PAD:
                stream[-1] = EPAD
            stream.append(queue.pop(0))
        else:
            stream.append(PAD)
    return stream


@st.composite
def transcripts(draw):
    count = draw(st.integers(0, 12))
    starts = sorted(draw(st.lists(st.floats(0, 4, allow_nan=False), min_size=count, max_size=count)))
    ends = [start + draw(st.sampled_from([0.0, 0.1, 0.5])) for start in starts]
    word = st.tuples(st.integers(4, 19), st.lists(st.integers(20, 39), max_size=3)).map(lambda w: [w[0], *w[1]])
    return starts, draw(st.lists(word, min_size=count, max_size=count)), ends


@given(
    transcripts(), st.integers(1, 60), st.sampled_from(["paper", "moshi_finetune"]), st.sampled_from(["shift", "drop"])
)
def test_equals_the_literal_rules(transcript, num_frames, layout, overlap):
    starts, pieces, ends = transcript
    tokens, stats = build_text(starts, pieces, num_frames, RATE, layout, overlap, ends)
    assert tokens.tolist() == literal(starts, pieces, num_frames, RATE, layout, overlap, ends)
    assert stats.frames == stats.pads + stats.epads + stats.pieces == num_frames
    assert stats.pieces + stats.lost_pieces == sum(map(len, pieces))


@given(transcripts(), st.integers(1, 60), st.booleans())
def test_moshi_finetune_layout_equals_that_builder(transcript, num_frames, shift):
    starts, pieces, ends = transcript
    tokens, _ = build_text(starts, pieces, num_frames, RATE, "moshi_finetune", "shift" if shift else "drop", ends)
    assert tokens.tolist() == finetune_builder(starts, pieces, num_frames, RATE, shift, ends)


@given(transcripts(), st.sampled_from(["paper", "moshi_finetune"]))
def test_inverse_of_shifted_words(transcript, layout):
    starts, pieces, _ = transcript
    ends = [start + 1 for start in starts]
    tokens, stats = build_text(starts, pieces, 200, RATE, layout, "shift", ends)
    words = read_text(tokens, WORD_INITIAL)
    assert [word.pieces for word in words] == pieces
    moved = [word.frame - int(np.floor(start * RATE)) for word, start in zip(words, starts, strict=True)]
    assert min(moved, default=0) >= 0
    assert (stats.shifted_frames, stats.max_shift) == (sum(moved), max(moved, default=0))
    starts = [word.start(RATE) for word in words]
    again, _ = build_text(starts, pieces, 200, RATE, layout, "shift", [start + 1 for start in starts])
    assert again.tolist() == tokens.tolist()


def test_by_hand():
    starts, pieces = [0.0, 0.4, 0.48, 1.0], [[5, 20], [6], [7, 21], [8]]
    tokens, stats = build_text(starts, pieces, 16, RATE)
    #                frame 0: first word moves to 1;    5: 6, 6: 7 right behind it (0.48 s is frame 6);    12: 8
    assert tokens.tolist() == [EPAD, 5, 20, PAD, EPAD, 6, 7, 21, PAD, PAD, PAD, EPAD, 8, PAD, PAD, PAD]
    assert stats == TextStats(
        frames=16, pads=7, epads=3, pieces=6, words=4, shifted_words=1, shifted_frames=1, max_shift=1, lost_pieces=0
    )
    assert stats.pad_share == 10 / 16


def test_overlap_by_hand():
    starts, pieces = [0.16, 0.24, 0.24], [[5, 20, 21], [6, 22], [7]]  # frames 2, 3, 3
    shifted, stats = build_text(starts, pieces, 8, RATE, overlap="shift")
    assert shifted.tolist() == [PAD, EPAD, 5, 20, 21, 6, 22, 7]
    assert (stats.shifted_words, stats.shifted_frames, stats.max_shift) == (2, 6, 4)
    dropped, stats = build_text(starts, pieces, 8, RATE, overlap="drop")
    assert dropped.tolist() == [PAD, EPAD, 5, 7, PAD, PAD, PAD, PAD]
    assert stats.lost_pieces == 4


def test_stats_add_up():
    one = build_text([0.0], [[5]], 10, RATE)[1]
    two = build_text([0.1, 0.1], [[5], [6]], 20, RATE)[1]
    total = one + two
    assert (total.frames, total.words, total.pieces, total.max_shift) == (30, 3, 3, 1)


@pytest.mark.parametrize(
    "starts, pieces, message",
    [
        ([1.0, 0.5], [[5], [6]], "decrease"),
        ([0.0], [[]], "no pieces"),
        ([0.0], [[PAD]], "special"),
        ([0.0], [], "1 times"),
    ],
)
def test_refused(starts, pieces, message):
    with pytest.raises(ValueError, match=message):
        build_text(starts, pieces, 10, RATE)


def test_the_words_of_others_are_left_out():
    mine, theirs = 10, 20
    text = np.array([EPAD, BOS, mine, mine, EPAD, EOS, theirs, EPAD, theirs, EPAD, BOS, mine, EOS, theirs, -1])
    kept = [EPAD, BOS, mine, mine, PAD, PAD, PAD, PAD, PAD, EPAD, BOS, mine, PAD, PAD, -1]
    assert own_turns(text).tolist() == kept
    # A window that begins within a turn: whose it is, the next mark tells.
    assert own_turns(text[2:]).tolist() == kept[2:]
    assert own_turns(text[6:]).tolist() == kept[6:]
    assert own_turns(text[6:8]).tolist() == text[6:8].tolist()  # or nothing
