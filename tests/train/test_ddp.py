"""Several processes on one CPU (gloo): the same global batch gives the same weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from toy_training import toy_run, train_toy

from audiolm.train.checkpoint import Checkpoints, load_model

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def train_on(processes: int, tmp_path, exp_dir, system, **keys) -> None:
    config = tmp_path / "config.yaml"
    keys = {"trainer.accelerator": "cpu", "trainer.devices": processes, **keys}
    config.write_text(yaml.safe_dump(toy_run(system, **keys).complete))
    command = [sys.executable, "-m", "audiolm.commands.main", "train", "--config", str(config), "--exp", str(exp_dir)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("system", ["Line", "Gan"])
def test_two_processes_equal_one(tmp_path, system):
    keys = {"trainer.accumulate": 2, "trainer.ema_decay": 0.9}
    train_toy(tmp_path / "one", system, **keys)
    train_on(2, tmp_path, tmp_path / "two", system, **keys)
    one, two = load_model(tmp_path / "one"), load_model(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-4)
    logs = [(tmp_path / run / "metrics.jsonl").read_text().count("\n") for run in ("one", "two")]
    assert logs[0] == logs[1]


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    train_toy(tmp_path / "straight")
    train_toy(tmp_path / "changed", **{"trainer.max_steps": 10})
    train_on(2, tmp_path, tmp_path / "changed", "Line")
    straight, changed = load_model(tmp_path / "straight"), load_model(tmp_path / "changed")
    for name in straight:
        torch.testing.assert_close(changed[name], straight[name], rtol=1e-4, atol=1e-4)


def test_two_processes_resume_exactly(tmp_path):
    train_on(2, tmp_path, tmp_path / "straight", "Gan", dropout=0.3)
    train_on(2, tmp_path, tmp_path / "stopped", "Gan", dropout=0.3, **{"trainer.max_steps": 10})
    train_on(2, tmp_path, tmp_path / "stopped", "Gan", dropout=0.3)
    straight, stopped = (Checkpoints(tmp_path / run).read(20, "system") for run in ("straight", "stopped"))
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


def test_an_error_on_one_rank_ends_all(tmp_path):
    with pytest.raises(AssertionError, match="step 13 is not finite: loss/main inf"):
        train_on(2, tmp_path, tmp_path / "exp", "Line", bad_step=12)
