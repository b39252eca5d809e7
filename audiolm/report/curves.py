"""Learning curves of an experiment's ``metrics.jsonl``, as small SVG charts: training and validation side by side, and
the bands of a reference."""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeVar

from audiolm.train.reference import Band

T = TypeVar("T")
Series = list[tuple[float, float]]  # (step, value)

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 24
LOG_RANGE = 20  # a chart whose values span more than this factor gets a logarithmic axis
MOST_LINES = 9
FLAT = 0.01  # a linear axis spans at least this share of its largest value: less would look like a change
FEW = 25  # points; a line of no more has a dot on each


def panels(metrics: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Chart title -> line name -> series (or band): numbered metrics share a chart, and so do training and validation.

    Learning rates and gradient norms are left out; the loss of a lone optimizer is called ``loss``. Of a codec the
    sums that its optimizers minimise are left out (their terms are there), and the validation loss is a mel distance.
    """
    codec = "mel" in metrics
    charts: dict[str, dict[str, T]] = {}
    for name, series in metrics.items():
        if name.startswith(("lr/", "grad_norm/", "loss/") if codec else ("lr/", "grad_norm/")):
            continue
        kind = "validation" if name.startswith("valid/") else "training"
        plain = "loss" if name == "loss/main" else name.removeprefix("valid/")
        if codec and name == "valid/loss":
            plain = "mel"
        if numbered := re.fullmatch(r"(.*?)[ _]?(\d+)", plain):
            title, line = f"{numbered[1]}, {kind}", f"level {numbered[2]}"
        else:
            title, line = plain, kind
        charts.setdefault(title, {})[line] = series
    return charts


def chart(title: str, lines: dict[str, Series], bands: Mapping[str, Band] | None = None) -> str:
    """One chart as an SVG figure; ``bands`` are where the lines of those names should be."""
    values = [value for series in lines.values() for _, value in series]
    steps = [step for series in lines.values() for step, _ in series]
    areas = {name: _area(band, max(steps)) for name, band in (bands or {}).items() if name in lines}
    # A band may reach below zero, where a logarithmic axis has no place and what is never negative has none either.
    least = min(values) if min(values) >= 0 else -math.inf
    areas = {name: [(step, max(value, least / 2)) for step, value in area] for name, area in areas.items() if area}
    values += [value for area in areas.values() for _, value in area]
    log = min(values) > 0 and max(values) / min(values) > LOG_RANGE
    low, high = (math.log10(min(values)), math.log10(max(values))) if log else _span(min(values), max(values))
    ticks = _ticks(low, high, log)
    labels = _labels(ticks, log)
    left = max(LEFT, 10 + 6 * max(map(len, labels)))
    last = max(steps) or 1

    def x(step: float) -> float:
        return left + (WIDTH - left - RIGHT) * step / last

    def y(value: float) -> float:
        share = ((math.log10(value) if log else value) - low) / (high - low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} by training step">']
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(f'<path class="grid" d="M{left} {y(tick):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{label}</text>')
    for step in (0, last // 2, last) if last > 1 else (0, last):
        anchor = "end" if step == last else "middle" if step else "start"
        parts.append(
            f'<text class="tick" x="{x(step):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{_short(step)}</text>'
        )
    order = _some(sorted(lines, key=_in_order))
    for name in order:
        if name in areas:
            points = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in areas[name])
            parts.append(f'<path class="band {_colour(name, order.index(name))}" d="M{points}"/>')
    legend = []
    for index, (name, series) in enumerate((name, lines[name]) for name in order):
        colour = _colour(name, index)
        points = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in series)
        parts.append(f'<path class="curve {colour}" d="M{points}"/>')
        end_step, end = series[-1]
        if len(series) <= FEW or name == "validation":
            size = 3.5 if len(series) == 1 else 2.2
            parts += [
                f'<circle class="dot {colour}" cx="{x(s):.1f}" cy="{y(v):.1f}" r="{size}"/>' for s, v in series[-60:]
            ]
        legend.append(f'<span><i class="{colour}"></i>{escape(name)} <b>{_short(end)}</b></span>')
    parts.append("</svg>")
    if len(order) < len(lines):
        legend.append(f"<span>{len(order)} of {len(lines)} shown</span>")
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{"".join(parts)}'
        f'<div class="legend">{"".join(legend)}</div></figure>'
    )


def _colour(name: str, index: int) -> str:
    return "valid" if name == "validation" else "train" if name == "training" else f"line{index}"


def _area(band: Band, last: float) -> Series:
    """The corners of a band up to a step, around it once."""
    edges = [at for at in zip(band.steps, band.low, band.high, strict=True) if at[0] <= last]
    return [(step, low) for step, low, _ in edges] + [(step, high) for step, _, high in reversed(edges)]


def _in_order(name: str) -> tuple[str, int]:
    """Level 2 comes before level 10."""
    words, _, number = name.rpartition(" ")
    return (words, int(number)) if number.isdigit() else (name, 0)


def _some(names: list[str]) -> list[str]:
    """MOST_LINES of the names, the first and the last among them; all where there are no more."""
    if len(names) <= MOST_LINES:
        return names
    return [names[round(i * (len(names) - 1) / (MOST_LINES - 1))] for i in range(MOST_LINES)]


def _span(least: float, most: float) -> tuple[float, float]:
    """Ends of a linear axis: those of the values, unless they hardly differ; never below 0 where no value is.

    >>> _span(1.0, 3.0), _span(0.0, 0.0), _span(100.0, 100.0), _span(99.8, 100.0)
    ((1.0, 3.0), (0.0, 1.0), (0.0, 100.0), (99.4, 100.4))
    """
    if least == most:  # no change to look at: the height above 0 tells more
        return min(least, 0.0), max(most, 0.0) or float(most == 0)
    missing = FLAT * max(abs(least), abs(most)) - (most - least)
    if missing <= 0:
        return least, most
    low, high = least - missing / 2, most + missing / 2
    return (max(low, 0.0) if least >= 0 else low), high


def _labels(ticks: Sequence[float], log: bool) -> list[str]:
    """Texts of an axis' ticks, with as many figures as tell them apart.

    >>> _labels([484.5, 485.0, 485.5], False), _labels([0.0, 100_000.0], False), _labels([0.0012, 0.0013], False)
    (['484.5', '485.0', '485.5'], ['0k', '100k'], ['1.2e-3', '1.3e-3'])
    """
    if log or len(ticks) < 2:
        return [_short(tick) for tick in ticks]
    most, step = max(map(abs, ticks)), ticks[1] - ticks[0]
    place = math.floor(math.log10(step) + 1e-9)  # of the first figure in which ticks differ
    if most < 0.01:
        figures = math.floor(math.log10(most) + 1e-9) - place
        return [f"{tick:.{figures}e}".replace("e-0", "e-") if tick else "0" for tick in ticks]
    if most >= 100_000:
        return [f"{tick / 1000:.{max(0, 3 - place)}f}k" for tick in ticks]
    return [f"{tick:.{max(0, -place)}f}" for tick in ticks]


def _ticks(low: float, high: float, log: bool) -> Sequence[float]:
    if log:
        decades = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
        return decades if len(decades) >= 2 else [10**low, 10**high]
    step = 10 ** math.floor(math.log10((high - low) / 2))
    while (high - low) / step > 5:
        step *= 2 if (high - low) / step <= 10 else 5  # 1, 2 or 5 of a power of ten
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _short(value: float) -> str:
    """A number in at most six characters.

    >>> [_short(value) for value in (0, 1200, 0.00123, 3.14159, 250000)]
    ['0', '1200', '0.0012', '3.14', '250k']
    """
    if value == 0:
        return "0"
    if abs(value) >= 100_000:
        return f"{value / 1000:.0f}k"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.3g}"
