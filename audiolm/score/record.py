"""One number of a results table, as it lies on disk: ``scores/<metric>.json``.

A score without its protocol, its backend and its baseline cannot be compared with anything, so a record holds all of
them. Metrics return records; the report and ``audiolm results`` read them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from audiolm.data.files import write_lines
from audiolm.errors import AudiolmError


@dataclass(frozen=True)
class Score:
    """One value with everything needed to read it.

    Attributes:
        metric: name of the row and of the file, lower case with underscores: ``wer_tts_pocketsphinx``.
        value: the number, in ``unit``.
        unit: ``%``, ``s``, ``ms``, ``dB``, ``nats``, ``bit/s`` … or an empty string for a plain number.
        protocol: how it is computed, and where that departs from the paper's way: one sentence.
        backend: name of the model or program that measures ("pocketsphinx 5.1.1, JSGF"), empty for a formula.
        checksum: checksum of the backend's weights, empty where there are none.
        data: data set that is scored: ``test``.
        count: number of items behind the value: utterances, words, frames; ``protocol`` says which.
        ci: 95 % confidence interval (low, high) in ``unit``, or None.
        baseline: the value to read this one against, in ``unit``, or None.
        baseline_name: what the baseline is: "the originals, same recogniser"; "unigram".
        better: "lower" or "higher"; None for a value that is only reported, such as a bitrate.
        details: further numbers of the same measurement, such as counts of substitutions.
        normaliser: of word errors, what references and hypotheses went through before they were compared.
        section, label: place in the results table of a metric that audiolm itself does not know; empty: as the metric
            declares.
        items: of a ratio, numerator and denominator of every item by its id, in the units of ``value`` where they are
            summed; kept in ``items/<metric>.json``, so that two experiments can be compared on the items they share.
    """

    metric: str
    value: float
    unit: str
    protocol: str
    backend: str
    checksum: str
    data: str
    count: int
    ci: tuple[float, float] | None = None
    baseline: float | None = None
    baseline_name: str = ""
    better: str | None = "lower"
    details: dict[str, float] = field(default_factory=dict)
    normaliser: str = ""
    section: str = ""
    label: str = ""
    items: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False)

    def __post_init__(self):
        numbers = {"value": self.value, "baseline": self.baseline, **self.details}
        numbers |= dict(zip(("ci low", "ci high"), self.ci or (), strict=False))
        for name, number in numbers.items():
            if number is not None and not math.isfinite(number):
                raise AudiolmError(
                    f"{name} of score '{self.metric}' on '{self.data}' is {number}, expected a finite number: "
                    "is the data set empty, or did the training diverge?"
                )
        if self.better not in ("lower", "higher", None):
            raise ValueError(f"better={self.better!r}, expected 'lower', 'higher' or None")

    def write(self, directory: str | Path) -> Path:
        """Write ``<directory>/<metric>.json`` atomically, the items before it, and return its path."""
        path = Path(directory) / f"{self.metric}.json"
        if self.items:
            write_lines(path.parent / "items" / path.name, [json.dumps(self.items, ensure_ascii=False)])
        write_lines(path, [json.dumps(self._record(), indent=2, ensure_ascii=False)])
        return path

    def _record(self) -> dict:
        kept = {name: value for name, value in asdict(self).items() if name != "items"}
        return {name: value for name, value in kept.items() if value or name not in ("section", "label")}

    @classmethod
    def read(cls, path: str | Path) -> "Score":
        """Read one record; AudiolmError names the file and the key where it is not one."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise AudiolmError(f"{path} is not a score record ({error}): delete it and score again") from error
        known = {f.name for f in fields(cls)}
        required = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
        keys = set(record) if isinstance(record, dict) else set()
        if keys - known or required - keys:
            wrong = ", ".join(sorted((keys - known) | (required - keys)))
            raise AudiolmError(f"{path} is not a score record (missing or unknown: {wrong}): delete it and score again")
        if record.get("ci") is not None:
            record["ci"] = tuple(record["ci"])
        return cls(**record)


def read_all(directory: str | Path) -> list[Score]:
    """Read every record of ``<directory>/*.json``, sorted by metric; an absent directory has none."""
    return [Score.read(path) for path in sorted(Path(directory).glob("*.json"))]


def read_items(directory: str | Path, metric: str) -> dict[str, tuple[float, float]]:
    """Numerator and denominator of every item of a score; none where they were not kept."""
    path = Path(directory) / "items" / f"{metric}.json"
    if not path.is_file():
        return {}
    return {name: tuple(pair) for name, pair in json.loads(path.read_text(encoding="utf-8")).items()}


def bootstrap_ci(
    numerators: Sequence[float],
    denominators: Sequence[float] | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of ``sum(numerators) / sum(denominators)`` over independent items.

    Items (utterances, recordings) are drawn with replacement, errors and words of an item together (Bisani and Ney
    2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation", section 2).

    Args:
        numerators: one number per item, for example its word errors.
        denominators: one number per item, for example its reference words; None for the mean of ``numerators``.

    Returns:
        (low, high), or None for fewer than two items or a draw without any denominator.
    """
    top = np.asarray(numerators, dtype=np.float64)  # [items]
    bottom = np.ones_like(top) if denominators is None else np.asarray(denominators, dtype=np.float64)
    if len(top) < 2:
        return None
    rng = np.random.default_rng(seed)
    tops, bottoms = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        items = rng.integers(0, len(top), len(top))
        tops[draw], bottoms[draw] = top[items].sum(), bottom[items].sum()
    if not (bottoms > 0).all():
        return None
    low, high = np.quantile(tops / bottoms, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
