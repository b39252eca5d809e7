"""Training as one job of Slurm with several tasks: the same weights as from as many processes of this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from toy_training import toy_run

from audiolm.errors import AudiolmError
from audiolm.train.checkpoint import load_model
from audiolm.train.config import TrainerConfig
from audiolm.train.devices import cluster

HERE = Path(__file__).parent


def train(processes, tmp_path, exp_dir, launcher=(), **keys):
    config = tmp_path / f"{exp_dir.name}.yaml"
    config.write_text(yaml.safe_dump(toy_run("Line", **{"trainer.accelerator": "cpu", **keys}).complete))
    command = [sys.executable, "-m", "audiolm.commands.main", "train", "--config", str(config), "--exp", str(exp_dir)]
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *command], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return load_model(exp_dir)


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "tasks"), [(1, 2), (2, 1)])
def test_tasks_of_slurm_equal_processes_of_this_machine(slurm, tmp_path, nodes, tasks):
    launch = [sys.executable, "-m", "audiolm.commands.main", "launch", "--backend", "slurm"]
    launch += ["--nodes", str(nodes), "--tasks", str(tasks), str(tmp_path / "train.log")]
    keys = {"trainer.devices": tasks, "trainer.num_nodes": nodes}
    there = train(2, tmp_path, tmp_path / "there", launch, **keys)
    here = train(2, tmp_path, tmp_path / "here", **{"trainer.devices": 2})
    assert here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)
    log = (tmp_path / "train.log").read_text()
    assert "srun" in log.splitlines()[0] and "available on your system but is not used" not in log


def test_only_tasks_that_srun_has_started_are_taken_for_the_runs_processes():
    two = TrainerConfig(devices=2, batch_size=8)
    job = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "x"}  # the script of a job, or a command in it without srun
    kinds = lambda config, environment: [type(p).__name__ for p in cluster(config, environment)]  # noqa: E731
    assert kinds(two, {}) == []
    assert kinds(two, {**job, "SLURM_STEP_NUM_TASKS": "2"}) == []
    assert kinds(two, {**job, "TORCHELASTIC_RUN_ID": "1"}) == []
    assert kinds(two, job) == kinds(TrainerConfig(), {**job, "SLURM_STEP_NUM_TASKS": "1"}) == ["LightningEnvironment"]
    with pytest.raises(AudiolmError, match="devices 2 × trainer.num_nodes 1 make 2 processes, but Slurm has started 4"):
        cluster(two, {**job, "SLURM_STEP_NUM_TASKS": "4"})
    with pytest.raises(AudiolmError, match="make 4 processes, but Slurm has started 1; .* --nodes 2 --tasks 2"):
        cluster(TrainerConfig(devices=2, num_nodes=2), job)
