"""Learning curves of runs that went well, and the alarm of a run that leaves them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.train.logs import logger, read_metrics

NAME = "reference.json"  # in an experiment: the one it is compared with
NEIGHBOURS = 1  # logged steps on either side whose values widen the band: lines are means over few batches
SKIPPED = ("lr/",)  # metrics that say nothing of how a run goes


@dataclass
class Band:
    """Between what two values a metric should be, by step (ascending)."""

    steps: list[int]
    low: list[float]
    high: list[float]

    def at(self, step: int) -> tuple[int, float, float] | None:
        """The nearest step of the band, and its values; None a whole interval or more beyond its ends."""
        steps = np.array(self.steps)
        nearest = int(np.abs(steps - step).argmin())
        spacing = np.diff(steps).max(initial=1)
        if abs(steps[nearest] - step) > spacing:
            return None
        return self.steps[nearest], self.low[nearest], self.high[nearest]


Reference = dict[str, Band]  # by metric


def make_reference(runs: Sequence[Path], factor: float = 2.0, margin: float = 0.1) -> Reference:
    """The bands of every metric that all runs logged, at the steps that they all logged.

    Low and high are the least and largest value of the runs at a step and at its neighbours, c ∓ r; the band is c ∓
    max(``factor`` · r, ``margin`` · |c|): wider than what the seeds that were run happened to give, and not empty where
    there was one.

    Args:
        runs: experiment directories.
        factor, margin: see above.

    Raises:
        AudiolmError: a run has no metrics, or they have no step in common.
    """
    logged = []
    for run in runs:
        path = run / "metrics.jsonl"
        if not path.is_file():
            raise AudiolmError(f"no {path}: '{run}' is not an experiment that audiolm train has begun")
        logged.append({name: dict(series) for name, series in read_metrics(path).items()})
    reference = {}
    for name in logged[0]:
        steps = sorted(set.intersection(*(set(metrics.get(name, ())) for metrics in logged)))
        if not steps or name.startswith(SKIPPED):
            continue
        values = np.array([[metrics[name][step] for step in steps] for metrics in logged])  # [runs, steps]
        low, high = values.min(axis=0), values.max(axis=0)
        around = [slice(max(i - NEIGHBOURS, 0), i + NEIGHBOURS + 1) for i in range(len(steps))]
        low, high = np.array([low[i].min() for i in around]), np.array([high[i].max() for i in around])
        centre = (low + high) / 2
        half = np.maximum(factor * (high - low) / 2, margin * np.abs(centre))
        reference[name] = Band(steps, (centre - half).tolist(), (centre + half).tolist())
    if not reference:
        raise AudiolmError(f"{' and '.join(map(str, runs))} logged no metric at the same step: log_every must be equal")
    return reference


def write_reference(path: Path, reference: Reference) -> None:
    """Write JSON: metric -> ``steps``, ``low``, ``high``."""
    table = {name: {"steps": band.steps, "low": band.low, "high": band.high} for name, band in reference.items()}
    with atomic(path, "w") as file:
        file.write(json.dumps(table) + "\n")


def read_reference(path: Path) -> Reference:
    """Read what ``write_reference`` wrote.

    Raises:
        AudiolmError: it is not there, or is something else.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        reference = {name: Band(**band) for name, band in table.items()}
    except OSError as error:
        raise AudiolmError(f"cannot read the reference curve {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise AudiolmError(f"{path} is no reference curve; make one with 'audiolm curve'") from None
    for name, band in reference.items():
        if not band.steps or not len(band.steps) == len(band.low) == len(band.high):
            raise AudiolmError(f"{path}: '{name}' has not as many low and high values as steps; make it anew")
    return reference


class Alarm:
    """Warns, once a metric, of values outside a reference."""

    def __init__(self, reference: Reference):
        self.reference = reference
        self.told: set[str] = set()

    def hear(self, step: int, values: Mapping[str, float]) -> None:
        """Compare what was logged at ``step`` with the nearest step of the reference."""
        for name, value in values.items():
            band = self.reference[name].at(step) if name in self.reference and name not in self.told else None
            if band is None or band[1] <= value <= band[2]:
                continue
            self.told.add(name)
            logger.warning(
                "step %d: %s is %.4g, outside the reference's %.4g … %.4g (of step %d)",
                *(step, name, value, band[1], band[2], band[0]),
            )
