"""Streaming generation equals teacher forcing; modes; slots."""

import numpy as np
import pytest
import torch

from audiolm.lm.sampling import RepetitionGuard, Sampling
from audiolm.models.moshi.data import delayed_input
from audiolm.models.moshi.generate import MoshiStream, SampledText, complete
from audiolm.models.moshi.speak import SpeakConfig, SpeakWords
from audiolm.streams.delays import undelay
from audiolm.streams.grid import ABSENT, TO_GENERATE
from audiolm.streams.text import read_text
from audiolm.text.tokenizer import EPAD, PAD
from tests.models.conftest import ENTRIES, LEVELS, TEXT, every_pair, make_model

GREEDY = Sampling(temperature=0)
GUARD = RepetitionGuard(window=4, share=0.3)
FRAMES = 28  # the model sees 12


def random_grid(batch: int, speakers: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, ENTRIES, (batch, LEVELS * speakers, FRAMES))
    return np.concatenate((rng.integers(0, TEXT, (batch, 1, FRAMES)), codes), axis=1)


@torch.no_grad()
def teacher_forced(model, grid: np.ndarray, task: str) -> np.ndarray:
    """The likeliest token of every cell given all cells before it, as a grid without delays."""
    config = model.config
    delays = config.delays(task)
    delayed = torch.from_numpy(np.stack([delayed_input(config.layout, one, delays) for one in grid]))
    tasks = torch.full((len(grid),), config.task_index(task))
    states = model(delayed[:, :, :-1], tasks)
    targets = delayed[:, :, 1:]
    frames = targets.transpose(1, 2).flatten(0, 1)
    codes = model.depth(states.flatten(0, 1), frames).argmax(dim=-1)  # [K, B * T]
    text = model.backbone.text_head(states).argmax(dim=-1)
    best = torch.cat((text[:, None], codes.view(len(codes), len(grid), -1).transpose(0, 1)), dim=1)
    return undelay(best.numpy(), delays[: best.shape[1]]) if len(delays) == best.shape[1] else best.numpy()


@torch.no_grad()
def code_logits(model, grid: np.ndarray, task: str) -> torch.Tensor:
    """Teacher-forced logits of all codes on the delayed grid, [K, B, T', entries]."""
    config = model.config
    delayed = torch.from_numpy(np.stack([delayed_input(config.layout, one, config.delays(task)) for one in grid]))
    states = model(delayed[:, :, :-1], torch.full((len(grid),), config.task_index(task)))
    logits = model.depth(states.flatten(0, 1), delayed[:, :, 1:].transpose(1, 2).flatten(0, 1))
    return logits.unflatten(1, (len(grid), -1))


@pytest.mark.parametrize(
    ("task", "given", "hold"),
    every_pair(
        ["dialogue", "asr", "tts"],
        ["nothing", "prompt", "audio", "text"],
        [dict(text_hold=True), dict(text_hold=False), dict(turn_hold=True)],
    ),
    ids=str,
)
def test_greedy_streaming_equals_teacher_forcing(task, given, hold):
    model = make_model(**hold)
    known = random_grid(3)
    grid = np.full_like(known, TO_GENERATE)
    if given == "prompt":
        grid[:, :, :10] = known[:, :, :10]
    elif given == "audio":
        grid[:, 1:] = known[:, 1:]
    elif given == "text":
        grid[:, 0] = known[:, 0]
    filled = complete(model, grid, task, GREEDY, GREEDY)
    is_open = grid == TO_GENERATE
    assert (filled[~is_open] == grid[~is_open]).all()
    assert len(np.unique(filled[is_open])) > 4  # it is not stuck on one token
    assert (teacher_forced(model, filled, task)[is_open] == filled[is_open]).all()


@pytest.mark.parametrize("guidance", [0.0, 2.5])
@pytest.mark.parametrize("text_hold", [True, False])
def test_guidance_mixes_the_logits_with_and_without_text(guidance, text_hold):
    model = make_model(text_hold=text_hold)
    grid = random_grid(2)
    grid[:, 1:] = TO_GENERATE
    filled = complete(model, grid, "tts", GREEDY, GREEDY, guidance=guidance)
    textless = filled.copy()
    textless[:, 0] = ABSENT
    with_text, without = (code_logits(model, one, "tts") for one in (filled, textless))
    best = (without + guidance * (with_text - without)).argmax(dim=-1)  # [K, B, T']
    delays = model.config.delays("tts")
    assert (undelay(best.transpose(0, 1).numpy(), delays[1:]) == filled[:, 1:])[..., : FRAMES - 1].all()
    plain = complete(model, grid, "tts", GREEDY, GREEDY)
    assert (filled != plain).any()
    if guidance == 0:
        grid[:, 0] = ABSENT
        assert (complete(model, grid, "tts", GREEDY, GREEDY)[:, 1:] == filled[:, 1:]).all()


def test_acoustic_levels_may_be_drawn_in_another_way():
    model = make_model()
    grid = np.full_like(random_grid(2), TO_GENERATE)
    mixed = complete(model, grid, "tts", Sampling(1.0), GREEDY, acoustic=GREEDY)
    best = teacher_forced(model, mixed, "tts")
    equal = (best == mixed)[..., : FRAMES - 1].mean(axis=(0, 2))
    semantic = [1, 1 + LEVELS]
    assert (np.delete(equal, semantic) == 1).all()  # text and acoustic levels are the likeliest
    assert (equal[semantic] < 0.9).all()


