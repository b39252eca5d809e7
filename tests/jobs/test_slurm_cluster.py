"""The Slurm backend on a real Slurm of one machine (tools/slurm): failures, kills, drained nodes, no orphans."""

import getpass
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]
ROOT = Path(__file__).parents[2]
LAUNCH = [sys.executable, "-m", "audiolm.commands.main", "launch"]


@pytest.fixture(autouse=True)
def outside_any_stage(monkeypatch):
    monkeypatch.delenv("AUDIOLM_RUN", raising=False)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Every test leaves an empty queue, and nodes that work."""
    yield
    left = queued()
    if left:  # the next test shall not suffer from it
        said_by("scancel", f"--user={getpass.getuser()}")
    wait_until(lambda: set(said_by("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"})
    assert left == ""


def said_by(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def queued():
    return said_by("squeue", "-h")


def node(name, **settings):
    words = [f"{key}={value}" for key, value in settings.items()]
    subprocess.run(["scontrol", "update", f"nodename={name}", *words], check=True)


def start(words, *options):
    return subprocess.Popen([*LAUNCH, "--backend", "slurm", *options, *words], stderr=subprocess.PIPE, text=True)


def run(words, *options):
    """Launch on Slurm; return the exit status and what was said."""
    launcher = start(words, *options)
    said = launcher.communicate(timeout=200)[1]
    return launcher.returncode, said


def array(folder, text, jobs=4):
    return [f"JOB=1:{jobs}", str(folder / "x.JOB.log"), "bash", "-c", f"cd '{folder}'; echo . >> ran.JOB; {text}"]


def runs(folder, jobs=4):
    files = [folder / f"ran.{job}" for job in range(1, jobs + 1)]
    return [len(file.read_text().split()) if file.exists() else 0 for file in files]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_array_with_a_failing_job_is_retried_within_its_limits(tmp_path):
    told = "scontrol show job $SLURM_ARRAY_JOB_ID | grep -Eo 'ArrayTaskThrottle=[0-9]+' >> most"
    text = f"{told}; test JOB != 3 || test -e go"
    status, said = run(array(tmp_path, text), "--max_jobs", "2", "--cpus", "1", "--mem", "50M", "--time", "5")
    assert status == 1 and "job 3 of 4 failed (exit status 1)" in said and str(tmp_path / "x.3.log") in said
    # what Slurm was told, not a count of what runs: on a busy machine three jobs of two have been seen
    assert set((tmp_path / "most").read_text().split()) == {"ArrayTaskThrottle=2"}
    assert "1 of 4 jobs failed; the same command redoes only these" in said
    before = runs(tmp_path)  # on a busy machine Slurm itself may have begun one twice
    (tmp_path / "go").touch()
    assert run(array(tmp_path, text), "--retries", "1")[0] == 0
    again = [after - count for after, count in zip(runs(tmp_path), before, strict=True)]
    assert min(before) >= 1 and again[2] >= 1 and again[:2] + again[3:] == [0, 0, 0]
    assert not (tmp_path / "x.slurm").exists() and not list(tmp_path.glob("*.done"))


def test_what_a_job_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setenv("A_SETTING", "with 'quotes, and commas'")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    text = 'echo "${CUDA_VISIBLE_DEVICES-unset}|$SLURM_MEM_PER_NODE|$OMP_NUM_THREADS|$A_SETTING|$PWD"'
    words = [str(tmp_path / "x.log"), "bash", "-c", f"{text} > '{tmp_path}/given'"]
    for gpu, seen in (("0", ""), (None, "5")):
        options = ["--gpu", gpu] if gpu else []
        assert run(words, *options, "--cpus", "3", "--mem", "60M", "--sbatch=--comment=x y")[0] == 0
        assert (tmp_path / "given").read_text() == f"{seen}|60|3|with 'quotes, and commas'|{os.getcwd()}\n"


def test_a_killed_member_runs_again(tmp_path):
    text = "echo $PPID > member.JOB; test JOB != 2 || test -e go || sleep 600; echo JOB > out.JOB"
    launcher = start(array(tmp_path, text, jobs=3), "--retries", "1")
    wait_until(lambda: (tmp_path / "member.2").exists() and (tmp_path / "member.2").read_text().endswith("\n"))
    (tmp_path / "go").touch()
    os.kill(int((tmp_path / "member.2").read_text()), signal.SIGKILL)
    said = launcher.communicate(timeout=100)[1]
    assert launcher.returncode == 0 and "job 2 of 3 failed (Slurm says" in said, said
    assert runs(tmp_path, 3) == [1, 2, 1]
    assert [(tmp_path / f"out.{job}").read_text() for job in (1, 2, 3)] == ["1\n", "2\n", "3\n"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_launcher_leaves_nothing_in_the_queue(tmp_path, number):
    launcher = start(array(tmp_path, "sleep 600"), "--cpus", "4")  # two run, two wait
    wait_until(lambda: sum(runs(tmp_path)) == 2)
    launcher.send_signal(number)
    said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode == -number and "interrupted; every job was ended" in said
    assert queued() == "" and not (tmp_path / "x.slurm").exists()
    assert "sleep\0600" not in "".join(commands())


def commands():
    for entry in os.scandir("/proc"):
        try:
            yield Path(entry.path, "cmdline").read_text() if entry.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended since the folder was listed


def test_after_a_kill_9_the_jobs_that_still_run_are_found(tmp_path):
    text = "while ! test -e go; do sleep 0.1; done; echo JOB > out.JOB"
    launcher = start(array(tmp_path, text), "--cpus", "4")
    wait_until(lambda: sum(runs(tmp_path)) == 2)
    launcher.kill()
    launcher.wait()
    again = start(array(tmp_path, text), "--cpus", "4")
    assert "4 jobs of an earlier launcher are still on Slurm; they go on" in again.stderr.readline()
    (tmp_path / "go").touch()
    again.communicate(timeout=100)
    assert again.returncode == 0 and runs(tmp_path) == [1, 1, 1, 1]


def test_after_a_kill_9_other_work_ends_what_still_runs(tmp_path):
    launcher = start(array(tmp_path, "sleep 600"))
    wait_until(lambda: sum(runs(tmp_path)) == 4)
    launcher.kill()
    launcher.wait()
    status, said = run(array(tmp_path, "sleep 0", jobs=2))
    assert status == 0 and "4 jobs of an earlier launcher, which did other work, are cancelled" in said
    assert runs(tmp_path) == [2, 2, 1, 1]


def test_with_drained_nodes_the_rerun_ends_with_the_same_files(tmp_path):
    text = "sleep 1; for i in $(seq JOB00 JOB99); do echo $i; done > out.JOB"
    for place in ("local", "cluster"):
        (tmp_path / place).mkdir()
    subprocess.run([*LAUNCH, *array(tmp_path / "local", text)], check=True)
    cluster = tmp_path / "cluster"
    launcher = start(array(cluster, text), "--max_jobs", "2")
    wait_until(lambda: sum(runs(cluster)) == 2)
    node("node1,node2", state="drain", reason="test")
    try:
        line = ""
        while "Slurm lets" not in line:  # it says why the others wait
            line = launcher.stderr.readline()
            assert line
        launcher.send_signal(signal.SIGTERM)
        launcher.communicate(timeout=60)
        assert queued() == ""
    finally:
        node("node1,node2", state="resume")
    assert run(array(cluster, text))[0] == 0
    assert runs(cluster) == [1, 1, 1, 1]
    assert [(cluster / f"out.{job}").read_bytes() for job in range(1, 5)] == [
        (tmp_path / f"local/out.{job}").read_bytes() for job in range(1, 5)
    ]


def test_jobs_of_a_lost_node_are_queued_again_by_themselves(tmp_path):
    text = "echo $SLURMD_NODENAME > node.JOB; while ! test -e go; do sleep 0.1; done; echo JOB > out.JOB"
    launcher = start(array(tmp_path, text, jobs=2), "--cpus", "4")
    wait_until(lambda: runs(tmp_path, 2) == [1, 1])
    node("node1", state="drain", reason="test")
    node("node1", state="down", reason="test")
    try:
        (tmp_path / "go").touch()
        launcher.communicate(timeout=150)
    finally:
        node("node1", state="resume")
    assert launcher.returncode == 0
    assert sorted(runs(tmp_path, 2)) == [1, 2]
    assert [(tmp_path / f"node.{job}").read_text() for job in (1, 2)] == ["node2\n", "node2\n"]
    assert [(tmp_path / f"out.{job}").read_text() for job in (1, 2)] == ["1\n", "2\n"]


def test_a_preempted_job_is_queued_again_and_goes_on(tmp_path):
    text = "test -e go || sleep 600; echo JOB > out.JOB"
    launcher = start(array(tmp_path, text, jobs=1), "--nodes", "2", "--cpus", "4", "--partition", "main")
    wait_until(lambda: runs(tmp_path, 1) == [2])  # a task on each node
    (tmp_path / "go").touch()
    urgent = start([str(tmp_path / "urgent.log"), "sleep", "1"], "--nodes", "2", "--cpus", "4", "--partition", "urgent")
    urgent.communicate(timeout=100)
    launcher.communicate(timeout=150)
    assert (urgent.returncode, launcher.returncode) == (0, 0)
    assert runs(tmp_path, 1) == [4] and (tmp_path / "out.1").read_text() == "1\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--partition", "gpu"], "invalid partition specified: gpu.*there are: .*main"),
        (["--partition", "closed", "--account", "me"], "nvalid account or account/partition combination"),
        (["--cpus", "64"], "More processors requested than permitted|node configuration is not available"),
        (["--mem", "900G"], "node configuration is not available.*partition main has 2 of 4 cores and 4000 MB"),
        (["--mem", "lots"], "Invalid --mem specification"),
    ],
)
def test_a_refusal_is_one_clear_line_at_once(tmp_path, options, says):
    begun = time.monotonic()
    status, said = run([str(tmp_path / "x.log"), "true"], *options)
    assert status == 1 and time.monotonic() - begun < 20
    (line,) = said.splitlines()
    assert line.startswith("audiolm launch: error: Slurm refuses the jobs: ") and re.search(says, line), line
    assert not (tmp_path / "x.slurm").exists()


def test_a_slurm_that_is_down_is_one_clear_line_at_once(slurm, tmp_path, monkeypatch):
    conf = (slurm / "slurm.conf").read_text()
    (tmp_path / "slurm.conf").write_text(
        "\n".join("SlurmctldPort=9" if line.startswith("SlurmctldPort=") else line for line in conf.splitlines())
    )
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    status, said = run([str(tmp_path / "x.log"), "true"])
    monkeypatch.setenv("SLURM_CONF", str(slurm / "slurm.conf"))
    assert status == 1 and len(said.splitlines()) == 1
    assert "Slurm does not answer (scontrol ping: Slurmctld" in said


def test_a_slurm_started_twice_stays_as_it_is_and_a_stopped_one_leaves_nothing(tmp_path):
    folder = tmp_path / "s"
    tools = ROOT / "tools/slurm"
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    call = lambda *words: subprocess.run(words, env=environment, capture_output=True, text=True, check=True)  # noqa: E731
    said = call(tools / "start.sh", folder).stdout
    assert said == f"export SLURM_CONF={folder}/slurm.conf\n"
    daemons = sorted(path.read_text() for path in folder.glob("*.pid"))
    assert len(daemons) == 4
    call("sbatch", "--output=/dev/null", "--wrap=trap '' TERM; sleep 601 & wait; wait")
    wait_until(lambda: "sleep\000601" in "".join(commands()))
    assert call(tools / "start.sh", folder).stdout == said
    assert sorted(path.read_text() for path in folder.glob("*.pid")) == daemons
    call(tools / "stop.sh", folder)
    assert not folder.exists() and "sleep\000601" not in "".join(commands())
    assert not any(Path("/proc", pid.strip()).exists() for pid in daemons)
    call(tools / "stop.sh", folder)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/file").touch()
    refused = subprocess.run([tools / "start.sh", tmp_path / "own"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "is not empty, and is no folder of this script" in refused.stderr
