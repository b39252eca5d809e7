"""What a launcher's backend is: it runs jobs somewhere and says how each one ended."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from audiolm.errors import AudiolmError


def done_mark(log: Path) -> Path:
    """The file beside a job's log that says the job has ended well."""
    return log.with_name(log.name.removesuffix(".log") + ".done")


@dataclass(frozen=True)
class Job:
    """One command of an array.

    Attributes:
        index: its number in the array (what JOB became), or 1 for a command that is no array.
        command: program and arguments.
        log: file that takes its stdout and stderr.
        digest: identifies the work; a job whose done mark holds it is not run again.
        array: the log's name before JOB became a number, the same for all jobs of an array however many they are.
        of: how many jobs the array has.
    """

    index: int
    command: tuple[str, ...]
    log: Path
    digest: str
    array: Path
    of: int = 1

    @property
    def done_mark(self) -> Path:
        """The file beside the log that says the job has ended well."""
        return done_mark(self.log)

    def is_done(self) -> bool:
        """Whether the done mark holds this job's digest."""
        return self.done_mark.is_file() and self.done_mark.read_text() == self.digest


class Ended(NamedTuple):
    """How a job ended: its exit status (``-n``: killed by signal n), and why where the status does not tell it."""

    job: Job
    status: int
    why: str = ""


class Backend(Protocol):
    """Somewhere to run jobs."""

    def run(self, jobs: Sequence[Job], gpus: int | None, tick: Callable[[str], None]) -> Generator[Ended, None, None]:
        """Run every job; yield each as it ends.

        A job that fails stops no other. When the generator is left early (an exception, a signal, ``close``), every job
        that still runs is ended first.

        Args:
            jobs: what to run: jobs of one array.
            gpus: GPUs for each job; 0 hides them; None leaves them as they are.
            tick: called a few times a second while jobs run, with what the backend knows of them ("2 run, 3 wait").
        """


@dataclass(frozen=True)
class Place:
    """Where on a cluster jobs run and what each one is given there; None: as the cluster has it.

    Attributes:
        nodes: machines for each job.
        tasks: processes of the command on each of them, started together.
        cpus: cores for each process.
        memory: memory on each machine ("8G").
        time: time limit ("4:00:00", "2-0").
        partition, account, qos: where they queue, and on whose behalf.
        extra: further arguments of sbatch.
    """

    nodes: int = 1
    tasks: int = 1
    cpus: int | None = None
    memory: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    extra: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("nodes", "tasks", "cpus"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise AudiolmError(f"--{name} {value}: expected at least 1")
