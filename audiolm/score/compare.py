"""Two experiments beside each other: where their configs differ, how their trainings went, what they score."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiolm.config.yaml_files import read_mapping
from audiolm.errors import AudiolmError
from audiolm.score.metric import place
from audiolm.score.record import Score, read_all, read_items
from audiolm.score.results import number
from audiolm.train.logs import read_metrics
from audiolm.train.options import flatten

DRAWS = 2000  # of a bootstrap


@dataclass(frozen=True)
class Difference:
    """A score of both experiments.

    Attributes:
        label: of the score.
        a, b: the scores.
        change: b's value less a's, in their unit.
        ci: 95 % interval of ``change``: over the items that both scored, or of a draw of each.
        shared: items that both scored; 0: the two are not paired.
    """

    label: str
    a: Score
    b: Score
    change: float
    ci: tuple[float, float] | None
    shared: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out that nothing changed."""
        return self.ci is not None and not self.ci[0] <= 0 <= self.ci[1]


def config_differences(a: Path, b: Path) -> list[tuple[str, Any, Any]]:
    """(dotted key, value of a, value of b) where two experiments' configs differ; "absent" where one has no such key.

    Raises:
        AudiolmError: a directory without a config.
    """
    first, second = (dict(flatten(_config(folder))) for folder in (a, b))
    keys = [*first, *(key for key in second if key not in first)]
    pairs = [(key, first.get(key, "absent"), second.get(key, "absent")) for key in keys]
    return [(key, one, other) for key, one, other in pairs if one != other]


def curve_differences(a: Path, b: Path) -> list[tuple[str, int, float, float]]:
    """(metric, step, value of a, value of b) at the last step that both trainings logged, of every shared metric."""
    first, second = (_curves(folder) for folder in (a, b))
    found = []
    for name, line in first.items():
        own, other = dict(line), dict(second.get(name, []))
        if shared := own.keys() & other.keys():
            step = max(shared)
            found.append((name, step, own[step], other[step]))
    return found


def score_differences(a: Path, b: Path) -> list[Difference]:
    """Scores of the same name and data set, in the order of the results table."""
    first, second = ({(s.metric, s.data): s for s in read_all(folder / "scores")} for folder in (a, b))
    found = []
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        items = [read_items(folder / "scores", key[0]) for folder in (a, b)]
        shared = sorted(items[0].keys() & items[1].keys())
        ci = paired_ci(items[0], items[1], shared) if len(shared) > 1 else _unpaired(one, other)
        label = one.label or place(one.metric)[2]
        found.append(Difference(label, one, other, other.value - one.value, ci, len(shared) if len(shared) > 1 else 0))
    return sorted(found, key=lambda each: place(each.a.metric)[0])


def paired_ci(
    a: Mapping[str, tuple[float, float]], b: Mapping[str, tuple[float, float]], shared: list[str], seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the difference of two ratios of sums over the same items, drawn together (Bisani and Ney 2004).

    >>> items = {str(i): (float(i % 3), 1.0) for i in range(30)}
    >>> paired_ci(items, {name: (top + 1, bottom) for name, (top, bottom) in items.items()}, list(items))
    (1.0, 1.0)
    """
    tables = [np.array([items[name] for name in shared], dtype=np.float64) for items in (a, b)]  # [items, 2]
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(shared), (DRAWS, len(shared)))
    sums = [table[picks].sum(axis=1) for table in tables]  # [draws, 2]
    change = sums[1][:, 0] / sums[1][:, 1] - sums[0][:, 0] / sums[0][:, 1]
    low, high = np.quantile(change, [0.025, 0.975])
    return float(low), float(high)


def _unpaired(a: Score, b: Score) -> tuple[float, float] | None:
    """Of two independent values with intervals: their widths add as those of normal errors do."""
    if a.ci is None or b.ci is None:
        return None
    change = b.value - a.value
    low = np.hypot(b.value - b.ci[0], a.ci[1] - a.value)
    high = np.hypot(b.ci[1] - b.value, a.value - a.ci[0])
    return float(change - low), float(change + high)


def as_text(a: Path, b: Path) -> str:
    """All of it for a terminal."""
    lines = [f"a: {a}", f"b: {b}", "", "Config"]
    configs = config_differences(a, b)
    lines += [f"  {key}: {one!r} -> {other!r}" for key, one, other in configs] or ["  the same"]
    if curves := curve_differences(a, b):
        lines += ["", "Training, at the last step that both logged"]
        lines += [f"  {name}, step {step}: {one:.4g} -> {other:.4g}" for name, step, one, other in curves]
    lines += ["", "Scores"]
    lines += [f"  {told(each)}" for each in score_differences(a, b)] or ["  none that both have"]
    return "\n".join(lines)


def told(each: Difference) -> str:
    """A difference in a line."""
    unit = each.a.unit
    line = f"{each.label} ({each.a.data}): {number(each.a.value, unit)} -> {number(each.b.value, unit)}"
    if each.ci is not None:
        how = f"paired over {each.shared} items" if each.shared else "not paired: no items were kept that both share"
        line += f", {each.change:+.3g} ({each.ci[0]:+.3g} to {each.ci[1]:+.3g}; {how})"
        line += "" if each.clear else ", no clear difference"
    apart = [name for name in ("backend", "normaliser", "protocol") if getattr(each.a, name) != getattr(each.b, name)]
    return line + (f"; another {' and '.join(apart)}" if apart else "")


def _config(folder: Path) -> dict:
    if not (folder / "config.yaml").is_file():
        raise AudiolmError(f"{folder} has no config.yaml, expected an experiment directory such as work/demo/exp/codec")
    return read_mapping(folder / "config.yaml")


def _curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    path = folder / "metrics.jsonl"
    return read_metrics(path) if path.is_file() else {}
