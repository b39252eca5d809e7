"""A recipe whose jobs are killed on Slurm, and whose nodes are drained, ends with the files of an undisturbed run."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("kill_on_slurm", Path(__file__).with_name("kill_on_slurm.py"))
kill_on_slurm = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kill_on_slurm)

SMALL = """
hours=0.1
eval_minutes=1
sizes=(--trainer.max_steps 4 --trainer.save_every 2 --trainer.batch_size 4)
recognizer_args+=("${sizes[@]}") codec_args+=("${sizes[@]}")
"""
KILLED = {"audio.train_dev_test", "dedup_index", "dedup_search", "diarize.test", "align.test", "text.train_dev_test"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("slurm")
def test_a_kill_in_every_array_and_drained_nodes_leave_no_trace(tmp_path, monkeypatch):
    """In some four minutes; AUDIOLM_TEST_SEED kills other jobs."""
    monkeypatch.setenv("AUDIOLM_VENV", str(Path(sys.executable).parents[1]))
    (tmp_path / "small.sh").write_text(SMALL)
    options = ["--budget", "smoke", "--config", str(tmp_path / "small.sh"), "--dedup", "true", "--stop_stage", "codes"]
    moments = random.Random(int(os.environ.get("AUDIOLM_TEST_SEED", 0)))
    differences, done, runs = kill_on_slurm.kill_on_slurm(
        ROOT / "egs/mini/dialogue1", options, tmp_path / "work", 4, kill_on_slurm.DRAIN, moments
    )
    assert differences == []
    assert set(done.killed) == KILLED | {"codes.train_dev_test"} and set(done.drained) == set(kill_on_slurm.DRAIN)
    assert runs == 1 + len(done.killed)
    said = (tmp_path / "work/disturbed.log").read_text()
    assert said.count("jobs failed; the same command redoes only these") == len(done.killed)
