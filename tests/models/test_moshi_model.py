"""The model: what a frame sees, and the held word."""

import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.models.moshi.hold import MAX_AGE, HoldState, held_words
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import BOS, EOS
from tests.models.conftest import make_model


def test_held_words_by_hand():
    text = torch.tensor([[20, 0, 7, 8, 3, 3, 0, 9, 3]])  # 20: a start token counts as a piece
    now = held_words(text, torch.tensor([0]))[0]
    assert now[:, 0].tolist() == [20, 20, 7, 8, 8, 8, 8, 9, 9]
    assert now[:, 1].tolist() == [0, 1, 0, 0, 1, 2, 3, 0, 1]
    assert now[:, 2].tolist() == [-1] * 9  # what comes next is not known yet
    earlier = held_words(text, torch.tensor([2]))[0]  # frame t shows frame t - 2
    assert earlier[:, 0].tolist() == [-1, -1, 20, 20, 7, 8, 8, 8, 8]
    assert earlier[:, 1].tolist() == [-1, -1, 0, 1, 0, 0, 1, 2, 3]
    assert earlier[:, 2].tolist() == [2, 1, 2, 1, 1, -1, -1, 2, 1]  # the first word is told before its turn
    assert (earlier[:, 3] == -1).all()  # no turns are marked
    turns = torch.tensor([[20, 3, 1, 7, 3, 0, 2, 8, 3, 1]])
    assert held_words(turns, torch.tensor([0]))[0, :, 3].tolist() == [-1, -1, 0, 0, 0, 0, 1, 1, 1, 0]
    assert held_words(turns, torch.tensor([3]))[0, :, 3].tolist() == [-1, -1, -1, -1, -1, 0, 0, 0, 0, 1]
    long = torch.full((1, 30), 3)
    long[0, 0] = 5
    assert held_words(long, torch.tensor([0]))[0, :, 1].max() == MAX_AGE


@pytest.mark.parametrize("lag", [0, 1, 5])
def test_held_words_step_by_step(lag):
    text = torch.randint(-1, 6, (4, 40), generator=torch.Generator().manual_seed(0))
    state = HoldState(4, lag)
    steps = torch.stack([state.step(text[:, t]) for t in range(40)], dim=1)
    assert torch.equal(steps, held_words(text, torch.full((4,), lag)))
    state.reset([1])
    again = torch.stack([state.step(text[:, t]) for t in range(40)], dim=1)
    assert torch.equal(again[1], steps[1]) and not torch.equal(again[0], steps[0])
    paused = HoldState(4, lag)
    for t in range(40):
        paused.step(text[:, 39 - t], torch.tensor([False, True, False, False]))
        features = paused.step(text[:, t], torch.tensor([True, False, True, True]))
        assert torch.equal(features[[0, 2, 3]], steps[[0, 2, 3], t])


@torch.no_grad()
def test_the_word_held_is_that_of_the_audio_frame_to_predict():
    """Text 4 frames ahead: the state that predicts frame t sees the text of frame t - 4 as held."""
    shape = TransformerConfig(16, 1, 2, ffn_dim=24, context=1)
    model = make_model(temporal=shape)
    tokens = torch.zeros(1, 7, 12, dtype=torch.int64)
    tokens[:, 0] = 3
    other = tokens.clone()
    other[0, 0, 1 + 2] = 9  # a word in text frame 2; input i holds frame i - 1
    task = torch.tensor([model.config.task_index("tts")])
    assert [model.config.hold_lag(name) for name in ("asr", "dialogue", "tts")] == [0, 0, 3]
    differs = (model(tokens, task) - model(other, task)).abs().amax(dim=(0, 2)) > 1e-6
    assert differs.nonzero().flatten().tolist() == list(range(3, 12))  # inputs 3 to 5 know that it comes


@torch.no_grad()
def test_the_turn_is_held_where_it_is_asked_for():
    shape = TransformerConfig(16, 1, 2, ffn_dim=24, context=1)
    tokens = torch.zeros(1, 7, 12, dtype=torch.int64)
    tokens[:, 0, 1], other = BOS, tokens.clone()
    other[:, 0, 1] = EOS
    for hold, told in ((False, [1]), (True, [1, *range(4, 12)])):  # 3 frames later it is the turn of the audio
        model = make_model(temporal=shape, turn_hold=hold)
        task = torch.tensor([model.config.task_index("tts")])
        differs = (model(tokens, task) - model(other, task)).abs().amax(dim=(0, 2)) > 1e-6
        assert differs.nonzero().flatten().tolist() == told
    with pytest.raises(AudiolmError, match="turn_hold: true, but text_hold is false"):
        make_model(text_hold=False, turn_hold=True)


@torch.no_grad()
def test_states_depend_on_task_and_held_word():
    model = make_model()
    tokens = torch.zeros(2, 7, 5, dtype=torch.int64)
    tokens[:, 0] = torch.tensor([[5, 3, 3, 3, 3], [6, 3, 3, 3, 3]])
    task = torch.zeros(2, dtype=torch.int64)
    states = model(tokens, task)
    assert not torch.allclose(states, model(tokens, task + 1))
    plain = make_model(text_hold=False, temporal=TransformerConfig(16, 1, 2, ffn_dim=24, context=1))
    tokens[:, 0, 0] = 3
    assert torch.allclose(*plain(tokens, task))  # one frame of context and no held word: nothing tells them apart
