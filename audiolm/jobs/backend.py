"""What a launcher's backend is: it runs jobs somewhere and says how each one ended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audiolm.errors import AudiolmError, did_you_mean


@dataclass(frozen=True)
class Job:
    """One command of an array.

    Attributes:
        index: its number in the array (what JOB became), or 1 for a command that is no array.
        command: program and arguments.
        log: file that takes its stdout and stderr.
        digest: identifies the work; a job whose done mark holds it is not run again.
        of: how many jobs the array has.
    """

    index: int
    command: tuple[str, ...]
    log: Path
    digest: str
    of: int = 1

    @property
    def done_mark(self) -> Path:
        """The file beside the log that says the job has ended well."""
        return self.log.with_name(self.log.name.removesuffix(".log") + ".done")

    def is_done(self) -> bool:
        """Whether the done mark holds this job's digest."""
        return self.done_mark.is_file() and self.done_mark.read_text() == self.digest


class Backend(Protocol):
    """Somewhere to run jobs."""

    def run(self, jobs: Sequence[Job], gpus: int | None, tick: Callable[[], None]) -> Iterator[tuple[Job, int]]:
        """Run every job; yield each with its exit status as it ends (``-n``: killed by signal n).

        A job that fails stops no other. When the iteration is left early (an exception, a signal), every job that still
        runs is ended before the exception goes on.

        Args:
            jobs: what to run.
            gpus: GPUs for each job; 0 hides them; None leaves them as they are.
            tick: called a few times a second while jobs run.
        """


def local(max_jobs: int | None) -> Backend:
    """Processes of this machine."""
    from audiolm.jobs.local import LocalBackend

    return LocalBackend(max_jobs)


BACKENDS: dict[str, Callable[[int | None], Backend]] = {"local": local}


def get_backend(name: str, max_jobs: int | None) -> Backend:
    """Return the backend of that name, with at most ``max_jobs`` jobs at a time (None: the backend's own choice)."""
    if name not in BACKENDS:
        raise AudiolmError(f"--backend {name}: there is no such backend{did_you_mean(name, BACKENDS)}")
    return BACKENDS[name](max_jobs)
