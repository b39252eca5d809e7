"""Two speakers' speech (``--text.turns``): the recipe from the corpus to its score."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "egs/mini/dialogue1"


@pytest.mark.slow
def test_both_speakers_turns_are_spoken_and_scored(tmp_path):
    work = tmp_path / "work"
    run = [RECIPE / "run.sh", "--budget", "smoke", "--dir", work, "--hours", "0.05", "--eval_minutes", "0.5"]
    run += ["--text.turns", "--phases", "conf/turns/*.yaml", "--stop_stage", "report"]
    run += ["--generate.num_turns", "2", "--generate.num_tts", "2", "--generate.num_continue", "1"]
    environment = {**os.environ, "AUDIOLM_VENV": str(Path(sys.executable).parents[1])}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    exp = work / "exp/lm_turns"
    items = [json.loads(line) for line in (exp / "generate/turns/meta.jsonl").read_text().splitlines()]
    assert len(items) == 2 and all(len(item["texts"]) == 2 for item in items)
    score = json.loads((exp / "scores/wer_turns_pocketsphinx.json").read_text())
    assert score["count"] == sum(len(text.split()) for item in items for text in item["texts"].values())
    assert "Two speakers" in (work / "report.html").read_text()
