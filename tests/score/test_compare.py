"""Two experiments beside each other: configs, curves, and scores with the interval of their difference."""

import json

import pytest

from audiolm.commands.main import main
from audiolm.config.yaml_files import write_yaml
from audiolm.score.compare import config_differences, curve_differences, score_differences
from audiolm.score.record import Score, read_items

ITEMS = {f"u{i:02d}": (100.0 * (i % 4), 10.0) for i in range(40)}


def score(metric="wer_tts_ctc", items=ITEMS, **changes) -> Score:
    value = sum(top for top, _ in items.values()) / sum(bottom for _, bottom in items.values()) if items else 15.0
    told = {"unit": "%", "protocol": "words", "backend": "x", "checksum": "", "data": "test", "count": 400}
    return Score(metric, **{**told, "value": value, "ci": (value - 3, value + 3), "items": dict(items), **changes})


@pytest.fixture
def pair(tmp_path):
    """a, and b with half an error more in every utterance."""
    folders = []
    for name, rate in (("a", 0.1), ("b", 0.2)):
        folder = tmp_path / name
        folder.mkdir()
        write_yaml(
            folder / "config.yaml",
            {"system": "codec", "trainer": {"lr": rate, "seed": 0}} | ({"mine": 1} if name == "b" else {}),
        )
        lines = [{"step": step, "loss": rate * step} for step in ((1, 2, 3) if name == "a" else (1, 2))]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        folders.append(folder)
    worse = {name: (top + 50, bottom) for name, (top, bottom) in ITEMS.items()}
    for folder, items in zip(folders, (ITEMS, worse), strict=True):
        score(items=items).write(folder / "scores")
        score(
            "codec_pesq", {}, value=1.0 if items is ITEMS else 2.0, ci=(0.9, 1.1) if items is ITEMS else (1.9, 2.1)
        ).write(folder / "scores")
    score("only_here").write(folders[0] / "scores")
    return folders


def test_configs_and_curves(pair):
    assert config_differences(*pair) == [("trainer.lr", 0.1, 0.2), ("mine", "absent", 1)]
    assert curve_differences(*pair) == [("loss", 2, 0.2, 0.4)]  # the last step that both logged


def test_scores_of_the_same_items_are_paired(pair):
    pesq, wer = score_differences(*pair)
    assert (wer.a.metric, wer.shared, wer.change) == ("wer_tts_ctc", 40, pytest.approx(5.0))
    assert wer.ci == pytest.approx((5.0, 5.0)) and wer.clear  # each item is worse by the same
    assert (pesq.shared, pesq.change) == (0, 1.0) and pesq.clear
    assert pesq.ci == pytest.approx((1 - 0.1 * 2**0.5, 1 + 0.1 * 2**0.5))


def test_items_of_one_experiment_alone_do_not_pair(pair):
    (pair[1] / "scores/items/wer_tts_ctc.json").unlink()
    (_, wer) = score_differences(*pair)
    assert wer.shared == 0 and wer.ci[0] < 5.0 < wer.ci[1]
    assert read_items(pair[0] / "scores", "wer_tts_ctc") == ITEMS


def test_the_verb_prints_and_writes_a_page(pair, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["compare", *map(str, pair), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "trainer.lr: 0.1 -> 0.2" in out and "loss, step 2: 0.2 -> 0.4" in out
    assert "+5 (+5 to +5; paired over 40 items)" in out and "not paired: no items were kept that both share" in out
    html = page.read_text()
    assert "<svg" in html and "(a)" in html and "(b)" in html and "http" not in html.partition("<body")[2]
    assert main(["compare", str(pair[0]), str(tmp_path)]) == 1
    assert f"{tmp_path} has no config.yaml, expected an experiment directory" in capsys.readouterr().err
