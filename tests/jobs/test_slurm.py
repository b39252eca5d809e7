"""The Slurm backend without a Slurm: what it calls, and what it makes of marks, of the queue and of silence."""

import os
import time
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.jobs import member, slurm, slurm_client
from audiolm.jobs.backend import Place
from audiolm.jobs.backends import get_backend
from audiolm.jobs.launch import launch, parse_array
from audiolm.jobs.slurm import SlurmBackend
from audiolm.jobs.slurm_client import State, compress, sbatch_arguments
from audiolm.jobs.spool import Spool


@pytest.fixture(autouse=True)
def outside_any_stage(monkeypatch):
    monkeypatch.delenv("AUDIOLM_RUN", raising=False)


@pytest.fixture
def fake(monkeypatch):
    """A stand-in for Slurm, and a launcher that looks often."""
    stand_in = FakeSlurm()
    for name in ("check", "submit", "queue", "cancel"):
        monkeypatch.setattr(slurm_client, name, getattr(stand_in, name))
    monkeypatch.setattr(slurm, "POLL", (0.02, 0.02))
    monkeypatch.setattr(slurm, "ASK", (0.05, 0.05))
    monkeypatch.setattr(slurm, "LATE", 0.3)
    yield stand_in
    stand_in.end()


def run(words, max_jobs=None, retries=0, gpus=None, **place):
    return launch(parse_array(words), SlurmBackend(Place(**place), max_jobs), gpus, retries)


def script(folder, text):
    return ["JOB=1:3", str(folder / "x.JOB.log"), "bash", "-c", f"cd '{folder}'; {text}"]


def runs(folder, jobs=(1, 2, 3)):
    """How often each job has begun."""
    return [len((folder / f"ran.{job}").read_text().split()) if (folder / f"ran.{job}").exists() else 0 for job in jobs]


def test_sbatch_gets_what_was_asked_for():
    place = Place(2, 4, 8, "32G", "2-0", "gpu", "me", "high", ("--exclude=n7",))
    arguments = sbatch_arguments(place, 4, [1, 2, 3, 7], 2, "codes.1a", "/x/%a.out", ["python", "a b"])
    assert arguments == [
        *["--parsable", "--requeue", "--open-mode=append", "--export=ALL", "--nodes=2", "--ntasks-per-node=4"],
        *["--cpus-per-task=8", "--mem=32G", "--time=2-0", "--partition=gpu", "--account=me", "--qos=high"],
        *["--gres=gpu:4", "--exclude=n7", "--array=1-3,7%2", "--job-name=codes.1a", "--output=/x/%a.out"],
        "--wrap=exec python 'a b'",
    ]


def test_sbatch_is_left_its_own_choice_of_what_was_not_asked_for():
    for gpus in (None, 0):
        arguments = sbatch_arguments(Place(), gpus, [1], None, "x", "o", ["true"])
        options = {word.partition("=")[0] for word in arguments}
        assert not options & {"--cpus-per-task", "--mem", "--time", "--partition", "--account", "--qos", "--gres"}
        assert "--array=1" in arguments
        assert ("--export=ALL,CUDA_VISIBLE_DEVICES=" if gpus == 0 else "--export=ALL") in arguments


@pytest.mark.parametrize(
    ("indices", "text"), [([5], "5"), ([1, 2], "1-2"), ([1, 3, 2, 9], "1-3,9"), (range(1, 1001), "1-1000")]
)
def test_numbers_of_jobs_as_sbatch_takes_them(indices, text):
    assert compress(indices) == text


