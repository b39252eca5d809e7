"""A page of two experiments beside each other: what ``audiolm compare`` prints, and the curves of both in one chart."""

from html import escape
from pathlib import Path
from string import Template

from audiolm.report import curves
from audiolm.train.logs import read_metrics

HERE = Path(__file__).parent


def page(a: Path, b: Path, text: str) -> str:
    """The whole page, which opens offline."""
    lines = {}
    for name, folder in (("a", a), ("b", b)):
        path = folder / "metrics.jsonl"
        for title, panel in curves.panels(read_metrics(path) if path.is_file() else {}).items():
            lines.setdefault(title, {}).update({f"{line} ({name})": series for line, series in panel.items()})
    charts = "".join(curves.chart(title, panel) for title, panel in lines.items())
    sections = f'<section id="text"><h2>What differs</h2><p></p><pre>{escape(text)}</pre></section>'
    if charts:
        lead = f"a is {escape(str(a))}, b is {escape(str(b))}."
        sections += f'<section id="curves"><h2>Curves</h2><p>{lead}</p><div class="charts">{charts}</div></section>'
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{a.name} and {b.name}"),
        lead="Two experiments beside each other.",
        nav='<a href="#text">What differs</a>' + ('<a href="#curves">Curves</a>' if charts else ""),
        body=sections,
        footer="Made by audiolm compare.",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )
