import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from audiolm.report.curves import chart, panels
from audiolm.train.logs import read_metrics
from audiolm.train.reference import Band


def test_metrics_are_read_by_name(tmp_path):
    lines = [{"step": 10, "seconds": 1.0, "mel": 0.5}, {"step": 20, "mel": None}, {"step": 20, "valid/mel": 0.4}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_metrics(tmp_path / "metrics.jsonl") == {"mel": [(10, 0.5)], "valid/mel": [(20, 0.4)]}


def test_what_belongs_together_shares_a_chart():
    series = [(1, 2.0), (2, 1.0)]
    names = ["loss/main", "loss", "valid/loss", "usage1", "usage2", "valid/asr/main1", "lr/main", "grad_norm/main"]
    charts = panels(dict.fromkeys(names, series))
    assert set(charts) == {"loss", "usage, training", "asr/main, validation"}
    assert set(charts["loss"]) == {"training", "validation"}
    assert set(charts["usage, training"]) == {"level 1", "level 2"}


def test_charts_are_well_formed_and_inside_their_box():
    for lines in (
        {"training": [(10, 3.0), (20, 0.001)], "validation": [(20, 0.5)]},
        {"level 1": [(0, 2.0)]},
        {"a < b": [(1, -1.0), (5, 4.0)]},
    ):
        bands = {"training": Band([10, 20, 99], [-1.0, 0.0005, 0.0], [9.0, 0.5, 9.0]), "a < b": Band([9], [0], [1])}
        figure = ElementTree.fromstring(chart("loss & more", lines, bands))
        shaded = [path.get("d").count("L") + 1 for path in figure.iter("path") if path.get("class").startswith("band")]
        assert shaded == ([4] if "training" in lines else [])
        for path in figure.iter("path"):
            for point in path.get("d")[1:].split("L"):
                x, y = point.split()[0], point.split()[1].split("H")[0]
                assert 0 <= float(x) <= 340 and 0 <= float(y) <= 200


def test_a_codec_shows_its_losses_not_their_sums():
    names = ["loss/codec", "loss/discriminator", "discriminator", "mel", "valid/loss", "usage1", "usage2"]
    charts = panels({name: [(1, 1.0)] for name in names})
    assert {title: set(lines) for title, lines in charts.items()} == {
        "discriminator": {"training"},
        "mel": {"training", "validation"},
        "usage, training": {"level 1", "level 2"},
    }


def test_of_many_levels_some_are_shown_in_order():
    figure = chart("usage", {f"level {k}": [(0, 0.1 * k), (1, 0.2 * k)] for k in range(1, 33)})
    shown = re.findall(r"level (\d+)", figure)
    assert shown == sorted(shown, key=int) and len(shown) == 9 and shown[0] == "1" and shown[-1] == "32"
    assert "9 of 32 shown" in figure


def labels(figure: str) -> list[str]:
    """Texts of the value axis, from below."""
    return re.findall(r'text-anchor="end">([^<]+)</text>', figure)[:-1]  # the last is the last step


@pytest.mark.parametrize(
    "values", [(100.2, 99.8, 100.0), (485.01, 485.0), (0.0, 0.0), (0.001234, 0.001236), (250_100, 250_000), (7.0,)]
)
def test_ticks_of_what_hardly_changes_are_told_apart(values):
    ticks = labels(chart("x", {"training": list(enumerate(values, 1))}))
    assert 2 <= len(set(ticks)) == len(ticks)
    assert all(len(tick) <= 8 for tick in ticks)
    assert not any(tick.startswith("-") for tick in ticks), "none of the values is below zero"


def test_what_may_be_negative_keeps_its_axis():
    assert labels(chart("x", {"training": [(1, -1.0), (2, 1.0)]})) == ["-1", "0", "1"]


def test_few_points_are_dots_and_steps_are_whole():
    figure = chart("x", {"training": [(step, 1.0 / step) for step in (1, 2, 3)]})
    assert figure.count("<circle") == 3
    assert re.findall(r'<text class="tick" x="[\d.]+" y="194"[^>]*>([^<]+)<', figure) == ["0", "1", "3"]
    assert "<circle" not in chart("x", {"training": [(step, 1.0 / step) for step in range(1, 40)]})
