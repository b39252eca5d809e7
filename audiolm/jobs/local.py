"""Jobs as processes of this machine, at most so many at a time."""

import os
import time
from collections.abc import Callable, Generator, Sequence

from audiolm.errors import AudiolmError
from audiolm.jobs import process
from audiolm.jobs.backend import Ended, Job
from audiolm.jobs.cores import available_cores, available_gpus
from audiolm.jobs.process import POLL, THREAD_VARIABLES

TICK = 0.5  # seconds


class LocalBackend:
    """Runs each job in a process session of its own, so that a job can be ended together with all it started.

    Args:
        max_jobs: how many jobs run at once; by default as many as there are cores.
    """

    def __init__(self, max_jobs: int | None = None) -> None:
        self.max_jobs = max_jobs or available_cores()

    def run(self, jobs: Sequence[Job], gpus: int | None, tick: Callable[[str], None]) -> Generator[Ended, None, None]:
        """See :class:`audiolm.jobs.backend.Backend`."""
        free = _devices(gpus)
        slots = min(self.max_jobs, len(free) // gpus if gpus else self.max_jobs)
        waiting = list(reversed(jobs))
        running: list[process.Running] = []
        held: dict[int, list[str]] = {}  # process id -> the GPUs that its job has for itself
        ticked = time.monotonic()
        try:
            while waiting or running:
                while waiting and len(running) < slots:
                    mine = [free.pop() for _ in range(gpus or 0)]
                    job = waiting.pop()
                    # Cores are shared as if the whole array ran: a job that is done again alone has the same threads,
                    # and so the same sums of floats.
                    running.append(process.start(job, _environment(min(slots, job.of), gpus, mine)))
                    held[running[-1].process.pid] = mine
                ended = [one for one in running if one.process.poll() is not None]
                for one in ended:
                    running.remove(one)
                    free.extend(held.pop(one.process.pid))
                    yield Ended(one.job, process.finish(one))
                if not ended:
                    time.sleep(POLL)
                if time.monotonic() - ticked >= TICK:
                    ticked = time.monotonic()
                    tick("")
        finally:
            process.end(running)


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
