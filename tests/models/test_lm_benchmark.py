"""The benchmark of dialogue LMs: it runs, and compares models of one size."""

import json
import sys
from pathlib import Path

import pytest

from audiolm.models.moshi.model import MoshiModel


@pytest.fixture(scope="module")
def lm():
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import lm
        from peers import lm_worker
    finally:
        sys.path.remove(folder)
    lm.worker = lm_worker
    return lm


def test_smoke(lm, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lm.py", "--smoke", "--threads", "1"])
    lm.main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {(line["what"], line.get("model"), line.get("precision"), line.get("at")) for line in lines}
    for precision in lm.PRECISIONS:
        assert ("agreement", None, precision, None) in told
        for place in ("first frames", "full context"):
            assert ("step", f"audiolm {precision}", None, place) in told
    kept = {line["precision"]: line["kept_mib_a_frame"] for line in lines if line["what"] == "train"}
    assert kept["fp32"] > kept["bf16"] > 0
    agreeing = next(line for line in lines if line["what"] == "agreement")
    assert agreeing["text"] == agreeing["codes"] == 1


def moshis_parameters(shape: dict) -> int:
    """Counted by hand: embeddings and heads, then the matrices and norms of both transformers."""
    text, codes, dim, depth = shape["text"], shape["codes"], shape["dim"], shape["depth_dim"]
    width, depth_width = (int(4.125 * d) * 2 // 3 for d in (dim, depth))
    ends = (text + 1 + 16 * (codes + 1) + text) * dim + (text + 1 + 7 * (codes + 1) + 8 * codes) * depth
    temporal = shape["layers"] * (4 * dim**2 + 3 * dim * width + 2 * dim) + dim
    levels = shape["depth_layers"] * (8 * (4 * depth**2 + 3 * depth * depth_width) + 2 * depth)
    return ends + temporal + 8 * dim * depth + levels


def test_our_model_has_as_many_parameters_as_moshis(lm):
    assert moshis_parameters(lm.SHAPES["392m"]) == 392_349_696  # counted in moshi 0.2.13
    for shape in ("smoke", "small"):
        model = MoshiModel(lm.model_config(shape))
        assert lm.worker.count_parameters(model) == moshis_parameters(lm.SHAPES[shape])


def test_models_of_different_size_are_not_compared(lm, capsys):
    lm.check_parameters({"moshi": 7, "audiolm": 7})
    with pytest.raises(SystemExit, match="models of different size: {'moshi': 7, 'audiolm': 8}"):
        lm.check_parameters({"moshi": 7, "audiolm": 8})
