"""What a run tells: metrics.jsonl, TensorBoard, train.log and a line of progress.

``metrics.jsonl`` has one JSON object a line. Training lines, every ``log_every`` steps (each step, where a run has no
more), hold ``step`` (steps finished), ``seconds`` (of training so far), ``lr/<optimizer>`` of the last step, and
``loss/<optimizer>``, ``grad_norm/<optimizer>`` and the system's metrics, each the mean over the steps since the last
line. Validation lines hold ``step`` and ``valid/<metric>``. A value that is not finite is null.
"""

import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.jobs.progress import LOG_EVERY, RELAY_VARIABLE, duration, tell

logger = logging.getLogger("audiolm.train")


class NotFinite(AudiolmError):
    """A loss or gradient became infinite or not a number."""


class Meter:
    """Means of scalars over steps. Values stay on their device until :meth:`flush`, which reads all of them at once.

    Args:
        reduce: mean of a tensor over the ranks.
        device: where the values are.
    """

    def __init__(self, reduce: Callable[[Tensor], Tensor], device: torch.device):
        self.reduce = reduce
        self.device = device
        self.pending: list[tuple[int, dict[str, Tensor | float]]] = []
        self.sums: dict[str, tuple[float, int]] = {}

    def add(self, step: int, values: dict[str, Tensor | float]) -> None:
        """Note the values of a step; those called ``loss/…`` and ``grad_norm/…`` must be finite."""
        self.pending.append((step, values))

    def flush(self) -> None:
        """Read the noted values from the device and add them to the sums.

        Raises:
            NotFinite: a loss or a gradient norm is not finite; the message names the step and all its terms.
        """
        if not self.pending:
            return
        flat = [
            value.detach().float() if isinstance(value, Tensor) else torch.tensor(float(value), device=self.device)
            for _, values in self.pending
            for value in values.values()
        ]
        numbers = iter(self.reduce(torch.stack(flat)).tolist())
        for step, values in self.pending:
            read = {name: next(numbers) for name in values}
            if not all(math.isfinite(v) for name, v in read.items() if name.startswith(("loss/", "grad_norm/"))):
                terms = ", ".join(f"{name} {value:g}" for name, value in read.items())
                raise NotFinite(f"step {step + 1} is not finite: {terms}")
            for name, value in read.items():
                total, count = self.sums.get(name, (0.0, 0))
                self.sums[name] = (total + value, count + 1)
        self.pending.clear()

    def means(self) -> dict[str, float]:
        """Return the mean of each value since the last call, and begin anew."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return means


class _File(logging.FileHandler):
    """A log file that cannot be written ends the run; logging's own way is to print a traceback and go on."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise


class Logs:
    """The log files of an experiment directory, written by rank 0 alone.

    While they are open, all that the package logs goes to ``train.log``, and its warnings to stderr too.

    Args:
        exp_dir: the experiment.
        step: finished steps of the checkpoint that training goes on from: later lines are taken back.
    """

    def __init__(self, exp_dir: Path, step: int):
        from torch.utils.tensorboard import SummaryWriter

        truncate_metrics(exp_dir / "metrics.jsonl", step)
        self.metrics = open(exp_dir / "metrics.jsonl", "a", encoding="utf-8")
        self.board = SummaryWriter(str(exp_dir / "tensorboard"), purge_step=step + 1, flush_secs=30)
        file, console = _File(exp_dir / "train.log", encoding="utf-8"), logging.StreamHandler()
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        console.setLevel(logging.WARNING)
        self.handlers = [file, console]
        self.package = logging.getLogger("audiolm")
        self.package.setLevel(logging.INFO)
        for handler in self.handlers:
            self.package.addHandler(handler)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line to metrics.jsonl, and the values to TensorBoard."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self.metrics.write(json.dumps({"step": step, **finite}) + "\n")
        self.metrics.flush()
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def close(self) -> None:
        for handler in self.handlers:
            self.package.removeHandler(handler)
        self.metrics.close()
        self.board.close()
        for handler in self.handlers:
            handler.close()


def truncate_metrics(path: Path, step: int) -> None:
    """Cut ``metrics.jsonl`` before its first line of a later step than ``step``, or its first incomplete line."""
    if not path.exists():
        return
    with open(path, "rb+") as file:
        kept = 0
        for line in file:
            if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                break
            kept += len(line)
        file.truncate(kept)


def read_metrics(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric -> its values by step, of a ``metrics.jsonl``; those that are not finite are left out."""
    metrics: dict[str, list[tuple[int, float]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        for name, value in values.items():
            if name not in ("step", "seconds") and isinstance(value, (int, float)):
                metrics.setdefault(name, []).append((values["step"], value))
    return metrics


class Progress:
    """Speed and time left; on a terminal a line that is overwritten, in a log a line a minute.

    Args:
        step: finished steps at the start.
        max_steps: steps in all.
        seconds: training time of earlier runs.
    """

    def __init__(self, step: int, max_steps: int, seconds: float):
        self.max_steps = max_steps
        self.begin = time.monotonic() - seconds
        self.last = (step, time.monotonic())
        self.shown = time.monotonic()
        self.relay = os.environ.get(RELAY_VARIABLE)

    def seconds(self) -> float:
        """Return the seconds of training so far, in all runs."""
        return time.monotonic() - self.begin

    def close(self) -> None:
        """End the line on a terminal, so that what follows stands on its own."""
        if sys.stderr.isatty():
            print(file=sys.stderr, flush=True)

    def line(self, step: int, values: Mapping[str, float]) -> str:
        """Return the line of finished step ``step``, and show it where it is due."""
        now = time.monotonic()
        rate = (step - self.last[0]) / max(now - self.last[1], 1e-9)
        self.last = (step, now)
        losses = ", ".join(f"{name.removeprefix('loss/')} {v:.4g}" for name, v in values.items() if "loss" in name)
        left = duration((self.max_steps - step) / rate) if rate else "?"
        text = f"step {step}/{self.max_steps}, {rate:.3g} steps/s, {left} left; {losses}"
        if self.relay:
            tell(self.relay, step, self.max_steps, "train")
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif now - self.shown >= LOG_EVERY or step == self.max_steps:
            print(text, file=sys.stderr, flush=True)
            self.shown = now
        return text


def record(**values: Any) -> str:
    """Return ``name value`` pairs on one line, for train.log."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
