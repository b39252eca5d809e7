"""Values that papers print, from ``published/*.yaml``: each with its paper, table, row and column."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("published")
CHECKED = ("primary", "secondary", "no")


@dataclass(frozen=True)
class PublishedValue:
    """One cell of a paper's table.

    Attributes:
        metric: our score of the same kind, or its beginning up to an underscore.
        name: the column's name, with ``unit``.
        value: the number as printed.
        row: what was measured.
        table: number and title of the table.
        source: the paper.
        checked: "primary" (compared with the paper itself), "secondary" (with a copy or another paper), "no".
        better: "lower", "higher" or None.
    """

    metric: str
    name: str
    unit: str
    value: float
    row: str
    table: str
    title: str
    source: str
    checked: str
    better: str | None


@cache
def published_values() -> tuple[PublishedValue, ...]:
    """Every value of every file, in the order of the files."""
    import yaml

    values = []
    for path in sorted(FOLDER.glob("*.yaml")):
        paper = yaml.safe_load(path.read_text(encoding="utf-8"))
        for table in paper["tables"]:
            for row, cells in table["rows"].items():
                for column, value in zip(table["columns"], cells, strict=True):
                    if value is not None:
                        values.append(_value(paper, table, column, row, value))
    return tuple(values)


def _value(paper: dict, table: dict, column: dict, row: str, value: float) -> PublishedValue:
    return PublishedValue(
        metric=column["metric"],
        name=column["name"],
        unit=column.get("unit", ""),
        value=float(value),
        row=row,
        table=str(table["table"]),
        title=table["title"],
        source=paper["source"],
        checked=paper["checked"],
        better=column["better"],
    )


def beside(metric: str) -> list[PublishedValue]:
    """Published values of the same kind as our score ``metric``.

    >>> [value.row for value in beside("wer_asr")]
    ['Moshi 7B']
    """
    return [value for value in published_values() if metric == value.metric or metric.startswith(f"{value.metric}_")]
