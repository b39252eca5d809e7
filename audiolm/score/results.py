"""All scores of a recipe as one table: in order, with baselines, as text, Markdown or rows for the report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.score.metric import place, section_place
from audiolm.score.normalisers import PLAIN
from audiolm.score.published import PublishedValue, beside
from audiolm.score.record import Score, read_all
from audiolm.score.vocabulary import remark


@dataclass(frozen=True)
class Row:
    """A score in its place: ``experiment`` is its folder below the recipe's ``exp/``.

    Where ``runs`` is more than 1 the score is their mean, and its interval runs from their least to their most.
    """

    section: str
    label: str
    experiment: str
    score: Score
    runs: int = 1


def collect(work: Path) -> list[Row]:
    """Rows of every ``exp/**/scores/*.json`` of a recipe's work directory, in the order of the table.

    Raises:
        AudiolmError: there are none.
    """
    rows = []
    for folder in sorted({path.parent for path in (work / "exp").glob("**/scores/*.json")}):
        experiment = str(folder.parent.relative_to(work / "exp"))
        rows += [Row(*placed(score)[1:], experiment, score) for score in read_all(folder)]
    if not rows:
        raise AudiolmError(f"no scores in {work}/exp/**/scores; run the recipe's stage 'score' first")
    rows.sort(key=lambda row: (*placed(row.score)[0], row.experiment, row.score.data))
    shared = {row.label for row in rows if len({other.experiment for other in rows if other.label == row.label}) > 1}
    return [
        Row(row.section, f"{row.label} ({row.experiment})", row.experiment, row.score) if row.label in shared else row
        for row in rows
    ]


def mean_of_runs(works: Sequence[Path]) -> list[Row]:
    """The rows of several runs of one recipe that differ in their seed: means, with the range of the runs.

    Raises:
        AudiolmError: a run has no scores, or lacks one that another has.
    """
    runs = [{(row.score.metric, row.experiment, row.score.data): row for row in collect(work)} for work in works]
    for key in {key for rows in runs for key in rows}:
        for work, rows in zip(works, runs, strict=True):
            if key not in rows:
                raise AudiolmError(f"{work} has no score '{key[0]}' of {key[1]}, as other runs have; score it first")
    return [_mean([rows[key] for rows in runs]) for key in runs[0]]


def _mean(rows: list[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    values = [row.score.value for row in rows]
    baselines = [row.score.baseline for row in rows]
    score = replace(
        rows[0].score,
        value=fmean(values),
        ci=(min(values), max(values)),
        baseline=None if None in baselines else fmean(baselines),
        count=sum(row.score.count for row in rows),
    )
    return replace(rows[0], score=score, runs=len(rows))


def placed(score: Score) -> tuple[tuple[int, int, int, str], str, str]:
    """(sort key, section, label) of a score."""
    if score.label:
        return (section_place(score.section), 0, 0, score.metric), score.section, score.label
    return place(score.metric)


def number(value: float, unit: str) -> str:
    """A value with the figures that its unit deserves.

    >>> number(3.14159, "%"), number(0.0123, "s"), number(12.3456, ""), number(1200.4, "bit/s")
    ('3.1 %', '0.012 s', '12.3', '1200 bit/s')
    """
    decimals = {"%": 1, "ms": 1, "s": 3, "dB": 1, "nats": 3, "bit/byte": 3}.get(unit)
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:.{decimals}f} {unit}".rstrip()


def is_better(score: Score) -> bool | None:
    """Whether the value beats its baseline, which its interval leaves out; None where neither way is better.

    An error rate of 100 % and more beats nothing: whoever says nothing has no more errors.
    """
    if score.baseline is None or score.better is None:
        return None
    lower = score.better == "lower"
    if lower and score.unit == "%" and score.value >= 100:
        return False
    low, high = score.ci or (score.value, score.value)
    return max(score.value, high) < score.baseline if lower else min(score.value, low) > score.baseline


def cells(row: Row) -> tuple[str, str, str, str, str, str]:
    """Label, value, 95 % interval, baseline, data with count, and by what it was measured."""
    score = row.score
    interval = "" if score.ci is None else f"{number(score.ci[0], '')} to {number(score.ci[1], '')}"
    if score.unit in ("%", "ms", "dB") and score.ci is not None:
        interval = f"{score.ci[0]:.1f} to {score.ci[1]:.1f}"
    baseline = "" if score.baseline is None else f"{number(score.baseline, score.unit)} ({score.baseline_name})"
    return (
        row.label,
        number(score.value, score.unit),
        interval,
        baseline,
        f"{score.data}, {score.count}",
        "; ".join(filter(None, (measured_by(score), remark(score)))),
    )


def measured_by(score: Score) -> str:
    """What has measured it, and the normaliser where it is another than the usual one."""
    return score.backend if score.normaliser in ("", PLAIN.name) else f"{score.backend}; {score.normaliser}"


HEADINGS = ("", "value", "95 % interval", "baseline", "data, items", "measured by")


def headings(rows: list[Row]) -> tuple[str, ...]:
    """Of the table's columns."""
    runs = max(row.runs for row in rows)
    return HEADINGS if runs == 1 else ("", f"mean of {runs} runs", "least to most", *HEADINGS[3:])


def as_text(rows: list[Row]) -> str:
    """An aligned table for a terminal, section by section."""
    table, heads = [cells(row) for row in rows], headings(rows)
    widths = [max(len(line[i]) for line in [heads, *table]) for i in range(len(heads))]
    lines, section = [], None
    for row, line in zip(rows, table, strict=True):
        if row.section != section:
            section = row.section
            head = (section, *heads[1:]) if not lines else (section, *[""] * 5)
            lines += ([""] if lines else []) + [_aligned(head, widths)]
        lines.append(_aligned((f"  {line[0]}", *line[1:]), widths))
    published = [f"  {describe(value)}" for value in published_beside(rows)]
    if published:
        lines += ["", "Published, on other data and at other sizes", *published]
    return "\n".join(lines)


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    first, value, *rest = line
    parts = [first.ljust(widths[0] + 2), value.rjust(widths[1])]
    return "  ".join(parts + [text.ljust(width) for text, width in zip(rest, widths[2:], strict=True)]).rstrip()


def as_markdown(rows: list[Row]) -> str:
    """A GitHub table, with a line of published values below."""
    lines = [f"| {' | '.join(headings(rows))} |", "|---|--:|---|---|---|---|"]
    section = None
    for row in rows:
        if row.section != section:
            section = row.section
            lines.append(f"| **{section}** |" + " |" * (len(HEADINGS) - 1))
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells(row)) + " |")
    published = [f"- {describe(value)}" for value in published_beside(rows)]
    if published:
        lines += ["", "Published, on other data and at other sizes:", "", *published]
    return "\n".join(lines)


