"""Kill a job of every array of a recipe on Slurm, drain a node under others, rerun; compare with an undisturbed run.

    eval "$(tools/slurm/start.sh)"
    python tests/recipes/kill_on_slurm.py --recipe egs/mini/dialogue1 -- --budget smoke --dedup true --stop_stage codes

Of every array one job is killed in the middle of its work (SIGKILL), by turns the command itself and the process that
Slurm has started for it; of the arrays that --drain names, the node of one job is drained instead until the array has
ended. Nothing is retried by the launcher: a kill ends the run, and the same command goes on. What must be equal is what
kill_and_rerun.py compares.
"""

import argparse
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

spec = importlib.util.spec_from_file_location("kill_and_rerun", Path(__file__).with_name("kill_and_rerun.py"))
kill_and_rerun = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kill_and_rerun)

CMD = "audiolm launch --backend slurm --cpus 1 --mem 1G --max_jobs 2"  # two at a time: others wait when a node drains
DRAIN = ("simulate", "diarize.train_dev", "align.train_dev")
SLICE = 0.005  # seconds that a job runs between two looks at how far it is
PATIENCE = 120.0  # seconds until a job must be in the middle


class Member(NamedTuple):
    """A job of an array that runs: its array's name, its number, its node, Slurm's process for it, its command's."""

    array: str
    index: int
    node: str
    process: int
    command: int


