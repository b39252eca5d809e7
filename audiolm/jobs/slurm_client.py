"""Slurm's commands: what is asked of them, what they answer, and their errors in one line."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audiolm.errors import AudiolmError
from audiolm.jobs.backend import Place

PATIENCE = 60.0  # seconds for an answer
PING_PATIENCE = 15.0  # seconds for the first one
# States of a job that will not run any more (squeue's manual, "Job state codes")
OVER = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()
)


class NoAnswer(AudiolmError):
    """Slurm's controller cannot be reached at the moment."""


@dataclass(frozen=True)
class State:
    """One job of an array, as Slurm sees it: its id ("12_3"), state ("PENDING") and reason ("Priority")."""

    id: str
    name: str
    reason: str

    @property
    def over(self) -> bool:
        """Whether the job will not run any more."""
        return self.name in OVER

    @property
    def held(self) -> bool:
        """Whether Slurm has put it aside after a failure."""
        return self.name == "PENDING" and "requeued held" in self.reason.lower().replace("_", " ")


def check() -> None:
    """Raise an :class:`AudiolmError` unless jobs can be sent to Slurm from here."""
    if shutil.which("sbatch") is None:
        raise AudiolmError(
            f"--backend slurm: there is no sbatch on {os.uname().nodename}; run this on a machine that sends jobs to "
            f"the cluster, or take --backend local (cmd.sh)"
        )
    try:
        done = _call(["scontrol", "ping"], PING_PATIENCE)
        said = "scontrol ping: " + (_one_line(done.stderr) or _one_line(done.stdout) or f"status {done.returncode}")
        up = " is UP" in done.stdout
    except NoAnswer as error:
        said, up = str(error), False
    if not up:
        raise NoAnswer(f"--backend slurm: Slurm does not answer ({said}); run it again when it does")


def submit(arguments: Sequence[str]) -> str:
    """Call sbatch with these arguments (:func:`sbatch_arguments`) and return the id of the array.

    Raises:
        AudiolmError: Slurm refuses the jobs.
    """
    done = _call(["sbatch", *arguments])
    if done.returncode:
        said = _one_line(done.stderr) or f"exit status {done.returncode}"
        shown = " ".join(word for word in arguments if not word.startswith(("--wrap=", "--output=")))
        raise AudiolmError(f"Slurm refuses the jobs: {said} ({_hint(said)}; sbatch {shown})")
    return done.stdout.strip().partition(";")[0]


def sbatch_arguments(
    place: Place,
    gpus: int | None,
    indices: Iterable[int],
    limit: int | None,
    name: str,
    output: str,
    command: Sequence[str],
) -> list[str]:
    """Return the arguments of sbatch for an array of jobs.

    Args:
        place: where, and what each job is given.
        gpus: GPUs for each job, on each of its machines; 0 hides those that Slurm does not guard.
        indices: numbers of the jobs.
        limit: how many may run at a time; None: all.
        name: the jobs' name, by which they are found again.
        output: file for what the jobs' script and Slurm itself say; "%a" stands for the number.
        command: program and arguments that every job starts; its number is in SLURM_ARRAY_TASK_ID.
    """
    given = {
        "cpus-per-task": place.cpus,
        "mem": place.memory,
        "time": place.time,
        "partition": place.partition,
        "account": place.account,
        "qos": place.qos,
        "gres": f"gpu:{gpus}" if gpus else None,
    }
    return [
        *["--parsable", "--requeue", "--open-mode=append"],
        "--export=ALL" + (",CUDA_VISIBLE_DEVICES=" if gpus == 0 else ""),
        *[f"--nodes={place.nodes}", f"--ntasks-per-node={place.tasks}"],
        *[f"--{option}={value}" for option, value in given.items() if value is not None],
        *place.extra,
        f"--array={compress(indices)}" + (f"%{limit}" if limit else ""),
        f"--job-name={name}",
        f"--output={output}",
        f"--wrap=exec {shlex.join(command)}",
    ]