def test_the_command_line_fills_the_place(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("audiolm.jobs.backends.BACKENDS", {"slurm": lambda *given: seen.append(given)})
    monkeypatch.setattr("audiolm.jobs.launch.launch", lambda jobs, backend, gpus, retries: seen.append((gpus, retries)))
    options = "--backend slurm --max_jobs 9 --mem 8G --time 1:00 --partition p --account a --qos q --cpus 3 --gpu 1"
    options += " --nodes 2 --tasks 4 --retries 2 --sbatch=--exclude=n7 --sbatch=--nice"
    assert main(["launch", *options.split(), str(tmp_path / "x.log"), "true"]) == 0
    assert seen == [(Place(2, 4, 3, "8G", "1:00", "p", "a", "q", ["--exclude=n7", "--nice"]), 9), (1, 2)]


def test_places_that_cannot_be():
    with pytest.raises(AudiolmError, match="--tasks 0: expected at least 1"):
        Place(tasks=0)
    with pytest.raises(AudiolmError, match="--nodes 2: --backend local is one machine"):
        get_backend("local", None, Place(nodes=2))


def test_a_job_of_several_tasks_runs_under_srun_and_knows_where_they_meet():
    one = {"SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "4"}
    assert member.parallel(["a", "b"], one) == ("a", "b")
    assert member.environment(one)["OMP_NUM_THREADS"] == "4" and "MASTER_ADDR" not in member.environment(one)
    several = {**one, "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4", "SLURM_CPUS_PER_TASK": "3"}
    assert member.parallel(["a", "b"], several) == (
        *("srun", "--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=3", "--kill-on-bad-exit=1"),
        *("a", "b"),
    )
    variables = member.environment({**several, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "of another job"})
    assert variables["OMP_NUM_THREADS"] == "1" and variables["MKL_NUM_THREADS"] == "3"
    assert (variables["MASTER_ADDR"], variables["MASTER_PORT"]) == (os.uname().nodename, "15007")


def stub(folder, monkeypatch, **commands):
    """Put commands of Slurm on the PATH that say something and exit: sbatch=("stderr", 1)."""
    for name, (said, status) in commands.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\nprintf %s '{said}' >&{2 if status else 1}\nexit {status}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if commands else str(folder))


PING = ("Slurmctld(primary) at head is UP", 0)


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ({}, "there is no sbatch on .*; run this on a machine that sends jobs"),
        (
            {"sbatch": ("", 0), "scontrol": ("Slurmctld(primary) at head is DOWN", 1)},
            r"Slurm does not answer \(scontrol ping: Slurmctld\(primary\) at head is DOWN\); run it again when it does",
        ),
        (
            {
                "scontrol": PING,
                "squeue": ("", 0),
                "scancel": ("", 0),
                "sinfo": ("cpu\ngpu", 0),
                "sbatch": (
                    "sbatch: error: invalid partition specified: big\n"
                    "sbatch: error: Batch job submission failed: Invalid partition name specified",
                    1,
                ),
            },
            r"Slurm refuses the jobs: invalid partition specified: big; Batch job submission failed: Invalid partition "
            r"name specified \(mend --partition in cmd.sh; there are: cpu; gpu; sbatch .*--partition=big",
        ),
        (
            {
                "scontrol": PING,
                "squeue": ("", 0),
                "scancel": ("", 0),
                "sbatch": ("sbatch: error: Batch job submission failed: Invalid account or account/partition", 1),
            },
            r"Slurm refuses the jobs: .*\(mend --account, --partition, --qos in cmd.sh",
        ),
    ],
    ids=["missing", "down", "partition", "account"],
)
def test_a_slurm_that_takes_no_jobs_is_one_clear_line(tmp_path, monkeypatch, commands, says):
    (tmp_path / "bin").mkdir()
    stub(tmp_path / "bin", monkeypatch, **commands)
    with pytest.raises(AudiolmError, match=says) as caught:
        run([str(tmp_path / "x.log"), "true"], partition="big")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.slurm").exists()


