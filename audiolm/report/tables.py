"""The results as an HTML table and as a few large figures."""

from html import escape

from audiolm.score.metric import LM, all_metrics
from audiolm.score.paper_tables import JUDGES
from audiolm.score.record import Score
from audiolm.score.results import Row, describe, is_better, measured_by, number, published_beside
from audiolm.score.vocabulary import remark

MOST = 6  # headlines of a page


WHO = (
    "main: the speaker whose words the model writes; user: the other speaker of the conversation. Each channel of a "
    "recording is main once. Level 1 of either is the codec's first level."
)


def headlines(rows: list[Row]) -> str:
    """Tiles of the figures that a reader looks for first: value, what it is, and what it is to be read against."""
    tiles: list[str] = []
    wanted = sorted(
        (line for metric in all_metrics().values() for line in metric.headlines), key=lambda line: line.place
    )
    for line in wanted:
        starts = dict.fromkeys(line.score.format(judge=judge) for judge in JUDGES)
        row = next((row for start in starts for row in rows if row.score.metric.startswith(start)), None)
        if row is None or len(tiles) == MOST:
            continue
        score = row.score
        value, _, unit = number(score.value, score.unit).partition(" ")
        against = "" if score.baseline is None else f"{number(score.baseline, score.unit)}: {score.baseline_name}"
        tiles.append(
            f'<div class="tile"><div class="name">{escape(line.name)}</div>'
            f'<div class="value">{value}<small>{escape(unit)}</small></div>'
            f'<div class="against">{escape("; ".join(filter(None, (against, remark(score)))))}</div></div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def table(rows: list[Row]) -> str:
    """Every score in its section; the protocol opens below its name."""
    body, section = [], None
    for row in rows:
        if row.section != section:
            section = row.section
            told = WHO if section == LM and any("main" in row.score.metric for row in rows) else ""
            told = f"<small>{escape(told)}</small>" if told else ""
            body.append(f'<tr class="section"><th colspan="5">{escape(section)}{told}</th></tr>')
        body.append(_row(row))
    published = "".join(f"<li>{escape(describe(value))}</li>" for value in published_beside(rows))
    beside = f"<h3>Published, on other data and at other sizes</h3><ul>{published}</ul>" if published else ""
    return (
        '<div class="wide"><table class="results"><thead><tr><th></th><th>value</th><th>baseline</th><th>data</th>'
        f"<th>measured by</th></tr></thead><tbody>{''.join(body)}</tbody></table></div>{beside}"
    )


def _row(row: Row) -> str:
    score = row.score
    mark = (
        ' class="better"' if is_better(score) else ""
    )  # many baselines are bounds (the originals): not to reach one is no fault
    interval = ""
    if score.ci is not None:
        low, high = (number(bound, score.unit).split(" ")[0] for bound in score.ci)
        interval = f"<small>{low} to {high}</small>"
    baseline = ""
    if score.baseline is not None:
        baseline = f"{number(score.baseline, score.unit)}<small>{escape(score.baseline_name)}</small>"
    arrow = {"lower": "↓", "higher": "↑", None: ""}[score.better]
    return (
        f"<tr><td><details><summary>{escape(row.label)} <i>{arrow}</i></summary>"
        f"<p>{escape(score.protocol)}</p>{_details(score)}</details></td>"
        f'<td data-name="value"{mark}><b>{number(score.value, score.unit)}</b>{interval}</td>'
        f'<td data-name="baseline">{baseline}</td>'
        f"<td>{escape(score.data)} <small>{counted(score.count, 'item')}</small></td>"
        f"<td>{escape(measured_by(score))} {_remark(score)}</td></tr>"
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "item"), counted(2, "item")
    ('1 item', '2 items')
    """
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _remark(score: Score) -> str:
    """What the score's recogniser cannot know, in small letters."""
    told = remark(score)
    return f'<small class="remark">{escape(told)}</small>' if told else ""


def _details(score: Score) -> str:
    """The further numbers of a score and what has measured it, as a paragraph."""
    parts = [f"{name}: {value:.4g}" for name, value in score.details.items()]
    parts += [f"weights: {score.checksum}"] if score.checksum else []
    parts += [f"texts compared: {score.normaliser}"] if score.normaliser else []
    told = ", ".join(parts)
    return f"<p>{escape(told)}</p>" if told else ""
