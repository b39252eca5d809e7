"""Watch a running stage: its memory, and the shell that runs it.

``python -m audiolm.jobs.monitor --shell PID --out FILE``: the stage is every process below the shell. FILE is kept up
to date with the largest sum of resident sets seen, in MB (memory that processes share counts for each of them). When
the shell is gone (SIGKILL, a closed terminal) what it has left is ended: it would write where the next run works.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

EVERY = 0.5  # seconds between two looks


def main(argv: list[str] | None = None) -> int:
    """Watch until the shell ends this process, or is gone."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--shell", type=int, required=True, help="process id of the shell")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    peak = 0.0
    stage: dict[int, str] = {}
    while True:
        processes = table()
        if args.shell not in processes or os.getppid() != args.shell:
            _end(stage)
            return 1
        tree = descendants(processes, args.shell) - descendants(processes, os.getpid()) - {os.getpid()}
        stage = {pid: processes[pid][2] for pid in tree}
        peak = max(peak, sum(processes[pid][1] for pid in tree))
        with suppress(OSError):  # a full disk is for the stage to tell
            temporary = args.out.with_name(args.out.name + ".tmp")
            temporary.write_text(f"{peak:.1f}")
            os.replace(temporary, args.out)
        time.sleep(EVERY)


def table() -> dict[int, tuple[int, float, str]]:
    """Return {process id: (parent's id, resident set in MB, what tells it from a later process of the same id)}."""
    if Path("/proc/self/stat").exists():
        return {int(entry.name): row for entry in os.scandir("/proc") if entry.name.isdigit() and (row := _row(entry))}
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,rss=,lstart="], capture_output=True, text=True, check=True)
    rows = (line.split(None, 3) for line in listing.stdout.splitlines())
    return {int(pid): (int(parent), int(kilobytes) / 1e3, start) for pid, parent, kilobytes, start in rows}


def _row(entry: os.DirEntry) -> tuple[int, float, str] | None:
    try:
        fields = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended since the folder was listed
    # proc(5): after the name come state (3), ppid (4) … starttime (22), vsize (23), rss in pages (24)
    return int(fields[1]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6, fields[19]


def descendants(processes: dict[int, tuple[int, float, str]], root: int) -> set[int]:
    """Return the ids of all processes below ``root``."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    stack = [root]
    while stack:
        below = children.get(stack.pop(), [])
        found.update(below)
        stack.extend(below)
    return found


def _end(stage: dict[int, str]) -> None:
    for number, pause in ((signal.SIGTERM, 12.0), (signal.SIGKILL, 0.0)):
        deadline = time.monotonic() + pause
        left = _alive(stage)
        for pid in left:
            _kill(pid, number)
        while _alive(stage) and time.monotonic() < deadline:
            time.sleep(EVERY)


def _alive(stage: dict[int, str]) -> list[int]:
    processes = table()
    return [pid for pid, start in stage.items() if pid in processes and processes[pid][2] == start]


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended


if __name__ == "__main__":
    sys.exit(main())
