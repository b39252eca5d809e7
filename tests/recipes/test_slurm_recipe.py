"""The mini recipe's stages 1 to 9 on a real Slurm of one machine, one member of each array killed on the way."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("kill_and_rerun", Path(__file__).with_name("kill_and_rerun.py"))
kill_and_rerun = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kill_and_rerun)

SMALL = """
hours=0.05
eval_minutes=0.3
sizes=(--trainer.max_steps 4 --trainer.save_every 2 --trainer.batch_size 4)
recognizer_args+=("${sizes[@]}") codec_args+=("${sizes[@]}")
"""


class Killer(threading.Thread):
    """Kills the first member of every array that it sees, once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.killed: dict[str, int] = {}
        self.enough = threading.Event()

    def run(self):
        while not self.enough.wait(0.05):
            for entry in os.scandir("/proc"):
                try:
                    words = Path(entry.path, "cmdline").read_text().split("\0") if entry.name.isdigit() else []
                    if "audiolm.jobs.member" in words and "srun" not in self._children(entry.name):
                        self._see(int(entry.name), words[words.index("audiolm.jobs.member") + 1])
                except (FileNotFoundError, ProcessLookupError):
                    pass  # it has ended since the folder was listed

    def _children(self, member):
        found = []
        for child in Path(f"/proc/{member}/task/{member}/children").read_text().split():
            found.append(Path(f"/proc/{child}/cmdline").read_text().split("\0")[0])
        return found

    def _see(self, member, spool):
        array = re.sub(r"\.JOB\.slurm$", "", Path(spool).name)
        if ".JOB." in Path(spool).name and array not in self.killed and self._children(member):
            self.killed[array] = member
            os.kill(member, signal.SIGKILL)


def run(directory, *options, **variables):
    environment = {**os.environ, "AUDIOLM_VENV": str(Path(sys.executable).parents[1]), **variables}
    command = [ROOT / "egs/mini/dialogue1/run.sh", "--budget", "smoke", "--stop_stage", "codes", "--dir", directory]
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stages_on_slurm_write_what_they_write_here(slurm, tmp_path):
    (tmp_path / "small.sh").write_text(SMALL)
    small = ["--config", str(tmp_path / "small.sh")]
    there, here = tmp_path / "there", tmp_path / "here"
    killer = Killer()
    killer.start()
    try:
        cmd = "audiolm launch --backend slurm --cpus 1 --retries 1"
        said = run(there, *small, "--num_nodes", "2", cmd=cmd)  # training: two tasks, gloo
    finally:
        killer.enough.set()
    assert {"simulate", "audio.train_dev_test", "text.train_dev_test", "codes.train_dev_test"} <= set(killer.killed)
    # a member that had left its mark when it was killed is not run again
    assert 7 <= said.count(" again (--retries: 0 left)") <= len(killer.killed)
    assert all("srun" in (there / f"log/train_{name}.log").read_text() for name in ("recognizer", "codec"))
    trained = ["--recognizer", str(there / "exp/recognizer"), "--codec", str(there / "exp/codec")]
    run(here, *small, *trained, cmd="audiolm launch --backend local")
    differ = [line for line in kill_and_rerun.compare(here, there) if not line.startswith("exp/")]
    assert differ == []
    assert subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout == ""
