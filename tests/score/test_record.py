import json

import numpy as np
import pytest

from audiolm.errors import AudiolmError
from audiolm.score.record import Score, bootstrap_ci, read_all


def example(**changes) -> Score:
    record = {
        "metric": "wer_ctc",
        "value": 4.25,
        "unit": "%",
        "protocol": "pooled words",
        "backend": "exp/recognizer",
        "checksum": "0123456789abcdef",
        "data": "test",
        "count": 2,
        "ci": (3.0, 5.5),
        "baseline": 100.0,
        "baseline_name": "an empty transcript",
        "details": {"insertions": 3},
    }
    return Score(**(record | changes))


def test_a_record_read_back_is_the_same(tmp_path):
    scores = [example(), example(metric="pesq", better="higher", ci=None, details={})]
    for score in scores:
        score.write(tmp_path / "scores")
    assert read_all(tmp_path / "scores") == sorted(scores, key=lambda s: s.metric)
    assert sorted(p.name for p in (tmp_path / "scores").iterdir()) == ["pesq.json", "wer_ctc.json"]


def test_an_absent_directory_has_no_scores(tmp_path):
    assert read_all(tmp_path / "none") == []


@pytest.mark.parametrize("changes", [{"value": float("nan")}, {"ci": (0.0, float("inf"))}, {"baseline": float("nan")}])
def test_a_number_that_is_not_finite_is_refused(changes):
    with pytest.raises(AudiolmError, match="wer_ctc.*finite"):
        example(**changes)


@pytest.mark.parametrize("text", ["{", "[1]", json.dumps({"metric": "x", "valu": 1})])
def test_a_file_that_is_no_record_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(AudiolmError, match="x.json is not a score record"):
        read_all(tmp_path)


def test_bootstrap_interval_of_a_mean_agrees_with_the_normal_one():
    values = np.random.default_rng(1).normal(10, 2, 400)
    low, high = bootstrap_ci(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.05)
    assert high == pytest.approx(values.mean() + half, abs=0.05)
    assert (low, high) == bootstrap_ci(values)  # seeded


def test_bootstrap_of_a_constant_ratio_has_no_width():
    assert bootstrap_ci([1, 2, 3], [10, 20, 30]) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("numerators, denominators", [([1.0], None), ([1, 1], [0, 0])])
def test_bootstrap_says_none_where_nothing_can_be_said(numerators, denominators):
    assert bootstrap_ci(numerators, denominators) is None
