"""What a recipe's stages cost: the table that a recipe ships, and what its figures mean on another machine.

``measured/<budget>.tsv`` is written from the marks of a complete run (``run.sh --write_measured``): wall time, what of
it the loops of trainings took, processor time, memory and disk of every stage, and how fast the machine was then. The
same measuring elsewhere scales the times.
"""

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from audiolm.errors import AudiolmError

MEASURES = ("seconds", "training_seconds", "cpu_seconds", "memory_mb", "disk_mb")
SPREAD = 1.15  # two runs on one machine
DOUBT = 0.25  # the exponent of a factor between two machines that its range is widened by, either way


@dataclass(frozen=True)
class Machine:
    """A machine at one time, with all that ran on it.

    Attributes:
        processor, cores: its name, and the cores that this process may use.
        busy: cores that other programs took; None where the system does not tell.
        jobs: processes side by side in ``processes``.
        process, processes: scalar work a second of one process alone, and of each of ``jobs``.
        products: 1e9 operations a second of fp32 matrix products on one thread.
        training: steps a second of a small model.
        date: when it was measured.
    """

    processor: str
    cores: int
    busy: float | None
    jobs: int
    process: float
    processes: float
    products: float
    training: float
    date: str

    def told(self) -> str:
        """Return what it is and what else runs there, in a line."""
        name = f"{self.cores} core{'s' if self.cores > 1 else ''}, {self.processor}"
        if self.busy is None or self.busy < 0.15:
            return name
        return f"{name}; other programs take {min(self.busy, self.cores):.1f} of its cores now"

    def at_work(self, parallel: float) -> float:
        """Return scalar work a second of each process where ``parallel`` of them (1 or more) run on average."""
        between = min(1.0, max(0.0, (parallel - 1) / (self.jobs - 1))) if self.jobs > 1 else 0.0
        return self.process + between * (self.processes - self.process)


def read_machine(values: dict) -> Machine:
    """Return the machine that ``audiolm machine`` has written.

    Raises:
        KeyError, TypeError: a value is missing, or it is no such file.
    """
    return Machine(**{field.name: values[field.name] for field in fields(Machine)})


def read_table(path: Path | None) -> tuple[Machine | None, dict[str, dict]]:
    """Return the machine and the costs by stage of a table; none where there is no such file.

    Raises:
        AudiolmError: the file is no such table.
    """
    if path is None or not path.is_file():
        return None, {}
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        costs = {name: dict(zip(MEASURES, map(float, values), strict=True)) for name, *values in rows}
        return read_machine(json.loads(first.removeprefix("# machine "))), costs
    except (ValueError, KeyError, TypeError) as error:
        raise AudiolmError(
            f"{path}: no table of measured costs ({error}); run.sh --write_measured makes it anew after a complete run"
        ) from error


def write_table(path: Path, machine: Machine, costs: dict[str, dict]) -> None:
    """Write a table, whole or not at all."""
    lines = [f"# machine {json.dumps(vars(machine), ensure_ascii=False)}", "\t".join(["# stage", *MEASURES])]
    lines += ["\t".join([name, *(f"{cost.get(key) or 0:.10g}" for key in MEASURES)]) for name, cost in costs.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def seconds_here(cost: dict, here: Machine | None, there: Machine | None) -> tuple[float, float]:
    """Return the least and the most seconds to expect of a stage whose cost was measured ``there``.

    The steps of a training go by the speed of training. All else, the start of a training too, is scalar code and
    one-thread products in a mix that differs: the range holds both, times the processes that find no core here.
    Without ``here`` or ``there`` the machines are taken to be alike.
    """
    training = min(cost["training_seconds"], cost["seconds"])
    rest = cost["seconds"] - training
    if here is None or there is None:
        parts = [(training, (1.0,)), (rest, (1.0,))]
    else:
        parallel = max(1.0, cost["cpu_seconds"] / max(cost["seconds"], 1e-9))
        queue = max(1.0, min(parallel, there.cores) / here.cores)
        scalar = there.at_work(parallel) / here.at_work(parallel) * queue
        products = scalar * (there.products / there.process) / (here.products / here.process)
        parts = [(training, (there.training / here.training,)), (rest, (scalar, products))]
    wide = {factor: SPREAD * math.exp(abs(math.log(factor)) * DOUBT) for _, factors in parts for factor in factors}
    low = sum(seconds * min(factor / wide[factor] for factor in factors) for seconds, factors in parts)
    high = sum(seconds * max(factor * wide[factor] for factor in factors) for seconds, factors in parts)
    return low, high


def span(low: float, high: float) -> str:
    """Return a range of seconds in the unit of its end.

    >>> [span(*ends) for ends in ((2, 4), (30, 130), (800, 1210), (5000, 7300), (61, 62))]
    ['2 to 4 s', '0.5 to 2 min', '13 to 20 min', '1.4 to 2.0 h', '61 to 62 s']
    """
    unit, seconds, digits = ("s", 1, 0) if high < 120 else ("min", 60, 0) if high < 6000 else ("h", 3600, 1)
    ends = [f"{end / seconds:.{digits if end >= seconds or unit == 's' else 1}f}" for end in (low, high)]
    return " to ".join(ends if ends[0] != ends[1] else ends[:1]) + f" {unit}"


def total(costs: Sequence[dict]) -> dict:
    """Return the costs of several stages one after another: times and disk add up, the largest memory counts."""
    return {
        "low": sum(cost["low"] for cost in costs),
        "high": sum(cost["high"] for cost in costs),
        "memory_mb": max((cost["memory_mb"] or 0 for cost in costs), default=0),
        "disk_mb": sum(cost["disk_mb"] for cost in costs),
    }


def compared(here: Machine | None, there: Machine) -> str:
    """Return where the figures come from and how this machine compares, in a line or two."""
    line = f"measured {there.date} on {there.told().replace(' now', ' then')}"
    if here is None:
        return line
    scalar = here.at_work(here.jobs) / there.at_work(there.jobs)
    return (
        f"{line}\nthis machine, {here.told()}: trains {here.training / there.training:.2g} times as fast, "
        f"other work {scalar:.2g} times"
    )


def processor() -> str:
    """The processor's name, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def between(first: Machine, last: Machine) -> Machine:
    """Return the machine over a run: geometric means of its speeds at the begin and the end, and what ran besides."""
    speeds = ("process", "processes", "products", "training")
    means = {key: float(f"{math.sqrt(getattr(first, key) * getattr(last, key)):.4g}") for key in speeds}
    busy = None if first.busy is None or last.busy is None else round((first.busy + last.busy) / 2, 2)
    return replace(last, busy=busy, **means)


def steady(first: Machine, last: Machine) -> str:
    """Return what changed on the machine between the begin and the end of a run; "" where its speed was steady."""
    changes = [
        f"{what} {then:g} then, {now:g} now"
        for what, then, now in (
            ("training steps a second", first.training, last.training),
            ("scalar work", first.processes, last.processes),
        )
        if abs(math.log(now / then)) > math.log(1.25)
    ]
    return "; ".join(changes)
