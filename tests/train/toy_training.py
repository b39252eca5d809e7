"""Training runs of toy systems that take a fraction of a second, for this process or for another one."""

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


def train_codec(exp_dir, system: str = "codec", **keys) -> None:
    """Train a tiny codec to its end, with discriminators from step 5."""
    from audiolm.train.loop import train

    given = {"system": system, **COMMON, "trainer.log_every": 1, "trainer.valid_every": 20, **CODEC, **keys}
    train(read_config([], [(name, str(value)) for name, value in given.items()]), exp_dir)


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
