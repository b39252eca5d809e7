"""A paper's table with a row of ours (``audiolm results --table moshi.4``), and what differs in how it was measured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import yaml

from audiolm.errors import AudiolmError
from audiolm.score.published import FOLDER
from audiolm.score.record import Score
from audiolm.score.results import Row, latex, measured_by, number

OURS = "ours"
# Judges of words, the one to show first.
JUDGES = ("faster_whisper", "whisper_timestamped", "whisper", "pocketsphinx")


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Attributes:
        name: ``paper.number``.
        title, source, checked: as :class:`audiolm.score.published.PublishedValue` has them.
        protocol: how the paper measured, as far as it is written down here.
        columns: (metric, name, unit) each.
        rows: name -> values, None where the paper has none.
    """

    name: str
    title: str
    source: str
    checked: str
    protocol: str
    columns: list[tuple[str, str, str]]
    rows: dict[str, list[float | None]]


def all_tables() -> dict[str, PaperTable]:
    """Every table of ``published/*.yaml`` by its name."""
    tables = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        paper = yaml.safe_load(path.read_text(encoding="utf-8"))
        for table in paper["tables"]:
            name = f"{path.stem}.{str(table['table']).replace(' ', '_')}"
            columns = [(column["metric"], column["name"], column.get("unit", "")) for column in table["columns"]]
            rows = {row: [None if v is None else float(v) for v in values] for row, values in table["rows"].items()}
            tables[name] = PaperTable(
                name, table["title"], paper["source"], paper["checked"], table.get("protocol", ""), columns, rows
            )
    return tables


def find_table(name: str) -> PaperTable:
    """The table of that name.

    Raises:
        AudiolmError: there is none; the message has the nearest names.
    """
    tables = all_tables()
    if name not in tables:
        near = get_close_matches(name, tables, n=3, cutoff=0.4) or list(tables)
        raise AudiolmError(f"--table {name}: no such table; the nearest are: {', '.join(near)}")
    return tables[name]


def ours_in(table: PaperTable, rows: list[Row]) -> list[Score | None]:
    """Our score for every column, None where there is none: of several judges of words the best is taken."""
    return [_of_column(metric, rows) for metric, _, _ in table.columns]


def _of_column(metric: str, rows: list[Row]) -> Score | None:
    named = [row.score for row in rows if row.score.metric == metric or row.score.metric.startswith(f"{metric}_")]
    exact = [score for score in named if score.metric == metric]
    judged = [score for judge in JUDGES for score in named if score.metric == f"{metric}_{judge}"]
    return next(iter([*exact, *judged, *named]), None)


def remarks(table: PaperTable, ours: list[Score | None]) -> list[str]:
    """How ours were measured, a line a column that we have, then what is known of the paper's."""
    lines = []
    for (_, name, _), score in zip(table.columns, ours, strict=True):
        if score is not None:
            by = f", {measured_by(score)}" if score.backend else ""
            lines.append(f"{name}, {OURS}: {score.data}, {score.count} items{by}; {score.protocol}")
    known = table.protocol or "the paper's data and protocol are not written down here: other data, other size"
    lines.append(f"{table.source}, {_numbered(table)}: {known} (values checked: {table.checked})")
    return lines


def _numbered(table: PaperTable) -> str:
    number = table.name.partition(".")[2].replace("_", " ")
    return f"table {number}" if number[:1].isdigit() else number


def _cells(table: PaperTable, ours: list[Score | None]) -> list[list[str]]:
    """All lines: headings, ours, the paper's."""
    heads = ["", *(f"{name} ({unit})" if unit else name for _, name, unit in table.columns)]
    mine = [OURS, *("" if score is None else number(score.value, "") + "*" for score in ours)]
    theirs = [[row, *("" if v is None else f"{v:g}" for v in values)] for row, values in table.rows.items()]
    return [heads, mine, *theirs]


def as_text(table: PaperTable, ours: list[Score | None]) -> str:
    """Aligned, for a terminal."""
    lines = _cells(table, ours)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines]  # fmt: skip
    return "\n".join([f"{table.name}: {table.title}", "", *body, "", "* measured otherwise than the paper's:",
                      *(f"  {line}" for line in remarks(table, ours))])  # fmt: skip


def as_markdown(table: PaperTable, ours: list[Score | None]) -> str:
    """A GitHub table."""
    heads, *lines = [[cell.replace("|", "\\|") for cell in line] for line in _cells(table, ours)]
    rows = [heads, ["---", *["--:"] * len(table.columns)], *lines]
    body = [f"| {' | '.join(line)} |" for line in rows]
    notes = [f"- {line}" for line in remarks(table, ours)]
    return "\n".join([f"**{table.name}: {table.title}**", "", *body, "", "\\* measured otherwise:", "", *notes])


def as_latex(table: PaperTable, ours: list[Score | None]) -> str:
    """A tabular with rules of booktabs."""
    heads, mine, *theirs = [[latex(cell) for cell in line] for line in _cells(table, ours)]
    body = [" & ".join(heads) + r" \\", r"\midrule", *(" & ".join(line) + r" \\" for line in [mine, *theirs])]
    notes = [f"% {line}" for line in remarks(table, ours)]
    columns = "l" + "r" * len(table.columns)
    return "\n".join([f"% {table.name}: {table.title}", *notes, rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *body,
                      r"\bottomrule", r"\end{tabular}"])  # fmt: skip


def as_json(table: PaperTable, ours: list[Score | None]) -> str:
    """Everything, to go on with."""
    names = [name for _, name, _ in table.columns]
    mine = {
        name: None if score is None else {"value": score.value, "ci": score.ci, "metric": score.metric,
                                          "data": score.data, "backend": score.backend, "protocol": score.protocol}
        for name, score in zip(names, ours, strict=True)
    }  # fmt: skip
    theirs = {row: dict(zip(names, values, strict=True)) for row, values in table.rows.items()}
    told = {"table": table.name, "title": table.title, "source": table.source, "checked": table.checked}
    return json.dumps({**told, OURS: mine, "published": theirs, "remarks": remarks(table, ours)}, indent=1)


FORMS: dict[str, Callable[[PaperTable, list[Score | None]], str]] = {
    "text": as_text, "markdown": as_markdown, "latex": as_latex, "json": as_json,
}  # fmt: skip
