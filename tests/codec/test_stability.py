"""Short trainings on real speech, with many seeds: losses stay finite, codebooks stay in use."""

import json

import pytest
from tiny_codecs import settings

from audiolm.codec.discriminators import DiscriminatorConfig
from audiolm.codec.discriminators.spectral import StftConfig
from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.train.options import read_config

STEPS = 100  # 6400 frames: twice the 50 · 64 that the usage of a codebook of 64 looks back on


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("seed", range(5))
def test_losses_stay_finite_and_codebooks_in_use(shared_data, tmp_path, precision, seed):
    """Discriminators from step 50 on; the loop itself ends a run whose losses or gradients are not finite."""
    from audiolm.train.loop import train

    config = {name: plain(value) for name, value in settings().items()}
    config["quantizer"] |= {"n_q": 4, "codebook_size": 64, "dead_after": 20}
    config |= {
        "system": "codec",
        "train_dir": [str(shared_data / name) for name in ("librispeech_train_clean_100", "ljspeech", "fsdd")],
        "train_weights": [2.0, 1.0, 1.0],
        "valid_dir": str(shared_data / "librispeech_test_other"),
        "crop": 0.64,
        "gain": [-10.0, 6.0],
        "valid_crops": 8,
        "samples": 0,
        "mel": {"windows": [64, 256, 512], "bands": [8, 16, 32]},
        "discriminator": plain(DiscriminatorConfig(stft=StftConfig(n_fft=[256, 128], channels=4, dilations=[1]))),
        "discriminator_start": 50,
        "adversarial_start": 60,
        "balance": {"mel": 1.0, "time": 0.05, "adversarial": 0.5, "features": 0.5},
        "trainer": {"max_steps": STEPS, "batch_size": 8, "seed": seed, "precision": precision, "log_every": 10}
        | {"accelerator": "cpu", "min_free_disk": 0.0, "valid_every": 0, "save_every": 0},
    }
    write_yaml(tmp_path / "config_given.yaml", config)
    train(read_config([tmp_path / "config_given.yaml"]), tmp_path / "exp")
    lines = [json.loads(line) for line in (tmp_path / "exp/metrics.jsonl").read_text().splitlines()]
    assert None not in {value for line in lines for value in line.values()}
    last = lines[-2]
    assert last["step"] == STEPS and {"adversarial", "loss/discriminator"} <= last.keys()
    for level in range(1, 5):
        assert last[f"usage{level}"] > 0.8, last
    alone = [line["mel"] for line in lines if "mel" in line and line["step"] <= 50]  # before discriminators this small
    assert min(alone) < 0.8 * alone[0]
