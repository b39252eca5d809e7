"""A tiny model and tiny archives for the tests of audio LMs."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.text import build_text

RATE = 12.5
LEVELS, ENTRIES, TEXT = 3, 8, 20


def model_config(**options) -> ModelConfig:
    """2 layers of 16 channels, 3 levels of 8 entries, 20 text ids, three tasks."""
    shape = dict(
        text_vocab=TEXT,
        levels=LEVELS,
        codebook_size=ENTRIES,
        temporal=TransformerConfig(dim=16, layers=2, heads=2, ffn_dim=24, context=12),
        depth=DepthConfig(dim=8, layers=2, heads=2, ffn_dim=12),
        tasks={"dialogue": TaskConfig(0, 1), "asr": TaskConfig(4, 2), "tts": TaskConfig(-4, 2)},
        text_hold=True,
    )
    return ModelConfig(**(shape | options))


def _delays(levels: list[int]) -> dict[str, TaskConfig]:
    texts = {"dialogue": 0, "asr": 4, "tts": -4}
    return {name: TaskConfig(text, delays=levels) for name, text in texts.items()}


def _depth(**options) -> DepthConfig:
    return DepthConfig(dim=8, layers=2, heads=2, ffn_dim=12, **options)


# What the papers' ablations and the released models vary, by name.
SHAPES = {
    "shared": {"depth": _depth(schedule=[0] * 2 * LEVELS)},
    "schedule and low rank": {"depth": _depth(schedule=[0, 1, 1] * 2, low_rank=4)},
    "heads": {"depth": None},
    "heads, a delay each": {"depth": None, "tasks": _delays([0, 1, 2])},
    "semantic level last": {"tasks": _delays([2, 0, 1])},
    "one speaker": {"speakers": 1, "depth": _depth(schedule=[0, 0, 1])},
    "main speaker only": {"predict": "main", "depth": _depth(low_rank=3)},
    "heads for the main speaker": {"predict": "main", "depth": None, "tasks": _delays([0, 2, 2])},
}


def every_pair(*axes: Sequence) -> list:
    """All combinations of the axes' values, for parametrize; of them a third is fast, in which, of three axes of three
    or more values, each value still meets each of every other axis.
    """
    return [
        pytest.param(
            *(axis[place] for axis, place in zip(axes, places, strict=True)),
            marks=pytest.mark.slow if sum(places) % 3 else (),
        )
        for places in itertools.product(*(range(len(axis)) for axis in axes))
    ]


def make_model(**options) -> MoshiModel:
    """With weights large enough for sharp choices."""
    torch.manual_seed(0)
    model = MoshiModel(model_config(**options)).eval()
    with torch.no_grad():
        model.depth.heads.weight.mul_(4)
        model.backbone.text_head.weight.mul_(4)
    return model


@pytest.fixture
def dump(tmp_path) -> Path:
    """dump/{train,dev} (:func:`write_dump`)."""
    return write_dump(tmp_path)


def write_dump(root: Path) -> Path:
    """train and dev: two conversations of two channels, and one recording by itself whose text was rejected."""
    rng = np.random.default_rng(0)
    for name in ("train", "dev"):
        directory = root / name
        frames = {"d1-A": 60, "d1-B": 60, "d2-A": 25, "d2-B": 25, "x": 40}
        pairs = {reco: tuple(reco.split("-")) for reco in frames if "-" in reco}
        data = DataDir(
            wav={reco: f"/nowhere/{reco}.flac" for reco in frames},
            reco2dur={reco: count / RATE for reco, count in frames.items()},
            reco2file_and_channel=pairs | {"x": ("x", "A")},
        )
        data.write(directory / "audio")
        with TokenWriter(directory / "codes", "codes", 1, Meta(RATE, (ENTRIES,) * LEVELS, "codec")) as writer:
            for reco, count in frames.items():
                writer.write(reco, rng.integers(0, ENTRIES, (count, LEVELS)))
        with TokenWriter(directory / "text", "text", 1, Meta(RATE, (TEXT,), "tokenizer")) as writer:
            for reco in pairs:
                starts = np.sort(rng.uniform(0, frames[reco] / RATE - 0.5, frames[reco] // 6))
                tokens, _ = build_text(starts, [[int(rng.integers(4, TEXT))] for _ in starts], frames[reco], RATE)
                writer.write(reco, tokens[:, None])
    return root