def as_latex(rows: list[Row]) -> str:
    """A tabular with rules of booktabs: label, value, interval, baseline."""
    lines, section = [], None
    for row in rows:
        if row.section != section:
            section = row.section
            lines.append(rf"\multicolumn{{4}}{{l}}{{\textbf{{{latex(section)}}}}} \\")
        lines.append(" & ".join(map(latex, cells(row)[:4])) + r" \\")
    heads = " & ".join(map(latex, headings(rows)[:4])) + r" \\"
    head = [r"\begin{tabular}{lrll}", r"\toprule", heads, r"\midrule"]
    return "\n".join([*head, *lines, r"\bottomrule", r"\end{tabular}"])


def latex(text: str) -> str:
    """Text as LaTeX prints it.

    >>> latex("5 % of a_b")
    '5 \\\\% of a\\\\_b'
    """
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text


def as_json(rows: list[Row]) -> str:
    """Every record with its place in the table."""
    told = [{"section": row.section, "label": row.label, "experiment": row.experiment, "runs": row.runs,
             **{name: value for name, value in asdict(row.score).items() if name not in ("section", "label", "items")}}
            for row in rows]  # fmt: skip
    return json.dumps(told, indent=1, ensure_ascii=False)


FORMS = {"text": as_text, "markdown": as_markdown, "latex": as_latex, "json": as_json}


def published_beside(rows: list[Row]) -> list[PublishedValue]:
    """Published values of the kinds that the rows show, each once."""
    return list(dict.fromkeys(value for row in rows for value in beside(row.score.metric)))


def describe(value: PublishedValue) -> str:
    """A published value as a line."""
    table = value.table if not value.table[0].isdigit() else f"table {value.table}"
    return f"{value.name}: {value.row} {number(value.value, value.unit)} ({value.source}, {table}: {value.title})"


def write_section(path: Path, name: str, title: str, body: str) -> None:
    """Put ``body`` under a heading between the markers of ``name`` in a Markdown file; the rest of it stays.

    A file or section that is not there yet is made.
    """
    begin, end = f"<!-- begin {name}: generated, do not edit -->", f"<!-- end {name} -->"
    text = path.read_text(encoding="utf-8") if path.is_file() else "# Results\n"
    section = f"{begin}\n## {title}\n\n{body}\n{end}"
    if begin in text:
        head, _, tail = text.partition(begin)
        if end not in tail:
            raise AudiolmError(f"{path} has '{begin}' without '{end}'; put the end marker back or remove the section")
        text = head + section + tail.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    with atomic(path) as file:
        file.write(text)
