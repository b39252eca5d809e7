"""Arrays of jobs: Kaldi's calling form, done marks, failures, limits, and no orphans whatever ends the launcher."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiolm.errors import AudiolmError
from audiolm.jobs import launch as module
from audiolm.jobs.backends import get_backend
from audiolm.jobs.launch import launch, parse_array
from audiolm.jobs.local import LocalBackend


def run(words, max_jobs=2, gpus=None):
    return launch(parse_array(words), LocalBackend(max_jobs), gpus)


@pytest.fixture(autouse=True)
def outside_any_stage(monkeypatch):
    monkeypatch.delenv("AUDIOLM_RUN", raising=False)


def test_array_replaces_its_variable_in_log_and_command():
    jobs = parse_array(["J=3:4", "log/x.J.log", "cmd", "--job", "J", "a.J.scp"])
    assert [(job.index, str(job.log)) for job in jobs] == [(3, "log/x.3.log"), (4, "log/x.4.log")]
    assert [job.command for job in jobs] == [("cmd", "--job", "3", "a.3.scp"), ("cmd", "--job", "4", "a.4.scp")]


def test_without_an_array_the_command_is_one_job():
    (job,) = parse_array(["log/x.log", "echo", "JOB"])
    assert (job.index, job.command) == (1, ("echo", "JOB"))


def test_operators_make_a_pipeline_whose_other_words_stay_literal(tmp_path):
    out = tmp_path / "a file"
    assert run([str(tmp_path / "x.log"), "echo", "$HOME; b", "|", "tr", "b", "c", ">", str(out)]) == 0
    assert out.read_text() == "$HOME; c\n"
    assert run([str(tmp_path / "y.log"), "false", "|", "cat"]) == 1  # pipefail


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "found nothing"),
        (["JOB=1:2"], "found nothing"),
        (["x.log"], "only 'x.log'"),
        (["JOB=1:2", "x.log", "true"], "must hold JOB"),
        (["JOB=3:2", "x.JOB.log", "true"], "the first job comes after the last"),
    ],
)
def test_wrong_calls_are_named(words, says):
    with pytest.raises(AudiolmError, match=says):
        parse_array(words)


def test_unknown_backend_names_what_there_is():
    with pytest.raises(AudiolmError, match="--backend slrum: there is no such backend; did you mean 'slurm'"):
        get_backend("slrum", None)


def test_a_failed_job_shows_the_end_of_its_log_and_stops_no_other(tmp_path, capfd):
    script = "for i in $(seq 30); do echo line $i; done; test JOB != 2 && touch ok.JOB"
    words = ["JOB=1:4", str(tmp_path / "x.JOB.log"), "bash", "-c", f"cd '{tmp_path}'; {script}"]
    assert run(words) == 1
    assert sorted(file.name for file in tmp_path.glob("ok.*")) == ["ok.1", "ok.3", "ok.4"]
    error = capfd.readouterr().err
    assert "job 2 of 4 failed (exit status 1)" in error and str(tmp_path / "x.2.log") in error
    assert "line 30" in error and "line 21\n" in error and "line 20\n" not in error


def test_a_mistake_that_all_jobs_meet_is_shown_once(tmp_path, capfd):
    words = [
        "JOB=1:3",
        str(tmp_path / "x.JOB.log"),
        "bash",
        "-c",
        "echo no such model; test JOB != 3 || echo 3; exit 1",
    ]
    assert launch(parse_array(words), LocalBackend(1)) == 3
    said = capfd.readouterr().err.splitlines()
    assert said.count("    no such model") == 2 and said.count("    3") == 1
    assert f"launch: job 2 of 3 failed (exit status 1); its log {tmp_path}/x.2.log ends as that of job 1" in said


def test_a_log_is_told_every_minute_how_far_the_jobs_are(tmp_path, capsys, monkeypatch):
    jobs = parse_array(["JOB=1:3", str(tmp_path / "x.JOB.log"), "true"])
    for number in (2, 3):
        (tmp_path / f"x.{number}.log.progress").write_text(f"{number}\t8\tcodes\n")
    display = module._Display(jobs, done=1)
    display.show("2 run")
    assert capsys.readouterr().err == ""
    display.logged -= 60
    display.show("2 run")
    display.show("2 run")
    assert capsys.readouterr().err == "launch: 1 of 3 jobs done, 2 run, codes 5 of 16 (31 %)\n"


def test_a_half_done_array_redoes_only_what_is_missing(tmp_path):
    words = [
        "JOB=1:3",
        str(tmp_path / "x.JOB.log"),
        "bash",
        "-c",
        f"cd '{tmp_path}'; echo . >> ran.JOB; test -e go || test JOB != 2",
    ]
    count = lambda: [len((tmp_path / f"ran.{job}").read_text().split()) for job in (1, 2, 3)]  # noqa: E731
    assert run(words) == 1 and count() == [1, 1, 1]
    (tmp_path / "go").touch()
    assert run(words) == 0 and count() == [1, 2, 1]
    assert run(words) == 0 and count() == [2, 3, 2]  # a complete array is new work


def test_another_command_is_not_taken_for_done(tmp_path):
    log, out = str(tmp_path / "x.JOB.log"), tmp_path / "out"
    assert run(["JOB=1:2", log, "bash", "-c", f"echo a >> '{out}'; test JOB = 1"]) == 1
    assert run(["JOB=1:2", log, "bash", "-c", f"echo b >> '{out}'"]) == 0
    assert sorted(out.read_text().split()) == ["a", "a", "b", "b"]


def test_within_a_stage_marks_last_until_another_run_of_it(tmp_path, monkeypatch):
    words = ["JOB=1:2", str(tmp_path / "x.JOB.log"), "bash", "-c", f"echo . >> '{tmp_path}/ran'"]
    for run_id, total in (("one", 2), ("one", 2), ("two", 4)):
        monkeypatch.setenv("AUDIOLM_RUN", run_id)
        assert run(words) == 0
        assert len((tmp_path / "ran").read_text().split()) == total


def test_at_most_max_jobs_run_at_once(tmp_path):
    script = f"cd '{tmp_path}'; touch now.JOB; ls now.* | wc -l >> most; sleep 0.15; rm now.JOB"
    assert run(["JOB=1:6", str(tmp_path / "x.JOB.log"), "bash", "-c", script], max_jobs=2) == 0
    assert max(map(int, (tmp_path / "most").read_text().split())) == 2


def test_parallel_jobs_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.setattr("audiolm.jobs.local.available_cores", lambda: 8)
    script = 'echo "${OMP_NUM_THREADS-unset} $MKL_NUM_THREADS" > ' + f"'{tmp_path}/JOB'"
    assert run(["JOB=1:4", str(tmp_path / "x.JOB.log"), "bash", "-c", script], max_jobs=2) == 0
    assert (tmp_path / "3").read_text() == "4 7\n"
    assert run(["JOB=9:9", str(tmp_path / "x.JOB.log"), "bash", "-c", script], max_jobs=2) == 0
    assert (tmp_path / "9").read_text() == "unset 7\n"  # one job takes them all


def test_a_job_redone_alone_has_as_many_threads_as_among_all(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("audiolm.jobs.local.available_cores", lambda: 8)
    script = f"cd '{tmp_path}'; echo $OMP_NUM_THREADS >> JOB; test -e go || test JOB != 2"
    words = ["JOB=1:4", str(tmp_path / "x.JOB.log"), "bash", "-c", script]
    assert run(words, max_jobs=4) == 1
    (tmp_path / "go").touch()
    assert run(words, max_jobs=4) == 0
    assert (tmp_path / "2").read_text() == "2\n2\n"


def test_each_job_gets_gpus_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    script = f"cd '{tmp_path}'; echo $CUDA_VISIBLE_DEVICES > JOB; touch now.JOB; ls now.* | wc -l >> most; sleep 1"
    script += "; rm now.JOB"
    assert run(["JOB=1:4", str(tmp_path / "x.JOB.log"), "bash", "-c", script], max_jobs=4, gpus=1) == 0
    assert {(tmp_path / str(job)).read_text().strip() for job in range(1, 5)} == {"4", "5", "6"}
    assert max(map(int, (tmp_path / "most").read_text().split())) == 3
    with pytest.raises(AudiolmError, match="--gpu 4: 3 GPUs are visible here"):
        run([str(tmp_path / "x.log"), "true"], gpus=4)
    assert run([str(tmp_path / "x.log"), "bash", "-c", 'test -z "$CUDA_VISIBLE_DEVICES"'], gpus=0) == 0


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AudiolmError, match="cannot start 'no-such-program'"):
        run([str(tmp_path / "x.log"), "no-such-program"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_signal_leaves_orphans(tmp_path, number):
    tag = f"3{os.getpid()}{number:02d}"  # a duration that nothing else sleeps for
    words = ["--max_jobs", "2", "JOB=1:2", str(tmp_path / "x.JOB.log"), "sleep", tag]
    launcher = subprocess.Popen([sys.executable, "-m", "audiolm.commands.main", "launch", *words])
    wait_until(lambda: len(sleepers(tag)) == 2)
    launcher.send_signal(number)
    assert launcher.wait(timeout=30) == -number
    wait_until(lambda: not sleepers(tag))
    assert not list(tmp_path.glob("*.done"))


def test_what_a_job_leaves_in_the_background_ends_with_it(tmp_path):
    tag = f"4{os.getpid()}"
    assert run([str(tmp_path / "x.log"), "bash", "-c", f"sleep {tag} & exit 0"]) == 0
    wait_until(lambda: not sleepers(tag))


def sleepers(tag):
    commands = [Path(entry.path, "cmdline") for entry in os.scandir("/proc") if entry.name.isdigit()]
    found = []
    for command in commands:
        try:
            found += [command] if command.read_bytes() == f"sleep\0{tag}\0".encode() else []
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended since the folder was listed
    return found


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