def test_a_slurm_that_cannot_even_be_asked_is_not_waited_for_long(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    stub(tmp_path / "bin", monkeypatch, sbatch=("", 0))
    (tmp_path / "bin/scontrol").write_text("#!/bin/sh\necho 'scontrol: error: no slurm.conf' >&2\nexec sleep 9\n")
    (tmp_path / "bin/scontrol").chmod(0o755)
    monkeypatch.setattr(slurm_client, "PING_PATIENCE", 0.3)
    with pytest.raises(AudiolmError, match=r"not answer \(scontrol: no answer in 0 s; no slurm.conf\)"):
        run([str(tmp_path / "x.log"), "true"])


def test_settings_of_a_surrounding_job_do_not_reach_slurm(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    stub(tmp_path / "bin", monkeypatch, scontrol=PING, sinfo=("", 0))
    (tmp_path / "bin/sbatch").write_text(f"#!/bin/sh\nenv > '{tmp_path}/env'\nexit 1\n")
    (tmp_path / "bin/sbatch").chmod(0o755)
    given = {"SLURM_CONF": "/c", "SLURM_MEM_PER_CPU": "1", "SQUEUE_STATES": "all", "SBATCH_ACCOUNT": "me", "X": "y"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AudiolmError):
        slurm_client.submit([])
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert {name for name in given if name in seen} == {"SLURM_CONF", "SBATCH_ACCOUNT", "X"}


def test_an_array_runs_and_leaves_nothing_behind(fake, tmp_path):
    assert run(script(tmp_path, "echo JOB > out.JOB")) == 0
    assert [(tmp_path / f"out.{job}").read_text() for job in (1, 2, 3)] == ["1\n", "2\n", "3\n"]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("out")) == [
        *("x.1.log", "x.2.log", "x.3.log")
    ]
    assert "# ended with status 0" in (tmp_path / "x.2.log").read_text()
    (arguments,) = fake.submissions
    assert "--array=1-3" in arguments and any(word.startswith("--job-name=x.") for word in arguments)


def test_only_what_failed_runs_again(fake, tmp_path, capfd):
    text = "echo . >> ran.JOB; for i in $(seq 30); do echo line $i; done; test JOB != 2 || test -e go || exit 3"
    assert run(script(tmp_path, f"{text}"), max_jobs=2) == 1
    error = capfd.readouterr().err
    assert "job 2 of 3 failed (exit status 3)" in error and str(tmp_path / "x.2.log") in error
    assert "line 30" in error and "line 21\n" in error and "line 20\n" not in error and "# ended" not in error
    assert "1 of 3 jobs failed; the same command redoes only these" in error
    (tmp_path / "go").touch()
    assert run(script(tmp_path, f"{text}"), max_jobs=2) == 0
    assert runs(tmp_path) == [1, 2, 1]
    arrays = [next(word for word in arguments if word.startswith("--array")) for arguments in fake.submissions]
    assert arrays == ["--array=1-3%2", "--array=2%2"]


def test_failed_jobs_are_retried_so_often(fake, tmp_path, capfd):
    assert run(script(tmp_path, "echo . >> ran.JOB; test JOB != 2 || test $(wc -l < ran.JOB) -gt 2"), retries=2) == 0
    assert runs(tmp_path) == [1, 3, 1]
    said = capfd.readouterr().err
    assert [f"1 of 3 jobs run again (--retries: {left} left)" in said for left in (0, 1, 2)] == [True, True, False]
    assert run(script(tmp_path, "echo . >> ran.JOB; exit 1"), retries=1) == 3
    assert runs(tmp_path) == [3, 5, 3]


def test_a_program_that_is_not_there_fails_its_job(fake, tmp_path, capfd):
    assert run([str(tmp_path / "x.log"), "no-such-program"]) == 1
    assert "cannot start 'no-such-program'" in capfd.readouterr().err


def test_a_member_that_was_killed_has_failed(fake, tmp_path, capfd):
    text = "echo . >> ran.JOB; echo begun; test JOB != 2 || test -e go || { touch go; kill -9 $PPID; sleep 30; }"
    assert run(script(tmp_path, text), retries=1) == 0
    error = capfd.readouterr().err
    assert "job 2 of 3 failed (Slurm says 1_2 FAILED)" in error and "    begun\n" in error
    assert runs(tmp_path) == [1, 2, 1]


def test_what_slurm_says_is_in_the_log(fake, tmp_path, capfd):
    def submit(arguments):
        number = FakeSlurm.submit(fake, arguments)
        name = next(word for word in arguments if word.startswith("--job-name=")).partition("=")[2]
        fake.said[name, 1] = "TIMEOUT"
        fake.members[name, 1].kill()
        Spool.of(tmp_path / "x.log").output(1, name).write_text("slurmstepd: error: DUE TO TIME LIMIT\n")
        return number

    slurm_client.submit = submit  # the fixture puts it back
    assert run([str(tmp_path / "x.log"), "sleep", "30"]) == 1
    error = capfd.readouterr().err
    assert "the job failed (Slurm says 1_1 TIMEOUT; --time gives more)" in error
    assert "DUE TO TIME LIMIT" in error and "DUE TO TIME LIMIT" in (tmp_path / "x.log").read_text()


def test_preempted_jobs_are_submitted_again(fake, tmp_path, capfd):
    def submit(arguments):
        number = FakeSlurm.submit(fake, arguments)
        if number == "1":
            ((key, process),) = fake.members.items()
            process.kill()
            process.wait()
            fake.said[key] = "PREEMPTED"
        return number

    slurm_client.submit = submit
    assert run([str(tmp_path / "x.log"), "true"]) == 0
    assert len(fake.submissions) == 2 and "1 jobs were preempted" in capfd.readouterr().err


def test_a_job_that_slurm_puts_aside_has_failed(fake, tmp_path, capfd):
    def queue(names):
        return {key: State("1_1", "PENDING", "launch failed requeued held") for key in fake.members}

    slurm_client.queue = queue
    assert run([str(tmp_path / "x.log"), "sleep", "30"]) == 1
    assert "the job failed (Slurm holds 1_1: launch failed requeued held)" in capfd.readouterr().err
    assert all(process.poll() is not None for process in fake.members.values())


def test_a_slurm_that_is_silent_for_a_while_is_waited_for(fake, tmp_path, capfd):
    fake.silent = 3
    assert run(script(tmp_path, "sleep 0.5")) == 0
    assert capfd.readouterr().err.count("waiting until it does") == 1


def test_jobs_are_cancelled_when_the_launcher_is_interrupted(fake, tmp_path):
    jobs = parse_array(script(tmp_path, "echo . >> ran.JOB; sleep 60"))
    ends = SlurmBackend(Place()).run(jobs, None, lambda state: ends.close() if runs(tmp_path) == [1, 1, 1] else None)
    with pytest.raises(ValueError, match="already executing"):  # as a signal would come: while it waits
        next(ends)
    assert all(process.poll() is not None for process in fake.members.values())
    assert not (tmp_path / "x.slurm").exists()


def leave(words, fake, until):
    """Start an array as a launcher would that is then killed: its jobs go on."""
    array = slurm._Array(Spool.of(parse_array(words)[0].array), Place(), None, None)
    array.submit(parse_array(words))
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_later_launcher_goes_on_with_the_jobs_of_one_that_was_killed(fake, tmp_path, capfd):
    text = "echo . >> ran.JOB; test JOB = 1 || while ! test -e go; do sleep 0.05; done; echo JOB > out.JOB"
    words = script(tmp_path, text)
    leave(words, fake, lambda: (tmp_path / "out.1").exists() and runs(tmp_path) == [1, 1, 1])
    (tmp_path / "go").touch()
    assert run(words) == 0
    assert runs(tmp_path) == [1, 1, 1] and len(fake.submissions) == 1
    assert [(tmp_path / f"out.{job}").read_text() for job in (1, 2, 3)] == ["1\n", "2\n", "3\n"]
    assert not (tmp_path / "x.slurm").exists()


def test_jobs_of_other_work_are_cancelled_first(fake, tmp_path, capfd):
    leave(script(tmp_path, "echo . >> ran.JOB; sleep 60"), fake, lambda: runs(tmp_path) == [1, 1, 1])
    other = script(tmp_path, "echo . >> other.JOB")
    earlier = list(fake.members.values())
    assert run(["JOB=1:2", *other[1:]]) == 0  # another command, and fewer jobs
    assert all(process.poll() is not None for process in earlier)
    assert "3 jobs of an earlier launcher, which did other work, are cancelled" in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("other.*")) == ["other.1", "other.2"]


