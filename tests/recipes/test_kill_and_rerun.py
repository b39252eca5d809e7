"""A run that is killed ten times ends with the files of one that is not."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("kill_and_rerun", Path(__file__).with_name("kill_and_rerun.py"))
kill_and_rerun = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kill_and_rerun)


def test_comparison_sees_what_counts_and_only_that(tmp_path):
    for name in ("a", "b"):
        folder = tmp_path / name
        (folder / "exp/tensorboard").mkdir(parents=True)
        (folder / "exp/tensorboard/events").write_text(name)
        (folder / "exp/score.json").write_text(f'{{"value": 1.5, "seconds": {len(str(folder))}.{ord(name)}}}')
        (folder / "wav.scp").write_text(f"x {folder}/x.flac\n")
        (folder / "weights.safetensors").write_bytes(b"\xff\x00")
    assert kill_and_rerun.compare(tmp_path / "a", tmp_path / "b") == []
    (tmp_path / "b/weights.safetensors").write_bytes(b"\xff\x01")
    (tmp_path / "b/exp/score.json").write_text('{"value": 1.6}')
    (tmp_path / "a/text").touch()
    found = kill_and_rerun.compare(tmp_path / "a", tmp_path / "b")
    assert [line.partition(":")[0] for line in found] == ["text", "exp/score.json", "weights.safetensors"]


SMALL = """
hours=0.05
eval_minutes=0.3
sizes=(--trainer.max_steps 12 --trainer.save_every 2 --trainer.batch_size 4)
recognizer_args+=("${sizes[@]}") codec_args+=("${sizes[@]}") textlm_args+=("${sizes[@]}") lm_args+=("${sizes[@]}")
generate_args+=(--num_tts 6 --num_continue 1 --num_unconditional 1 --seconds 5)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_kills_leave_no_trace(tmp_path, monkeypatch):
    """From the corpus to the scores, in some three minutes; AUDIOLM_TEST_SEED draws other moments."""
    monkeypatch.setenv("AUDIOLM_VENV", str(Path(sys.executable).parents[1]))
    (tmp_path / "small.sh").write_text(SMALL)
    options = ["--budget", "smoke", "--config", str(tmp_path / "small.sh"), "--stop_stage", "score"]
    moments = random.Random(int(os.environ.get("AUDIOLM_TEST_SEED", 0)))
    recipe = ROOT / "egs/mini/dialogue1"
    assert kill_and_rerun.kill_and_rerun(recipe, options, tmp_path / "work", 10, moments) == []
