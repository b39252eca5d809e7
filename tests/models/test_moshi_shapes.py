"""Every shape of the model: steps equal whole sequences, delays, parameters of the paper, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.lm.depth import DepthConfig
from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.data import DataConfig, MixConfig, delayed_input
from audiolm.models.moshi.generate import complete
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.models.moshi.system import MoshiConfig
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.delays import delay
from audiolm.streams.grid import TO_GENERATE
from audiolm.train.options import read_config
from tests.models.conftest import ENTRIES, LEVELS, SHAPES, TEXT, every_pair, make_model, model_config

PAPER = Path(__file__).parents[2] / "egs/fisher/dialogue1/conf/paper"


@pytest.mark.parametrize(("shape", "task"), every_pair(list(SHAPES), ["dialogue", "asr", "tts"]))
@torch.no_grad()
def test_greedy_steps_are_the_likeliest_tokens_of_whole_sequences(shape, task):
    model = make_model(**SHAPES[shape])
    config, greedy = model.config, Sampling(temperature=0)
    predicted = 1 + config.predicted_levels
    grid = np.random.default_rng(0).integers(0, ENTRIES, (2, config.layout.num_streams, 20))
    grid[:, :predicted, 3:] = TO_GENERATE
    filled = complete(model, grid, task, greedy, greedy)
    delays = config.delays(task)
    assert len(delays) == config.layout.num_streams
    delayed = torch.from_numpy(np.stack([delayed_input(config.layout, one, delays) for one in filled]))
    states = model(delayed[:, :, :-1], torch.full((2,), config.task_index(task)))
    frames = delayed[:, :, 1:].transpose(1, 2).flatten(0, 1)
    codes = model.depth(states.flatten(0, 1), frames).argmax(dim=-1).view(-1, 2, states.shape[1]).transpose(0, 1)
    best = torch.cat((model.backbone.text_head(states).argmax(dim=-1)[:, None], codes), dim=1)
    is_open = delay(grid == TO_GENERATE, delays, fill=0)[0][:, :predicted]
    assert is_open.any() and len(np.unique(filled[grid == TO_GENERATE])) > 4
    assert (best.numpy() == delayed[:, :predicted, 1:].numpy())[is_open].all()


def test_any_delay_pattern_serves_both_speakers():
    tasks = {"dialogue": TaskConfig(delays=[0, 1, 2]), "tts": TaskConfig(-4, delays=[1, 0, 3]), "asr": TaskConfig(9)}
    config = model_config(tasks=tasks)
    assert config.delays("dialogue") == [0, 0, 1, 2, 0, 1, 2]
    assert config.delays("tts") == [0, 5, 4, 7, 5, 4, 7]
    assert config.delays("asr") == [9, 0, 1, 1, 0, 1, 1]
    assert [config.hold_lag(name) for name in ("dialogue", "tts", "asr")] == [0, 4, 0]
    assert model_config(speakers=1, tasks=tasks).delays("dialogue") == [0, 0, 1, 2]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"tasks": {"tts": TaskConfig(delays=[0, 1])}},
            r"tasks.tts: delays \[0, 1\] of the levels, expected 3 numbers",
        ),
        ({"tasks": {"tts": TaskConfig(delays=[0, 1, -1])}}, "numbers of frames ≥ 0"),
        ({"tasks": {"tts": TaskConfig(acoustic_delay=-1)}}, "numbers of frames ≥ 0"),
        ({"depth": DepthConfig(schedule=[0, 1, 1])}, "a schedule of 3 levels, the model predicts 6 codes"),
        ({"temporal": TransformerConfig(causal=False)}, "temporal.causal: false"),
    ],
)
def test_shapes_refused(options, message):
    with pytest.raises(AudiolmError, match=message):
        model_config(**options)


def test_shapes_from_options():
    window = [("data.mix.dialogue.weight", "1")]
    pattern = [("model.tasks.dialogue.delays", "[0, 1, 2, 3, 4, 5, 6, 7]")]
    heads = read_config([PAPER / "lm.yaml"], [*window, *pattern, ("model.depth", "null")]).config.model
    assert heads.depth is None and heads.delays("dialogue") == [0, *range(8), *range(8)]
    depth = [("model.depth.schedule", "[0, 1, 2, 3, 3, 3, 3, 3]"), ("model.depth.low_rank", "128")]
    shared = read_config([PAPER / "lm.yaml"], [*window, *depth]).config.model
    levels, dim = 4, 1024
    expected = levels * 4096 * dim + 6 * (levels * (4 * dim * dim + 3 * dim * 2816) + 2 * dim) + 8 * dim * 2048
    expected += (32002 + 7 * 2050) * 128 + 8 * 128 * dim  # tables, and the matrices that widen them
    assert count(shared)["depth"] == expected
    assert count(heads)["depth"] == 8 * 4096 * 2048
    with pytest.raises(AudiolmError, match="a schedule of 2 levels, the model predicts 8 codes"):
        read_config([PAPER / "lm.yaml"], [*window, ("model.depth.schedule", "[0, 1]")])


def test_delays_longer_than_the_window_are_refused():
    data = DataConfig(frames=8, mix={"dialogue": MixConfig()})
    tasks = {"dialogue": TaskConfig(-6, delays=[0, 1, 2])}
    with pytest.raises(AudiolmError, match="a window of 8 frames, but task 'dialogue' delays a stream by 8"):
        MoshiConfig(model_config(tasks=tasks), data)


def test_grids_refused():
    model, task = make_model(), torch.zeros(1, dtype=torch.int64)
    grid = torch.zeros(1, 1 + 2 * LEVELS, 4, dtype=torch.int64)
    with pytest.raises(
        AudiolmError, match=r"shape \[1, 4, 4\], expected \[batch, 7, frames\]: text, then 2 × 3 streams"
    ):
        model(grid[:, :4], task)
    for stream, bad, message in (
        (0, TEXT + 1, f"id {TEXT + 1} in stream text, which has ids 0 to {TEXT}"),
        (2, ENTRIES + 1, f"id {ENTRIES + 1} in stream main2, which has ids 0 to {ENTRIES}"),
        (6, TO_GENERATE, f"id -2 in stream user3, which has ids 0 to {ENTRIES}"),
    ):
        wrong = grid.clone()
        wrong[0, stream, 2] = bad
        with pytest.raises(AudiolmError, match=message):
            model(wrong, task)
    grid[0, :, 0] = torch.tensor(model.config.layout.vocab_sizes)
    grid[0, 1:, 1] = -1
    assert torch.isfinite(model(grid, task)).all()


def count(config: ModelConfig) -> dict[str, int]:
    """Parameters of a model that is never made, by part."""
    with torch.device("meta"):
        model = MoshiModel(config)
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    return {name: number for name, number in parts.items() if number}


@pytest.mark.parametrize("predict, levels", [("main", 8), ("both", 16)])
def test_parameters_of_the_paper(predict, levels):
    config = read_config([PAPER / "lm.yaml"], [("data.mix.dialogue.weight", "1")]).config.model
    assert config.delays("dialogue") == [0, *[0, 1, 1, 1, 1, 1, 1, 1] * 2]
    config.predict = predict
    dim, inner = 4096, 11264
    layer = dim * 3 * dim + dim * dim + dim * 2 * inner + inner * dim + 2 * dim
    text = (32000 + 2) * dim + dim * 32000  # start token and absent row; head
    depth_layer = levels * (1024 * 4 * 1024 + 1024 * 3 * 2816) + 2 * 1024
    tables = (32000 + 2 + (levels - 1) * (2048 + 2)) * 1024
    expected = {
        "backbone": 32 * layer + dim + text,
        "audio_embedding": (16 * (2048 + 1) + 1) * dim,
        "depth": levels * dim * 1024 + tables + 6 * depth_layer + levels * 1024 * 2048,
    }
    found = count(config)
    print(found, sum(found.values()))
    assert found == expected
    absent = 2 * dim + levels * 1024  # rows that add nothing and learn nothing, which Moshi's tables lack
    if predict == "main":
        assert round((sum(found.values()) - absent) / 1e9, 2) == 7.69  # as published