def test_jobs_that_cannot_be_seen_or_ended_are_not_forgotten(fake, tmp_path, monkeypatch):
    words = script(tmp_path, "echo . >> ran.JOB; sleep 60")
    leave(words, fake, lambda: runs(tmp_path) == [1, 1, 1])
    fake.silent = 1
    with pytest.raises(AudiolmError, match="squeue: Unable to contact"):
        run(words)
    monkeypatch.setattr(slurm, "CANCEL_PATIENCE", 0.3)
    monkeypatch.setattr(slurm_client, "cancel", lambda what: None)
    with pytest.raises(AudiolmError, match="has not ended 1_1, 1_2, 1_3 in 0 s: jobs may still be there; .* --name=x"):
        run(script(tmp_path, "true"))
    assert len(Spool.of(tmp_path / "x.JOB.log").orders()) == 3 and len(fake.submissions) == 1


def test_a_job_that_was_replaced_does_nothing(fake, tmp_path, capfd, monkeypatch):
    words = [str(tmp_path / "x.log"), "touch", str(tmp_path / "ran.1")]
    spool = Spool.of(Path(words[0]))
    spool.order("new", parse_array(words))
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert member.main([str(spool.folder), "old"]) == 0
    assert not (tmp_path / "ran.1").exists() and "replaced" in capfd.readouterr().out


def test_a_job_that_slurm_starts_again_after_its_end_does_nothing(tmp_path, monkeypatch):
    words = [str(tmp_path / "x.log"), "touch", str(tmp_path / "ran.1")]
    spool = Spool.of(Path(words[0]))
    spool.order("one", parse_array(words))
    spool.end(spool.read(1), 3)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert member.main([str(spool.folder), "one"]) == 3
    assert not (tmp_path / "ran.1").exists()
