"""Several processes on one CPU (gloo): the same global batch gives the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from toy_training import same_weights, toy_run, train_codec, train_toy

from audiolm.data.datadir import DataDir
from audiolm.train.checkpoint import Checkpoints

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def by_command(tmp_path, exp_dir, system, **keys) -> subprocess.CompletedProcess:
    """Train on two processes by ``audiolm train``, which starts the second one itself."""
    config = tmp_path / "config.yaml"
    keys = {"trainer.accelerator": "cpu", "trainer.devices": 2, **keys}
    config.write_text(yaml.safe_dump(toy_run(system, **keys).complete))
    command = [sys.executable, "-m", "audiolm.commands.main", "train", "--config", str(config), "--exp", str(exp_dir)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("system", ["Line", "Gan"])
def test_two_processes_equal_one(tmp_path, train_on_two, system):
    keys = {"trainer.accumulate": 2, "trainer.ema_decay": 0.9}
    train_toy(tmp_path / "one", system, **keys)
    train_on_two(tmp_path / "two", system, **keys)
    same_weights(tmp_path / "one", tmp_path / "two")
    logs = [(tmp_path / run / "metrics.jsonl").read_text().count("\n") for run in ("one", "two")]
    assert logs[0] == logs[1]


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    train_toy(tmp_path / "straight")
    train_toy(tmp_path / "changed", **{"trainer.max_steps": 10})
    done = by_command(tmp_path, tmp_path / "changed", "Line")
    assert done.returncode == 0, done.stderr
    same_weights(tmp_path / "straight", tmp_path / "changed")


def test_two_processes_resume_exactly(tmp_path, train_on_two):
    train_on_two(tmp_path / "straight", "Gan", dropout=0.3)
    train_on_two(tmp_path / "stopped", "Gan", dropout=0.3, **{"trainer.max_steps": 10})
    train_on_two(tmp_path / "stopped", "Gan", dropout=0.3)
    straight, stopped = (Checkpoints(tmp_path / run).read(20, "system") for run in ("straight", "stopped"))
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


def test_an_error_on_one_rank_ends_all(tmp_path):
    done = by_command(tmp_path, tmp_path / "exp", "Line", bad_step=12)
    assert done.returncode == 1
    assert "step 13 is not finite: loss/main inf" in done.stderr


@pytest.mark.parametrize("kind", ["ema", "factorised"])
def test_a_codec_on_two_processes_has_the_losses_of_one(tmp_path, train_on_two, kind):
    """All that looks at several samples at once is in effect: k-means start, dead entries, dropped levels, samples left
    unquantized, balanced gradients, the size of the discriminator's features."""
    rng = np.random.default_rng(0)
    for number in range(4):
        wav = np.cumsum(rng.standard_normal(24000)) * np.sin(np.arange(24000) / (2000 + 500 * number)) / 400
        soundfile.write(tmp_path / f"{number}.wav", np.clip(wav, -1, 1), 8000)
    DataDir(wav={f"r{number}": str(tmp_path / f"{number}.wav") for number in range(4)}).write(tmp_path)
    keys = {"train_dir": tmp_path, "valid_dir": tmp_path, "quantizer.kind": kind}
    train_codec(tmp_path / "one", "codec", **keys)
    train_on_two(tmp_path / "two", "codec", by=train_codec, **keys)
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    )
    assert [line["step"] for line in one] == [line["step"] for line in two] and one[-2]["step"] == 20
    assert {"loss/discriminator", "adversarial", "features", "commitment", "usage3"} <= one[-2].keys()
    for a, b in zip(one, two, strict=True):
        for name in a.keys() - {"seconds"}:
            close = 1e-3 if name.startswith("grad_norm") else 1e-4
            assert a[name] == pytest.approx(b[name], rel=close, abs=close), (a["step"], name)