def test_absent_user_and_main_only_model():
    model = make_model(predict="main")
    grid = random_grid(2)
    grid[:, model.config.layout.user] = ABSENT
    grid[:, model.config.layout.main, 10:] = TO_GENERATE
    grid[:, 0, 10:] = TO_GENERATE
    filled = complete(model, grid, "dialogue", GREEDY, GREEDY)
    assert (filled >= 0).all(axis=(0, 2)).tolist() == [True] * (1 + LEVELS) + [False] * LEVELS
    best = teacher_forced(model, filled, "dialogue")  # [2, 1 + main levels, T'], delayed
    assert (best[:, 0, 10:FRAMES] == filled[:, 0, 10:]).all()
    assert (best[:, 2, 11 : FRAMES + 1] == filled[:, 2, 10:]).all()


def test_each_slot_is_what_it_is_alone_and_resets_alone():
    model = make_model()
    long = torch.full((1 + 2 * LEVELS,), TO_GENERATE)
    prompts = torch.from_numpy(random_grid(3))[:, :, :5]  # three conversations' first frames

    def make(seeds, sampling):
        return MoshiStream(
            model, len(seeds), "dialogue", sampling, SampledText(sampling, len(seeds)), seeds, repetition=GUARD
        )

    def run(stream, plan, steps):
        outputs = [stream.step(torch.stack([forced(t) for forced in plan])) for t in range(steps)]
        return torch.stack(outputs, dim=2)

    def conversation(index, start=0):
        return lambda t: prompts[index, :, t - start] if 0 <= t - start < 5 else long

    for sampling in (GREEDY, Sampling(1.0), Sampling(0.8, top_k=4)):
        alone = [run(make([i], sampling), [conversation(i)], 20)[0] for i in range(3)]
        stream = make([0, 1], sampling)
        first = run(stream, [conversation(0), conversation(1)], 12)
        stream.begin([0], [2])
        second = run(stream, [conversation(2), lambda t: long], 8)
        assert first[0].tolist() == alone[0][:, :12].tolist()
        assert second[0].tolist() == alone[2][:, :8].tolist()
        assert torch.cat((first, second), dim=2)[1].tolist() == alone[1].tolist()


def test_recognition_takes_the_delay_away():
    model = make_model()
    grid = random_grid(1)
    grid[:, 0] = TO_GENERATE
    calls = []

    def echo(logits, uniform, may):  # what a perfect recogniser of level 1 would say, four frames late
        calls.append(model_steps())
        return torch.from_numpy(grid[:, 1, len(calls) - 1] + 4)

    stream_steps = []
    model.backbone.register_forward_hook(lambda *_: stream_steps.append(1))

    def model_steps():
        return len(stream_steps)

    filled = complete(model, grid, "asr", GREEDY, GREEDY, text=echo)
    assert filled[0, 0].tolist() == (grid[0, 1] + 4).tolist()
    # Frame u's text is chosen in step u + 5 (from 1): frames 0 … u + 3 of the sound have been seen then.
    assert calls == [u + 5 for u in range(FRAMES)]


class TestSpeakWords:
    words = [[[5, 6], [7]], [[8]]]

    def speak(self, logits: list[int], **config):
        """Feed frames whose likeliest token is given, one a frame for both slots; return [slots, frames]."""
        policy = SpeakWords(self.words, GREEDY, SpeakConfig(**config))
        frames = []
        for best in logits:
            row = torch.zeros(2, TEXT)
            row[:, best] = 1
            frames.append(policy(row, torch.ones(2), torch.ones(2, dtype=torch.bool)))
        return torch.stack(frames, dim=1).tolist(), policy

    def test_words_in_order_at_the_models_times(self):
        spoken, policy = self.speak([PAD, EPAD, PAD, PAD, PAD, 15, PAD, EPAD])
        assert spoken[0] == [
            PAD,
            EPAD,
            5,
            6,
            PAD,
            7,
            PAD,
            PAD,
        ]  # after EPAD and within a word, pieces come by themselves
        assert spoken[1] == [PAD, EPAD, 8, PAD, PAD, PAD, PAD, PAD]  # nothing is announced when all is said
        assert policy.all_said.tolist() == [True, True]
        assert policy.last_frame.tolist() == [5, 2]

    def test_a_pause_ends(self):
        spoken, _ = self.speak([PAD] * 8, max_pause=2)
        assert spoken[0] == [PAD, PAD, EPAD, 5, 6, PAD, PAD, EPAD]

    def test_bonus_holds_the_share_of_padding(self):
        spoken, _ = self.speak([15] * 6, pad_bonus=5.0, pad_share=0.5)
        assert spoken[0] == [5, 6, PAD, PAD, 7, PAD]

    def test_words_are_read_back(self):
        model = make_model()
        grid = np.full((2, 1 + 2 * LEVELS, FRAMES), TO_GENERATE)
        grid[:, model.config.layout.user] = ABSENT
        policy = SpeakWords(self.words, GREEDY, SpeakConfig(max_pause=3))
        filled = complete(model, grid, "tts", GREEDY, GREEDY, text=policy)
        begins = np.array([t not in (6,) for t in range(TEXT)])
        assert [[word.pieces for word in read_text(one[0], begins)] for one in filled] == self.words
        assert (filled[:, 1 : 1 + LEVELS] >= 0).all()
