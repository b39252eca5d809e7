"""Jobs as array jobs of a Slurm cluster.

Slurm starts :mod:`audiolm.jobs.member` for every job. The launcher learns from the members' marks how they ended, and
from ``squeue`` of those that can leave none: accounting (``sacct``) is not needed. What is still queued or running from
a launcher that was killed is found by the names of its submissions (:mod:`audiolm.jobs.spool`) and gone on with where
it is the same work, cancelled where it is not.
"""

import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field

from audiolm.errors import AudiolmError
from audiolm.jobs import slurm_client
from audiolm.jobs.backend import Ended, Job, Place
from audiolm.jobs.slurm_client import NoAnswer, State
from audiolm.jobs.spool import Order, Spool

POLL = (0.2, 2.0)  # seconds between two looks for marks: at the start, and when jobs take long
ASK = (2.0, 20.0)  # seconds between two calls of squeue
LATE = 5.0  # seconds that a mark may take to appear here on a network disk
CANCEL_PATIENCE = 90.0  # seconds until cancelled jobs must be gone; Slurm's own KillWait is 30 by default
ORDINARY = {"None", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime", "Dependency", "Cleaning"}  # reasons
HINTS = {"TIMEOUT": "; --time gives more", "OUT_OF_MEMORY": "; --mem gives more"}


class SlurmBackend:
    """Sends jobs to Slurm.

    Args:
        place: where they run, and what each is given.
        max_jobs: how many of an array run at once; by default as many as Slurm has room for.
    """

    def __init__(self, place: Place, max_jobs: int | None = None) -> None:
        self.place, self.max_jobs = place, max_jobs

    def run(self, jobs: Sequence[Job], gpus: int | None, tick: Callable[[str], None]) -> Generator[Ended, None, None]:
        """See :class:`audiolm.jobs.backend.Backend`."""
        if not jobs:
            return
        slurm_client.check()
        array = _Array(Spool.of(jobs[0].array), self.place, gpus, self.max_jobs)
        found = array.look()
        try:
            yield from array.take_over(jobs, found)
            array.submit([job for job in jobs if job.index not in array.waiting and job.index not in array.past])
            yield from array.follow(tick)
        except BaseException:  # GeneratorExit and signals too
            array.cancel()
            array.spool.remove()
            raise
        array.spool.remove()


@dataclass
class _Array:
    """The jobs of one array that are queued or run."""

    spool: Spool
    place: Place
    gpus: int | None
    max_jobs: int | None
    waiting: dict[int, Job] = field(default_factory=dict)
    submission: dict[int, str] = field(default_factory=dict)  # of the waiting ones
    past: set[int] = field(default_factory=set)  # numbers of those that have ended
    states: dict[tuple[str, int], State] = field(default_factory=dict)
    gone: dict[int, float] = field(default_factory=dict)  # when Slurm was first seen to be through with a job
    said: set[str] = field(default_factory=set)

    def look(self) -> list[tuple[Order, State | None]]:
        """Return the orders that an earlier launcher has left, with what Slurm knows of each."""
        orders = self.spool.orders()
        known = slurm_client.queue(order.submission for order in orders) if orders else {}
        return [(order, known.get((order.submission, order.job.index))) for order in orders]

    def take_over(
        self, jobs: Sequence[Job], found: Sequence[tuple[Order, State | None]]
    ) -> Generator[Ended, None, None]:
        """Go on with what an earlier launcher has left of these jobs, and cancel what it has left of others."""
        wanted = {job.index: job for job in jobs}
        strays: list[State] = []
        for order, state in found:
            index = order.job.index
            job = wanted.get(index)
            queued = state is not None and not state.over
            if job is not None and job.digest == order.job.digest:
                if self.spool.status(index, order.submission) == 0:
                    self.past.add(index)
                    yield Ended(job, 0)
                elif queued:
                    self.waiting[index], self.submission[index] = job, order.submission
            elif queued:
                strays.append(state)
        if self.waiting:
            self._say(f"{len(self.waiting)} jobs of an earlier launcher are still on Slurm; they go on")
        if strays:
            self._say(f"{len(strays)} jobs of an earlier launcher, which did other work, are cancelled")
            slurm_client.cancel([state.id for state in strays])
            self._wait_until_gone({order.submission for order, _ in found}, {state.id for state in strays})

    def submit(self, jobs: Sequence[Job]) -> None:
        """Send jobs to Slurm."""
        if not jobs:
            return
        title = re.sub(r"[^\w.-]", "_", self.spool.folder.name.removesuffix(".slurm").replace(".JOB", ""))
        name = f"{title}.{secrets.token_hex(4)}"
        limit = max(1, self.max_jobs - len(self.waiting)) if self.max_jobs else None
        self.spool.order(name, jobs)
        for job in jobs:  # known before they are sent: whatever interrupts sbatch, they are cancelled by their name
            self.waiting[job.index], self.submission[job.index] = job, name
            self.gone.pop(job.index, None)
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with open(job.log, "a", encoding="utf-8") as log:
                log.write(f"# submitted {time.strftime('%Y-%m-%d %H:%M:%S')} to Slurm as {name}\n")
        output = f"{str(self.spool.folder).replace('%', '%%')}/%a.{name}.out"
        command = [sys.executable, "-m", "audiolm.jobs.member", str(self.spool.folder), name]
        indices = [job.index for job in jobs]
        arguments = slurm_client.sbatch_arguments(self.place, self.gpus, indices, limit, name, output, command)
        number = slurm_client.submit(arguments)
        self._say(f"{len(jobs)} job{'s' * (len(jobs) > 1)} on Slurm: {number}, {name}")

    def follow(self, tick: Callable[[str], None]) -> Generator[Ended, None, None]:
        """Yield the waiting jobs as they end."""
        started = time.monotonic()
        asked = float("-inf")
        while self.waiting:
            yield from self._marked()
            now = time.monotonic()
            if now - asked >= _between(*ASK, (now - started) / 10):
                asked = now
                if self._ask():
                    yield from self._lost()
            tick(self._summary())
            time.sleep(_between(*POLL, (now - started) / 100))

    def cancel(self) -> None:
        """Cancel what still waits or runs of this array, whoever has sent it, and wait until it is gone.

        Raises:
            AudiolmError: Slurm does not do it; the orders stay, so that a later launcher finds the jobs.
        """
        names = {order.submission for order in self.spool.orders()}
        try:
            for name in names:
                slurm_client.cancel([f"--name={name}"])
            if names:
                self._wait_until_gone(names)
        except NoAnswer as error:
            raise AudiolmError(
                f"{error}: jobs may still be there; the same command finds them, scancel --name={','.join(names)} "
                f"ends them"
            ) from error

    def _marked(self) -> Generator[Ended, None, None]:
        """Yield the jobs that have left a mark."""
        marks = self.spool.ended()
        for index, job in list(self.waiting.items()):
            if f"{index}.{self.submission[index]}" in marks:
                status = self.spool.status(index, self.submission[index])
                if status is not None:
                    yield self._ended(job, status)

    def _ask(self) -> bool:
        """Look at Slurm's queue; return whether it has answered."""
        try:
            self.states = slurm_client.queue(self.submission.values())
        except NoAnswer as error:
            self._note(f"{error}; waiting until it does")
            return False
        for index in self.waiting:
            state = self.states.get((self.submission[index], index))
            if state and state.name == "PENDING" and state.reason not in ORDINARY:
                self._note(f"Slurm lets {state.id} wait: {state.reason}", once=state.reason)
        return True

    def _lost(self) -> Generator[Ended, None, None]:
        """Yield the jobs that Slurm is through with and that have left no mark; submit anew those that it gave up."""
        now = time.monotonic()
        preempted = []
        for index, job in list(self.waiting.items()):
            state = self.states.get((self.submission[index], index))
            if state and state.held:  # the machine could not start it; it would wait until somebody releases it
                slurm_client.cancel([state.id])
                yield self._ended(job, 1, f"Slurm holds {state.id}: {state.reason}")
                continue
            if state and not state.over:
                self.gone.pop(index, None)
                continue
            if now - self.gone.setdefault(index, now) < LATE:
                continue
            status = self.spool.status(index, self.submission[index])  # by its name: no list of the folder is as fresh
            if status is not None:
                yield self._ended(job, status)
            elif state and state.name == "PREEMPTED":
                preempted.append(self.waiting.pop(index))
            else:
                hint = HINTS.get(state.name, "") if state else ""
                why = f"Slurm says {state.id} {state.name}{hint}" if state else "it is gone from Slurm"
                yield self._ended(job, 1, why)
        if preempted:
            self._say(f"{len(preempted)} jobs were preempted; they are submitted again")
            self.submit(preempted)

    def _ended(self, job: Job, status: int, why: str = "") -> Ended:
        """Note that a job has ended; what Slurm has said about one that failed goes to the end of its log."""
        del self.waiting[job.index]
        self.past.add(job.index)
        output = self.spool.output(job.index, self.submission.pop(job.index))
        if status and output.is_file():
            with open(job.log, "a", encoding="utf-8") as log:
                log.write(output.read_text(encoding="utf-8", errors="replace"))
        return Ended(job, status, why)

    def _wait_until_gone(self, names: Iterable[str], ids: set[str] | None = None) -> None:
        """Wait until Slurm has ended all jobs of these names, or those of these ids."""
        deadline = time.monotonic() + CANCEL_PATIENCE
        while left := [s.id for s in slurm_client.queue(names).values() if not s.over and (ids is None or s.id in ids)]:
            if time.monotonic() > deadline:
                raise NoAnswer(f"Slurm has not ended {', '.join(left[:5])} in {CANCEL_PATIENCE:.0f} s")
            time.sleep(0.5)

    def _summary(self) -> str:
        counts = Counter(
            {"PENDING": "wait", "RUNNING": "run"}.get(state.name, state.name.lower())
            for key, state in self.states.items()
            if not state.over and key[1] in self.waiting
        )
        return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))

    def _note(self, line: str, once: str = "") -> None:
        """Say a line unless it was said before."""
        if (once or line) not in self.said:
            self.said.add(once or line)
            self._say(line)

    def _say(self, line: str) -> None:
        print(f"launch: {line}", file=sys.stderr, flush=True)


def _between(low: float, high: float, value: float) -> float:
    return min(max(low, value), high)
