"""Jobs as processes of this machine, at most so many at a time."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audiolm.errors import AudiolmError
from audiolm.jobs.backend import Job
from audiolm.jobs.cores import available_cores, available_gpus
from audiolm.jobs.progress import RELAY_VARIABLE

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
POLL = 0.05  # seconds
TICK = 0.5  # seconds
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen
    devices: list[str]
    start: float


class LocalBackend:
    """Runs each job in a process session of its own, so that a job can be ended together with all it started.

    Args:
        max_jobs: how many jobs run at once; by default as many as there are cores.
    """

    def __init__(self, max_jobs: int | None = None) -> None:
        if max_jobs is not None and max_jobs < 1:
            raise AudiolmError(f"--max_jobs {max_jobs}: at least one job must run at a time")
        self.max_jobs = max_jobs or available_cores()

    def run(self, jobs: Sequence[Job], gpus: int | None, tick: Callable[[], None]) -> Iterator[tuple[Job, int]]:
        """See :class:`audiolm.jobs.backend.Backend`."""
        devices = _devices(gpus)
        slots = min(self.max_jobs, len(devices) // gpus if gpus else self.max_jobs)
        waiting, running = list(reversed(jobs)), []
        ticked = time.monotonic()
        try:
            while waiting or running:
                while waiting and len(running) < slots:
                    mine = [devices.pop() for _ in range(gpus or 0)]
                    job = waiting.pop()
                    # Cores are shared as if the whole array ran: a job that is done again alone has the same threads,
                    # and so the same sums of floats.
                    running.append(_start(job, _environment(min(slots, job.of), gpus, mine), mine))
                ended = [one for one in running if one.process.poll() is not None]
                for one in ended:
                    running.remove(one)
                    devices.extend(one.devices)
                    yield one.job, _finish(one)
                if not ended:
                    time.sleep(POLL)
                if time.monotonic() - ticked >= TICK:
                    ticked = time.monotonic()
                    tick()
        finally:
            _end(running)


def _devices(gpus: int | None) -> list[str]:
    if not gpus:
        return []
    found = available_gpus()
    if len(found) < gpus:
        names = f" ({', '.join(found)})" if found else ""
        raise AudiolmError(
            f"--gpu {gpus}: {len(found)} GPUs are visible here{names} (nvidia-smi -L, CUDA_VISIBLE_DEVICES); "
            f"ask for at most {len(found)}"
        )
    return found


def _environment(slots: int, gpus: int | None, devices: list[str]) -> dict[str, str]:
    environment = dict(os.environ)
    if slots > 1:  # numeric libraries take every core each, which makes parallel jobs many times slower
        for variable in THREAD_VARIABLES:
            environment.setdefault(variable, str(max(1, available_cores() // slots)))
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    return environment


def _start(job: Job, environment: dict[str, str], devices: list[str]) -> _Running:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.done_mark.unlink(missing_ok=True)
    environment[RELAY_VARIABLE] = str(job.log.with_name(job.log.name + ".progress"))
    header = f"# {job.digest[:12]} {' '.join(job.command)}\n"
    with open(job.log, "a+", encoding="utf-8") as log:
        log.seek(0)
        if log.readline() != header:  # the log of other work; what is resumed goes on in the same log
            log.truncate(0)
            log.write(header)
        log.write(f"# started {time.strftime('%Y-%m-%d %H:%M:%S')} on {os.uname().nodename}\n")
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
    return _Running(job, process, devices, time.monotonic())


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what a child calls before exec so that even SIGKILL of the launcher leaves no orphan (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: only the bare call is left for the child

    def ask_for_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_signal


def _finish(one: _Running) -> int:
    status = one.process.returncode
    _kill_group(one.process.pid, signal.SIGKILL)  # what the job left in the background
    with open(one.job.log, "a", encoding="utf-8") as log:
        log.write(f"# ended with status {status} after {time.monotonic() - one.start:.1f} s\n")
    one.job.log.with_name(one.job.log.name + ".progress").unlink(missing_ok=True)
    return status


def _end(running: list[_Running]) -> None:
    for one in running:
        _kill_group(one.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(one.process.poll() is None for one in running) and time.monotonic() < deadline:
        time.sleep(POLL)
    for one in running:
        _kill_group(one.process.pid, signal.SIGKILL)
        one.process.wait()
        _finish(one)


def _kill_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # all of it has ended
