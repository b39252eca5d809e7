"""What a launcher and its jobs on a cluster tell each other: small files in a folder beside the array's logs.

The folder of ``log/x.JOB.log`` is ``log/x.JOB.slurm``, whatever the number of jobs, so that a later launcher finds what
an earlier one has left. In it are, of job 3, ``3.job`` (the order: under which submission the job runs, and what),
``3.SUBMISSION.end`` (its exit status) and ``3.SUBMISSION.out`` (what Slurm itself had to say). A job that finds itself
without an order, or finds that of another submission, was replaced and does nothing: no job runs twice at a time.
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audiolm.jobs.backend import Job
from audiolm.jobs.stages import write_json


@dataclass(frozen=True)
class Order:
    """What one job of a submission is to do.

    Attributes:
        submission: name of the submission, which no other has.
        job: the job; its paths are absolute.
    """

    submission: str
    job: Job


class Spool:
    """The folder of one array."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, array: Path) -> "Spool":
        """Return the spool of an array, named by its log before JOB became a number."""
        return cls(Path(os.path.abspath(array.with_name(array.name.removesuffix(".log") + ".slurm"))))

    def order(self, submission: str, jobs: Iterable[Job]) -> None:
        """Order the jobs to run under this submission, and under no earlier one."""
        for job in jobs:
            words = {"log": os.path.abspath(job.log), "array": os.path.abspath(job.array), "digest": job.digest}
            order = {"submission": submission, "command": job.command, **words}
            write_json(self.folder / f"{job.index}.job", order)

    def read(self, index: int) -> Order | None:
        """Return the order of the job of that number."""
        try:
            order = json.loads((self.folder / f"{index}.job").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        job = Job(index, tuple(order["command"]), Path(order["log"]), order["digest"], Path(order["array"]))
        return Order(order["submission"], job)

    def orders(self) -> list[Order]:
        """Return all orders that an earlier launcher has left, or this one has given."""
        found = [self.read(int(path.stem)) for path in sorted(self.folder.glob("*.job"))]
        return [order for order in found if order]

    def end(self, order: Order, status: int) -> None:
        """Note that the job has ended with this status."""
        write_json(self.folder / f"{order.job.index}.{order.submission}.end", {"status": status})

    def status(self, index: int, submission: str) -> int | None:
        """Return the status that the job has ended with under this submission, or None where it has left none."""
        try:
            return json.loads((self.folder / f"{index}.{submission}.end").read_text())["status"]
        except FileNotFoundError:
            return None

    def ended(self) -> set[str]:
        """Return the names of all marks of ended jobs, "3.SUBMISSION"."""
        return {name.removesuffix(".end") for name in os.listdir(self.folder) if name.endswith(".end")}

    def output(self, index: int | str, submission: str) -> Path:
        """Return the file for what Slurm says about a job."""
        return self.folder / f"{index}.{submission}.out"

    def remove(self) -> None:
        """Take all orders back, and forget what has become of them."""
        for path in self.folder.glob("*.job"):  # first: a job that starts at this moment does nothing
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
