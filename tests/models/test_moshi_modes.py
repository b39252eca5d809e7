"""What is asked of a model: seeds, voices, turns, and conversations that a guard ends."""

import numpy as np
import pytest

from audiolm.errors import AudiolmError
from audiolm.lm.sampling import RepetitionGuard, Sampling
from audiolm.models.moshi.generate import SilenceGuard
from audiolm.models.moshi.modes import GREEDY, Drawing, continue_dialogues, recognise, speak, voice
from audiolm.models.moshi.output import read_words
from audiolm.models.moshi.speak import SpeakConfig
from audiolm.streams.grid import ABSENT
from audiolm.streams.text import read_text
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD
from tests.models.conftest import LEVELS, TEXT, make_model
from tests.models.test_moshi_generate import random_grid
from tests.models.test_moshi_requests import Letters

STREAMS = 1 + 2 * LEVELS
WARM = Drawing(Sampling(1.0), Sampling(1.0), seed=3)
PACING = SpeakConfig(max_pause=3)
BEGINS = np.array([4 <= i < 12 for i in range(TEXT)])
WORDS = [[[5, 13], [7]], [[8]], [[9], [10], [11]]]


def with_batch(batch: int, **options) -> Drawing:
    return Drawing(WARM.codes, WARM.text, WARM.seed, batch, **options)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_what_is_drawn_does_not_depend_on_the_batch():
    model = make_model()
    speech, talk = (
        [function(with_batch(batch)) for batch in (3, 1)]
        for function in (
            lambda drawing: speak(model, WORDS, drawing, PACING),
            lambda drawing: continue_dialogues(model, [np.zeros((STREAMS, 0), np.int64)] * 3, 20, drawing),
        )
    )
    assert same(*speech) and same(*talk)
    assert not np.array_equal(talk[0][0], talk[0][1])


def test_a_voice_is_a_prefix_with_the_words_that_the_model_hears():
    model = make_model()
    codes = random_grid(1)[0, 1 : 1 + LEVELS].T
    prefix = voice(model, codes)
    assert (codes == prefix[1 : 1 + LEVELS].T).all() and (prefix[1 + LEVELS :] == ABSENT).all()
    grid = np.where(np.arange(STREAMS)[:, None] == 0, ABSENT, prefix)
    assert (prefix[0] == recognise(model, [grid])[0]).all() and (prefix[0] >= 0).all()
    assert (voice(make_model(tasks={"tts": model.config.tasks["tts"]}), codes)[0] == ABSENT).all()

    plain = speak(model, WORDS[:2], WARM, PACING)
    voices = [prefix[:, :10], prefix[:, :25]]
    spoken = speak(model, WORDS[:2], WARM, PACING, voices=voices)
    for i, grid in enumerate(spoken):
        assert [word.pieces for word in read_text(grid[0], BEGINS)] == WORDS[i]
        assert (grid[1 : 1 + LEVELS] >= 0).all() and (grid[1 + LEVELS :] == ABSENT).all()
        assert grid.shape[1] == np.flatnonzero(grid[0] > PAD)[-1] + 1 + 12
    assert not same(plain, spoken)
    assert same(spoken[1:], speak(model, WORDS, with_batch(1), PACING, voices=[*voices, prefix])[1:2])


def test_two_speakers():
    model = make_model()
    words = [[[BOS, 5], [6], [EOS, 7, 13], [BOS, 4]]]
    (grid,) = speak(model, words, WARM, PACING, both=True)
    assert (grid >= 0).all()
    marks = grid[0][(grid[0] == BOS) | (grid[0] == EOS)]
    assert marks.tolist() == [BOS, EOS, BOS]
    said = [(word.channel, word.word) for word in read_words(grid[0], BEGINS, Letters(), 12.5, turns=True)]
    assert said == [("A", "b"), ("A", "c"), ("B", "db"), ("A", "a")]
    for other, users in ((make_model(predict="main"), None), (model, [np.zeros((9, LEVELS), np.int64)])):
        with pytest.raises(AudiolmError, match="speech of both speakers was asked for"):
            speak(other, words, WARM, PACING, users=users, both=True)


def test_words_of_turns():
    text = np.array([PAD, 5, EPAD, EOS, 6, PAD, 7, BOS, 8, EOS, PAD, EPAD, 9])
    words = read_words(text, BEGINS, Letters(), 12.5, turns=True)
    assert [(word.word, word.channel) for word in words] == [("b", "A"), ("c", "B"), ("d", "B"), ("e", "A"), ("f", "B")]
    assert {word.channel for word in read_words(text, BEGINS, Letters(), 12.5)} == {"A"}


def test_silence_ends_a_conversation_or_is_ended():
    model = make_model()
    model.backbone.text_head.weight.data[PAD + 1 :] *= 0.2  # a model that says little
    prompts = [random_grid(1, seed=i)[0][:, :8] for i in range(3)]
    free = continue_dialogues(model, prompts, 60, WARM)

    def pauses(grid):
        frames = np.flatnonzero(np.concatenate(([True], grid[0, 8:] > PAD)))
        return np.diff(np.append(frames, 1 + grid.shape[1] - 8)) - 1

    assert max(pauses(grid).max() for grid in free) > 8
    stopped = continue_dialogues(model, prompts, 60, with_batch(3, silence=SilenceGuard(6, "stop")))
    assert min(grid.shape[1] for grid in stopped) < 60
    for grid, whole in zip(stopped, free, strict=True):
        assert np.array_equal(grid, whole[:, : grid.shape[1]])
        assert pauses(grid).max() == 6 if grid.shape[1] < 60 else pauses(grid).max() < 6
    spoken = continue_dialogues(model, prompts, 60, with_batch(2, silence=SilenceGuard(6)))
    assert max(pauses(grid).max() for grid in spoken) in (6, 7)  # 7: EPAD, then the word
    assert [grid.shape[1] for grid in spoken] == [60] * 3


def test_a_loop_is_left():
    """A model that, greedy, says the same code for ever."""
    model = make_model(text_hold=False)
    model.depth.heads.weight.data[:, :, 0] = 0
    model.depth.heads.weight.data *= 0.02
    for embedding in (model.audio_embedding, model.depth.embeddings[0]):
        embedding.weight.data *= 0.01
    start = [np.zeros((STREAMS, 0), np.int64)]
    counts = []
    for guard in (None, RepetitionGuard(10, 0.3)):
        drawing = Drawing(GREEDY, GREEDY, repetition=guard)
        (grid,) = continue_dialogues(model, start, 60, drawing)
        semantic = grid[[1, 1 + LEVELS]]
        counts.append(max(np.bincount(row[i : i + 10]).max() for row in semantic for i in range(50)))
    assert counts[0] == 10 and counts[1] < 9


def test_a_prompt_longer_than_the_conversation():
    with pytest.raises(AudiolmError, match="a prompt of 28 frames for a conversation of 20; shorten the prompt"):
        continue_dialogues(make_model(), [random_grid(1)[0]], 20, WARM)
