"""Training runs of toy systems that take a fraction of a second, for this process or for another one."""

import os
from pathlib import Path

import torch

from audiolm.train.checkpoint import load_model
from audiolm.train.config import TrainConfig
from audiolm.train.options import read_config

COMMON = {"trainer.max_steps": 20, "trainer.batch_size": 8, "trainer.min_free_disk": 0, "trainer.log_every": 5}
COMMON |= {"trainer.precision": "fp32", "trainer.valid_every": 5, "trainer.save_every": 5}


def toy_run(system: str = "Line", **keys) -> TrainConfig:
    """Return the configuration of a toy system; ``trainer__max_steps=5`` sets ``trainer.max_steps``."""
    keys = {name.replace("__", "."): value for name, value in keys.items()}
    given = {"system": f"toy_systems:{system}", **COMMON, **keys}
    return read_config([], [(name, str(value)) for name, value in given.items()])


def train_toy(exp_dir, system: str = "Line", **keys) -> None:
    """Train a toy system to its end."""
    from audiolm.train.loop import train

    train(toy_run(system, **keys), exp_dir)


def rank(number: int, port: int, train, exp_dir, system, keys) -> None:
    """Train as one of two processes that a launcher such as torchrun has started."""
    os.environ |= {"LOCAL_RANK": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(exp_dir, system, **keys)


def train_codec(exp_dir, system: str = "codec", **keys) -> None:
    """Train a tiny codec to its end, with discriminators from step 5."""
    from audiolm.train.loop import train

    given = {"system": system, **COMMON, "trainer.log_every": 1, "trainer.valid_every": 20, **CODEC, **keys}
    train(read_config([], [(name, str(value)) for name, value in given.items()]), exp_dir)


def same_weights(one, two) -> None:
    one, two = load_model(one), load_model(two)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-4)


def train_moshi(exp_dir, system: str = "moshi", **keys) -> None:
    """Train a tiny dialogue LM to its end on the sets of ``tests.models.conftest.write_dump`` beside ``exp_dir``."""
    from audiolm.train.loop import train

    sets = {"data.train": exp_dir.parent / "train", "data.valid": exp_dir.parent / "dev"}
    given = {"system": system, **COMMON, "trainer.log_every": 1, "trainer.valid_every": 20, **MOSHI, **sets, **keys}
    train(read_config([], [(name, str(value)) for name, value in given.items()]), Path(exp_dir))


MOSHI = {
    "model": """{text_vocab: 20, levels: 3, codebook_size: 8, text_hold: true,
        temporal: {dim: 16, layers: 2, heads: 2, ffn_dim: 24, context: 12},
        depth: {dim: 8, layers: 2, heads: 2, ffn_dim: 12},
        tasks: {dialogue: {text_delay: 0, acoustic_delay: 1}, asr: {text_delay: 4, acoustic_delay: 2}}}""",
    "data.frames": 30,
    "data.valid_windows": 3,
    "data.mix": """{dialogue: {depth_fraction: 0.5, text_mask: 0.3, text_shift: 0.3},
        asr: {text_weight: 3.0, user_mask: 0.5}}""",
    "optimizers.main": "{lr: 2.0e-3, eps: 1.0e-5}",  # gradients that should be 0 are rounding errors: no steps by signs
}

CODEC = {
    "sample_rate": 8000,
    "frame_rate": 12.5,
    "dim": 16,
    "encoder": "{stft: {n_fft: 320, stft_hop: 160, ratios: [2], channels: 16, blocks: 1}}",
    "decoder": "{istft: {n_fft: 320, stft_hop: 160, ratios: [2], channels: 16, blocks: 1}}",
    "encoder_transformer": "null",
    "decoder_transformer": "null",
    "quantizer.n_q": 3,
    "quantizer.codebook_size": 16,
    "quantizer.codebook_dim": 8,
    "quantizer.dead_after": 3,
    "quantizer.dropout": 0.5,
    "quantizer.unquantized": 0.3,
    "crop": 0.64,
    "valid_crops": 2,
    "samples": 1,
    "mel": "{windows: [64, 256], bands: [8, 16]}",
    "discriminator": "{stft: {n_fft: [128], channels: 4, dilations: [1]}}",
    "discriminator_start": 5,
    "adversarial_start": 8,
    "optimizers.codec.lr": 2e-4,  # small: Adam's first steps go by signs, of rounding errors too
    "optimizers.discriminator.lr": 2e-4,
}
