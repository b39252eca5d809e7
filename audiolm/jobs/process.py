"""One job as a process of this machine: a session of its own, its output in the job's log, nothing left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audiolm.errors import AudiolmError
from audiolm.jobs.backend import Job
from audiolm.jobs.progress import RELAY_VARIABLE

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
POLL = 0.05  # seconds
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Running:
    """A job that was started.

    Attributes:
        job: what runs.
        process: the process, leader of its session.
        start: when it was started, on the monotonic clock.
    """

    job: Job
    process: subprocess.Popen
    start: float


def start(job: Job, environment: dict[str, str]) -> Running:
    """Start the job's command; a log of the same work is gone on with, another one is begun anew.

    Raises:
        AudiolmError: the program cannot be started.
    """
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.done_mark.unlink(missing_ok=True)
    environment = {**environment, RELAY_VARIABLE: str(job.log.with_name(job.log.name + ".progress"))}
    header = f"# {job.digest[:12]} {' '.join(job.command)}\n"
    with open(job.log, "a+", encoding="utf-8") as log:
        log.seek(0)
        if log.readline() != header:  # the log of other work; what is resumed goes on in the same log
            log.truncate(0)
            log.write(header)
        log.write(f"# started {time.strftime('%Y-%m-%d %H:%M:%S')} on {_where()}\n")
        log.flush()
        try:
            process = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        except OSError as error:
            raise AudiolmError(f"cannot start '{job.command[0]}' for {job.log}: {error.strerror}") from error
    return Running(job, process, time.monotonic())


def _where() -> str:
    """This machine; of a job of Slurm's, its node and the job's id."""
    node = os.environ.get("SLURMD_NODENAME", os.uname().nodename)
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    number = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
    return f"{node}, job {number}" if number else node


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what a child calls before exec so that even SIGKILL of its parent leaves no orphan (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: only the bare call is left for the child

    def ask_for_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_signal


def finish(one: Running) -> int:
    """End what a job that has ended left in the background, close its log, and return its status (-n: signal n)."""
    status = one.process.returncode
    _kill_group(one.process.pid, signal.SIGKILL)
    with open(one.job.log, "a", encoding="utf-8") as log:
        log.write(f"# ended with status {status} after {time.monotonic() - one.start:.1f} s\n")
    one.job.log.with_name(one.job.log.name + ".progress").unlink(missing_ok=True)
    return status


def end(running: Sequence[Running]) -> None:
    """End jobs that still run: SIGTERM, and SIGKILL to those that have not ended after ``GRACE`` seconds."""
    for one in running:
        _kill_group(one.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(one.process.poll() is None for one in running) and time.monotonic() < deadline:
        time.sleep(POLL)
    for one in running:
        _kill_group(one.process.pid, signal.SIGKILL)
        one.process.wait()
        finish(one)


def _kill_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # all of it has ended
