"""Arrays of jobs in Kaldi's calling form: ``JOB=1:4 log/x.JOB.log command … JOB …``."""

import contextlib
import hashlib
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.jobs.backend import Backend, Ended, Job
from audiolm.jobs.progress import LOG_EVERY

RUN_VARIABLE = "AUDIOLM_RUN"  # names one run of one stage; a new run of it redoes jobs that an earlier run has done
TAIL_LINES = 10
OPERATORS = {"|", "||", "&&", ";", "<", ">", ">>", "2>", "2>&1", "|&"}  # words that make a command a shell's business


def parse_array(words: Sequence[str]) -> list[Job]:
    """Return the jobs that ``[NAME=FIRST[:LAST]] LOG COMMAND…`` stands for, NAME replaced in log and command.

    Words such as ``|`` and ``>`` (quoted for the calling shell, as in Kaldi) make bash run the command.

    >>> [job.command for job in parse_array(["JOB=1:2", "x.JOB.log", "echo", "JOB"])]
    [('echo', '1'), ('echo', '2')]
    """
    words = list(words)
    name, indices = "", range(1, 2)
    if words and (match := re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", words[0])):
        name, first, last = match[1], int(match[2]), int(match[3] or match[2])
        if first > last:
            raise AudiolmError(f"{words[0]}: the first job comes after the last; expected {name}=1:4, say")
        indices = range(first, last + 1)
        words = words[1:]
    if len(words) < 2:
        raise AudiolmError("expected [JOB=1:N] LOG COMMAND …, found " + (f"only '{words[0]}'" if words else "nothing"))
    if name and len(indices) > 1 and name not in words[0]:
        raise AudiolmError(f"log '{words[0]}' must hold {name}, or all {len(indices)} jobs would write the same log")
    return [replace(_job(words, name, index), of=len(indices)) for index in indices]


def _job(words: list[str], name: str, index: int) -> Job:
    log, *command = [word.replace(name, str(index)) for word in words] if name else words
    if OPERATORS & set(command):
        line = " ".join(word if word in OPERATORS else shlex.quote(word) for word in command)
        command = ["bash", "-c", f"set -o pipefail; {line}"]
    text = "\0".join([os.environ.get(RUN_VARIABLE, ""), *command])
    return Job(index, tuple(command), Path(log), hashlib.sha256(text.encode()).hexdigest(), Path(words[0]))


def launch(jobs: Sequence[Job], backend: Backend, gpus: int | None = None, retries: int = 0) -> int:
    """Run the jobs that have no done mark, those that fail again up to ``retries`` times; return how many failed.

    Each job that ends well leaves its done mark, so that a half-done array redoes only what is missing. The marks of a
    complete array go away, unless they belong to a stage's run, which may be interrupted after the array.

    On SIGINT, SIGTERM and SIGHUP every running job is ended, then this process ends by the same signal.
    """
    missing = [job for job in jobs if not job.is_done()]
    if len(missing) < len(jobs):
        print(f"launch: {len(jobs) - len(missing)} of {len(jobs)} jobs were done before", file=sys.stderr)
    display = _Display(jobs, len(jobs) - len(missing))
    previous = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        for rounds_left in range(retries, -1, -1):
            missing = _run(missing, backend, gpus, display)
            if not missing:
                break
            if rounds_left:
                which = f"{len(missing)} of {len(jobs)} jobs run" if len(jobs) > 1 else "it runs"
                print(f"launch: {which} again (--retries: {rounds_left - 1} left)", file=sys.stderr)
    except _Interrupted as interrupted:
        display.clear()
        print("launch: interrupted; every job was ended", file=sys.stderr)
        signal.signal(interrupted.number, signal.SIG_DFL)
        os.kill(os.getpid(), interrupted.number)
    finally:
        display.clear()
        for number, handler in previous.items():
            signal.signal(number, handler)
    if missing and len(jobs) > 1:
        print(f"launch: {len(missing)} of {len(jobs)} jobs failed; the same command redoes only these", file=sys.stderr)
    if not missing and RUN_VARIABLE not in os.environ:
        for job in jobs:
            job.done_mark.unlink()
    return len(missing)


def _run(jobs: Sequence[Job], backend: Backend, gpus: int | None, display: "_Display") -> list[Job]:
    """Run the jobs once and return those that failed."""
    failed = []
    said: dict[tuple[str, ...], int] = {}
    with contextlib.closing(backend.run(jobs, gpus, display.show)) as ends:
        for ended in ends:
            if ended.status == 0:
                temporary = ended.job.done_mark.with_name(ended.job.done_mark.name + ".tmp")
                temporary.write_text(ended.job.digest)
                os.replace(temporary, ended.job.done_mark)
                display.done += 1
            else:
                failed.append(ended.job)
                display.clear()
                _report_failure(ended, len(display.jobs), said)
    return failed


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupted(BaseException):
    def __init__(self, number: int) -> None:
        self.number = number


def _interrupt(number: int, _frame: object) -> None:
    for other in _SIGNALS:  # a second Ctrl-C must not stop what ends the jobs
        signal.signal(other, signal.SIG_IGN)
    raise _Interrupted(number)


def _report_failure(ended: Ended, of: int, said: dict[tuple[str, ...], int]) -> None:
    """Print how a job has failed and the end of its log, or which job it fails as; ``said``: end -> first such job."""
    job, status, how = ended
    if not how and status > 0:
        how = f"exit status {status}"
    elif not how:
        how = f"killed by {signal.Signals(-status).name}"
        if -status == signal.SIGKILL:
            how += ", which is also how the system ends a process when memory runs out"
    which = f"job {job.index} of {of} failed" if of > 1 else "the job failed"
    text = job.log.read_text(encoding="utf-8", errors="replace") if job.log.is_file() else ""
    lines = re.split(r"^# (?:started|submitted) .*\n", text, flags=re.MULTILINE)[-1].splitlines()
    tail = [line for line in lines if not line.startswith("# ended ")][-TAIL_LINES:]
    first = said.setdefault(tuple(tail), job.index)
    if tail and first != job.index:  # a mistake that all jobs meet is shown once
        print(f"launch: {which} ({how}); its log {job.log} ends as that of job {first}", file=sys.stderr)
        return
    print(f"launch: {which} ({how}); its log {job.log} ends with:", file=sys.stderr)
    print("\n".join(f"    {line}" for line in tail or ["(it has written nothing)"]), file=sys.stderr)


class _Display:
    """Jobs done, and how far the others are by their own account: one line on a terminal, a line a minute in a log.

    Args:
        jobs: all jobs of the array.
        done: how many of them were done before.
    """

    def __init__(self, jobs: Sequence[Job], done: int) -> None:
        self.jobs, self.done = jobs, done
        self.on_terminal = sys.stderr.isatty()
        self.logged = time.monotonic()
        self.shown = False

    def show(self, state: str) -> None:
        """Show how far the jobs are; ``state`` is what the backend knows of them."""
        if not self.on_terminal and time.monotonic() - self.logged < LOG_EVERY:
            return
        self.logged = time.monotonic()
        notes = [note for job in self.jobs if (note := _read_note(job))]
        parts = [f"{self.done} of {len(self.jobs)} jobs done"] if len(self.jobs) > 1 else []
        parts += [state] if state else []
        for desc in dict.fromkeys(desc for _, _, desc in notes):
            count = sum(note[0] for note in notes if note[2] == desc)
            total = sum(note[1] for note in notes if note[2] == desc)
            parts.append(f"{desc} {count}" + (f" of {total} ({100 * count // total} %)" if total else ""))
        if parts:
            start, end = ("\r\033[K  ", "") if self.on_terminal else ("launch: ", "\n")
            print(start + ", ".join(parts), end=end, file=sys.stderr, flush=True)
            self.shown = self.on_terminal

    def clear(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self.shown = False


def _read_note(job: Job) -> tuple[int, int, str] | None:
    """Return (count, total or 0, description) of the job's last progress note, where it has written one."""
    file = job.log.with_name(job.log.name + ".progress")
    fields = file.read_text(encoding="utf-8").rstrip("\n").split("\t") if file.is_file() else []
    if len(fields) != 3:  # none yet, or caught while it is written
        return None
    return int(fields[0]), int(fields[1] or 0), fields[2]
