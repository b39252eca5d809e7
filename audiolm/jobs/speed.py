"""How fast this machine runs ordinary processes now, one alone and several side by side; and what else runs on it.

Stages that train nothing (voices, alignment, scores) are processes of scalar code in C and Python. ``python -m
audiolm.jobs.speed SECONDS`` is one such process: it prints how many units of work it did in a second of wall time.
"""

import os
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

BLOCK = bytes((i * i) >> 3 & 63 for i in range(20000))


def work(seconds: float) -> float:
    """Do scalar work for so many seconds of wall time; return units a second: compressed blocks and Python loops."""
    start, units = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        zlib.compress(BLOCK, 6)
        total = 0
        for i in range(5000):
            total += i & 7
        units += 1
    return units / passed


def side_by_side(processes: int, seconds: float) -> float:
    """Units a second that each of several processes does while all run."""
    command = [sys.executable, "-m", "audiolm.jobs.speed", str(seconds)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in started) / processes


class Others:
    """Cores that other programs take while this object is open: ``with Others() as others: …``; ``others.cores``.

    ``cores`` is None where the system does not tell (no /proc/stat, or a container that shows another machine's).
    """

    cores: float | None = None

    def __enter__(self) -> "Others":
        self._start = _busy(), sum(os.times()[:4]), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        busy, own, now = _busy(), sum(os.times()[:4]), time.perf_counter()
        if busy is not None and self._start[0] is not None:
            others = busy - self._start[0] - (own - self._start[1])
            self.cores = max(0.0, round(others / (now - self._start[2]), 2))


def _busy() -> float | None:
    """Seconds that all cores together have worked, or were held by other machines of the host (proc(5))."""
    with suppress(OSError, ValueError, IndexError):
        fields = [int(value) for value in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
        idle, waiting = fields[3:5]
        guests = sum(fields[8:10])  # counted under user and nice as well
        return (sum(fields) - idle - waiting - guests) / os.sysconf("SC_CLK_TCK")
    return None


if __name__ == "__main__":
    print(work(float(sys.argv[1])))