def compress(indices: Iterable[int]) -> str:
    """Return job numbers as sbatch takes them.

    >>> compress([1, 2, 3, 7, 9, 10])
    '1-3,7,9-10'
    """
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def queue(names: Iterable[str]) -> dict[tuple[str, int], State]:
    """Return {(name, number): state} of all array jobs of these names that Slurm still knows, also of those that ended.

    Raises:
        NoAnswer: the controller does not answer.
    """
    form = "--format=%j\t%K\t%i\t%T\t%r"
    done = _call(["squeue", "--noheader", "--array", "--states=all", f"--name={','.join(sorted(set(names)))}", form])
    if done.returncode:
        raise NoAnswer(f"squeue: {_one_line(done.stderr)}")
    states = {}
    for line in done.stdout.splitlines():
        name, number, job, state, reason = line.strip().split("\t")
        if number.isdigit():
            states[name, int(number)] = State(job, state, reason)
    return states


def cancel(what: Sequence[str]) -> None:
    """Cancel jobs by id, or by name ("--name=…"), or raise :class:`NoAnswer`."""
    done = _call(["scancel", *what])
    if done.returncode and "nvalid job id" not in done.stderr:  # that one has ended by itself
        raise NoAnswer(f"scancel: {_one_line(done.stderr)}")


def _call(words: Sequence[str], patience: float = PATIENCE) -> subprocess.CompletedProcess:
    """Run one of Slurm's commands, without what a job or settings around this process would make of it.

    It is in a session of its own: Ctrl-C is for the launcher, which has jobs to cancel then.
    """
    own = ("SLURM_CONF", "SLURM_CLUSTERS")  # these say which Slurm it is
    prefixes = ("SLURM_", "SLURMD_", "SQUEUE_", "SCANCEL_", "SRUN_")
    variables = {name: value for name, value in os.environ.items() if name in own or not name.startswith(prefixes)}
    try:
        return subprocess.run(
            words, env=variables, capture_output=True, text=True, timeout=patience, check=False, start_new_session=True
        )
    except subprocess.TimeoutExpired as error:
        said = _one_line((error.stderr or b"").decode(errors="replace"))
        raise NoAnswer(f"{words[0]}: no answer in {patience:.0f} s" + (f"; {said}" if said else "")) from error
    except FileNotFoundError as error:
        raise AudiolmError(f"--backend slurm: there is no {words[0]} on the PATH") from error


def _one_line(text: str) -> str:
    """Return what a command of Slurm has printed as one line, each thing said once."""
    lines = [re.sub(r"^\w+: (?:error|fatal): ", "", line.strip(" *\t\r")) for line in text.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line))


def _hint(said: str) -> str:
    """Return what to look at when sbatch refuses jobs."""
    lower = said.lower()
    if "array" in lower:
        return "fewer jobs, --nj; the largest number is in: scontrol show config | grep MaxArraySize"
    if "submitlimit" in lower or "submit limit" in lower or "job submit" in lower:
        return (
            "you may have no more jobs queued: wait for others of yours, or take fewer, --nj; the limits are in: "
            "sacctmgr show assoc user=$USER format=account,qos,maxsubmit"
        )
    if "account" in lower or "qos" in lower or "assoc" in lower:
        return "mend --account, --partition, --qos in cmd.sh; yours are in: sacctmgr show assoc user=$USER"
    if "partition" in lower:
        return f"mend --partition in cmd.sh; there are: {_one_line(_call(['sinfo', '-h', '-o', '%R']).stdout)}"
    if "memory" in lower or "processor" in lower or "node configuration" in lower:
        there = _one_line(_call(["sinfo", "-h", "-o", "%R has %D of %c cores and %m MB"]).stdout)
        return f"mend --mem, --cpus, --tasks, --nodes in cmd.sh; partition {there}"
    return "mend the options in cmd.sh; sinfo shows what there is"
