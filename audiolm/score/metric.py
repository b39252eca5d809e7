"""What a metric declares of itself: ``audiolm score``, the results table, the page and ``RESULTS.md`` derive from it.

A metric is a module with a ``METRIC``: one of :mod:`audiolm.score.metrics`, one that an installed package adds under
the entry points' group ``audiolm.metrics``, or one of your own that ``AUDIOLM_PLUGINS`` or ``--metrics package.module``
names. The metric
declares the rows of its scores in the table; unit, direction and protocol stand in each score
(:class:`audiolm.score.record.Score`).
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.spec import plugins, resolve

if TYPE_CHECKING:
    from audiolm.score.record import Score

HERE, GROUP = "audiolm.score.metrics", "audiolm.metrics"
ANNOTATION, CODEC, LM, THROUGH, OTHER = (
    "Who speaks, what and when", "Codec", "Language model", "Through the model", "Other",
)  # fmt: skip
SECTIONS = (ANNOTATION, CODEC, LM, THROUGH)  # in the order of the table; a metric's own come after them


@dataclass(frozen=True)
class Row:
    """Rows of the results table.

    Attributes:
        pattern: name of a score, or a pattern with a ``*`` at its end.
        label: what the table calls it; "{}" stands for what the * has matched.
        section: of the table.
    """

    pattern: str
    label: str
    section: str


@dataclass(frozen=True)
class Headline:
    """A large figure at the top of the page.

    Attributes:
        score: beginning of the score's name; "{judge}" stands for the best judge of words that there is.
        name: below the figure.
        place: headlines stand in this order.
    """

    score: str
    name: str
    place: int


@dataclass(frozen=True)
class Metric:
    """Scores that are measured together.

    Attributes:
        name: of ``audiolm score --metrics NAME``.
        help: what it measures, in a line.
        measure: "module:function", (recipe, options) -> scores by the experiment directory that they belong to;
            ``recipe`` is a :class:`audiolm.score.recipe.Recipe`, ``options`` an instance of what ``options`` names.
        needs: the models it needs, by the names of the verb's options: recognizer, codec, lm, textlm.
        rows: of the results table.
        headlines: of the page.
        options: "module:Dataclass", its own options; None: it has none.
        hears: words are heard by the recognisers that ``--asr`` names.
        named_only: it is measured only where it is named.
        place: metrics are measured, and their rows stand, in this order.
    """

    name: str
    help: str
    measure: str
    needs: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    headlines: tuple[Headline, ...] = ()
    options: str | None = None
    hears: bool = False
    named_only: bool = False
    place: int = 1000


def all_metrics() -> dict[str, Metric]:
    """Every metric by its name, in their order: ours and those of installed packages.

    Raises:
        AudiolmError: two have one name.
    """
    places = find_spec(HERE).submodule_search_locations
    modules = sorted(path.stem for place in places for path in Path(place).glob("*.py") if path.stem != "__init__")
    found = [(f"{HERE}.{name}", resolve(f"{HERE}.{name}:METRIC")) for name in modules]
    found += [(entry.value, entry.load()) for entry in entry_points(group=GROUP)]
    found += plugins("METRIC")
    metrics: dict[str, tuple[str, Metric]] = {}
    for place, metric in found:
        if metric.name in metrics:
            raise AudiolmError(
                f"two metrics are called '{metric.name}': {metrics[metric.name][0]} and {place}; rename one of them"
            )
        metrics[metric.name] = (place, metric)
    return {metric.name: metric for _, metric in sorted(metrics.values(), key=lambda pair: pair[1].place)}


def find_metric(name: str) -> Metric:
    """The metric of that name, or that a module of one's own declares, ``package.module``.

    Raises:
        AudiolmError: there is none, or one that takes the name of another.
    """
    metrics = all_metrics()
    if name in metrics:
        return metrics[name]
    if "." not in name:
        raise AudiolmError(f"--metrics {name}: no metric of that name{did_you_mean(name, metrics)}")
    try:
        metric = getattr(import_module(name), "METRIC", None)
    except ModuleNotFoundError as error:
        raise AudiolmError(f"--metrics {name}: no module '{error.name}' on the Python path") from error
    if not isinstance(metric, Metric):
        raise AudiolmError(f"--metrics {name}: the module has no METRIC; it declares what it measures by one")
    if metric.name in metrics:
        raise AudiolmError(f"--metrics {name}: it is called '{metric.name}', as one of audiolm's own; rename it")
    return metric


def labelled(metric: Metric, scores: Sequence["Score"]) -> list["Score"]:
    """Scores that carry their row: a table that does not know the metric shows them in their place."""
    known = all_metrics()
    if metric.name in known:
        return list(scores)
    return [replace(score, section=section, label=label) for score in scores
            for _, section, label in [place(score.metric, {metric.name: metric})]]  # fmt: skip


def place(name: str, metrics: Mapping[str, Metric] | None = None) -> tuple[tuple[int, int, int, str], str, str]:
    """(sort key, section, label) of a score by its name."""
    for number, metric in enumerate((all_metrics() if metrics is None else metrics).values()):
        for row_number, row in enumerate(metric.rows):
            if fnmatch.fnmatchcase(name, row.pattern):
                label = row.label.replace("{}", _rest(_spelt(name), row.pattern, row.label))
                return (section_place(row.section), number, row_number, name), row.section, label
    return (section_place(OTHER), 0, 0, name), OTHER, name.replace("_", " ")


def section_place(section: str) -> int:
    """Where a section stands in the table."""
    if section == OTHER:
        return len(SECTIONS) + 1
    return SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)


def _spelt(name: str) -> str:
    """A score's name without abbreviations of streams.

    >>> _spelt("lm_loss_main2"), _spelt("lm_loss_text")
    ('lm_loss_main_level_2', 'lm_loss_text')
    """
    return re.sub(r"^(lm_loss_(?:main|user))(\d+)$", r"\1_level_\2", name)


def _rest(name: str, pattern: str, label: str) -> str:
    rest = name[len(pattern.rstrip("*")) :].strip("_").replace("_", " ")
    return f", {rest}" if rest and not label.endswith(" {}") else rest