class Disturber(threading.Thread):
    """Kills one job of each array below ``work``, or drains its node, and notes what it did.

    Attributes:
        killed, drained: array -> where.
        error: what went wrong here.
    """

    def __init__(self, work: Path, nj: int, drain: Sequence[str], moments: random.Random) -> None:
        super().__init__(daemon=True)
        self.work, self.nj, self.drain, self.moments = work, nj, drain, moments
        self.killed: dict[str, str] = {}
        self.drained: dict[str, str] = {}
        self.which: dict[str, int] = {}  # array -> the number of the job that is meant
        self.enough = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.wait(0.02):
                for member in members(self.work):
                    # Of the first half: should it end before its middle is seen, there is another to kill.
                    meant = self.which.setdefault(member.array, self.moments.randint(1, max(self.nj // 2, 1)))
                    if member.array in self.drain and member.array not in self.drained:
                        self._drain(member)
                    elif member.array not in {*self.drain, *self.killed} and member.index == meant:
                        self._kill(member)
        except BaseException as error:  # said where the runs end
            self.error = error

    def _kill(self, member: Member) -> None:
        log = self.work / f"log/{member.array}.{member.index}.log"
        try:
            done = self._middle(member, Path(f"{log}.progress"))
        except ProcessLookupError:  # it has ended first: now the next one is meant
            self.which[member.array] += 1
            return
        victim = ("its command", member.command) if len(self.killed) % 2 == 0 else ("Slurm's process", member.process)
        os.kill(victim[1], signal.SIGKILL)
        self.killed[member.array] = f"job {member.index} on {member.node} after '{done}', {victim[0]}"

    def _middle(self, member: Member, note: Path) -> str:
        """Let the command run in slices until it has noted that an item is done; it stays stopped, with that note."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            os.kill(member.command, signal.SIGCONT)
            time.sleep(SLICE)
            os.kill(member.command, signal.SIGSTOP)
            with suppress(FileNotFoundError):
                if len(fields := note.read_text().split("\t")) == 3:
                    return f"{fields[2].strip()} {fields[0]} of {fields[1]}"
        os.kill(member.command, signal.SIGCONT)
        raise RuntimeError(f"{member} was not in the middle of its work within {PATIENCE:.0f} s")

    def _drain(self, member: Member) -> None:
        state(member.node, "drain")
        spool = self.work / f"log/{member.array}.JOB.slurm"
        seen, nodes = "", {member.node}
        while spool.exists() and not self.enough.is_set():
            seen = seen or ("drain" in said_by("sinfo", "-h", "-N", "-n", member.node, "-o", "%T") and member.node)
            nodes |= {other.node for other in members(self.work)}
            time.sleep(0.05)
        state(member.node, "resume")
        assert seen, f"{member.node} was not drained"
        self.drained[member.array] = f"{member.node} under job {member.index}; ran on {', '.join(sorted(nodes))}"


def state(node: str, name: str) -> None:
    """Give a node another state."""
    said_by("scontrol", "update", f"nodename={node}", f"state={name}", "reason=test")


def said_by(*words: str) -> str:
    """What a command prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def members(work: Path) -> Iterator[Member]:
    """The jobs of arrays below a working directory whose commands run now."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended since
            own = Path(entry.path, "cmdline").read_text()
            words = own.split("\0")
            if "audiolm.jobs.member" not in words:
                continue
            spool = Path(words[words.index("audiolm.jobs.member") + 1])
            if work not in spool.parents or not spool.name.endswith(".JOB.slurm"):
                continue
            lines = Path(entry.path, "environ").read_text(errors="replace").split("\0")
            variables = dict(line.partition("=")[::2] for line in lines)
            children = Path(entry.path, f"task/{entry.name}/children").read_text().split()
            if len(children) == 1 and Path(f"/proc/{children[0]}/cmdline").read_text() not in ("", own):
                number, node = int(variables["SLURM_ARRAY_TASK_ID"]), variables["SLURMD_NODENAME"]
                yield Member(spool.name.removesuffix(".JOB.slurm"), number, node, int(entry.name), int(children[0]))


def kill_on_slurm(
    recipe: Path, options: Sequence[str], work: Path, nj: int, drain: Sequence[str], moments: random.Random
) -> tuple[list[str], Disturber, int]:
    """Run a recipe undisturbed, and disturbed until it ends well.

    Returns:
        the differences between their files, what was done to the second, and how often that had to be run.
    """
    shutil.rmtree(work, ignore_errors=True)
    reference, disturbed = work / "reference", work / "disturbed"
    if _run(recipe, options, nj, reference) != 0:
        raise RuntimeError(f"the undisturbed run fails, see {reference}.log")
    disturber = Disturber(disturbed, nj, drain, moments)
    disturber.start()
    runs, known = 1, 0
    try:
        while _run(recipe, options, nj, disturbed) != 0:
            runs += 1
            if len(disturber.killed) == known or disturber.error:
                raise RuntimeError(f"a run fails though nothing was killed, see {disturbed}.log") from disturber.error
            known = len(disturber.killed)
    finally:
        disturber.enough.set()
        disturber.join()
    if disturber.error:
        raise disturber.error
    return kill_and_rerun.compare(reference, disturbed), disturber, runs


def _run(recipe: Path, options: Sequence[str], nj: int, folder: Path) -> int:
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [recipe / "run.sh", *options, "--nj", str(nj), "--dir", folder]
    with open(f"{folder}.log", "a") as log:
        return subprocess.run(command, stdout=log, stderr=log, env={**os.environ, "cmd": CMD}, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Run, disturb, rerun, compare; the exit status is the number of differing files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="folder of run.sh")
    parser.add_argument("--nj", type=int, default=4, help="jobs of an array")
    parser.add_argument("--drain", nargs="*", default=DRAIN, help="arrays under which a node is drained")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of jobs")
    parser.add_argument("--work", type=Path, default=Path("work/kill_on_slurm"), help="where both runs work")
    parser.add_argument("options", nargs="*", help="options of run.sh")
    args = parser.parse_args(argv)
    found = kill_on_slurm(
        args.recipe.resolve(), args.options, args.work.resolve(), args.nj, args.drain, random.Random(args.seed)
    )
    differences, disturber, runs = found
    for what in ("killed", "drained"):
        for array, where in getattr(disturber, what).items():
            print(f"{what}: {array}: {where}")
    print(f"{runs} runs;", "\n".join(differences) or "every file is the same")
    return min(len(differences), 100)


if __name__ == "__main__":
    sys.exit(main())
