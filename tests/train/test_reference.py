"""Reference curves: bands of several runs, and the alarm of a run that leaves them."""

import json

import pytest
from toy_training import train_toy

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.train.logs import logger
from audiolm.train.reference import Alarm, Band, make_reference, read_reference, write_reference


def run_of(folder, **series):
    folder.mkdir()
    lines = [{"step": step, "seconds": step / 9, "lr/main": 0.1} for step in (10, 20, 30, 40)]
    for name, values in series.items():
        for line, value in zip(lines, values, strict=True):
            line[name] = value
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_band_is_wider_than_what_the_seeds_gave(tmp_path):
    one = run_of(tmp_path / "one", mel=[4.0, 2.0, 1.0, None], only=[1, 1, 1, 1])
    two = run_of(tmp_path / "two", mel=[6.0, 2.0, 1.0, 1.0])
    reference = make_reference([one, two], factor=2.0, margin=0.1)
    assert reference.keys() == {"mel"}
    band = reference["mel"]
    assert band.steps == [10, 20, 30]
    # Values with those of the neighbouring steps: 2 … 6, 1 … 6, 1 … 2.
    assert list(zip(band.low, band.high, strict=True)) == [(0.0, 8.0), (-1.5, 8.5), (0.5, 2.5)]
    alone = make_reference([two], margin=0.5)["mel"]
    assert (alone.low[3], alone.high[3]) == (0.5, 1.5)


def test_the_nearest_step_counts_and_none_beyond_the_ends():
    band = Band([10, 20, 30], [1, 2, 3], [2, 3, 4])
    assert band.at(10) == band.at(12) == (10, 1, 2) and band.at(27) == (30, 3, 4)
    assert band.at(1) == (10, 1, 2) and band.at(40) == (30, 3, 4) and band.at(41) is None


def test_an_alarm_is_given_once_a_metric(caplog):
    alarm = Alarm({"mel": Band([10, 20], [1.0, 0.5], [2.0, 1.0]), "time": Band([10, 20], [0.0, 0.0], [1.0, 1.0])})
    with caplog.at_level("WARNING", logger=logger.name):
        alarm.hear(10, {"mel": 1.5, "time": 1.0, "other": 99.0})
        assert not caplog.records
        alarm.hear(19, {"mel": 1.5, "time": float("nan")})
        alarm.hear(20, {"mel": 7.0})
    assert [record.getMessage() for record in caplog.records] == [
        "step 19: mel is 1.5, outside the reference's 0.5 … 1 (of step 20)",
        "step 19: time is nan, outside the reference's 0 … 1 (of step 20)",
    ]


def test_what_is_no_reference_is_refused(tmp_path):
    file = tmp_path / "curve.json"
    with pytest.raises(AudiolmError, match="cannot read the reference curve .*No such file"):
        read_reference(file)
    for text in ("nothing", "[1]", '{"mel": {"steps": [1]}}'):
        file.write_text(text)
        with pytest.raises(AudiolmError, match="no reference curve; make one with 'audiolm curve'"):
            read_reference(file)
    file.write_text('{"mel": {"steps": [1], "low": [], "high": [2]}}')
    with pytest.raises(AudiolmError, match="'mel' has not as many low and high values as steps"):
        read_reference(file)
    with pytest.raises(AudiolmError, match="is not an experiment"):
        make_reference([tmp_path])
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "lr/main": 1}\n')
    with pytest.raises(AudiolmError, match="logged no metric at the same step"):
        make_reference([tmp_path])


def test_a_run_that_leaves_the_curve_of_others_says_so(tmp_path):
    """Two runs make the curve; a third is inside, one that learns too fast is not, at any step of its resumption."""
    for seed in (0, 1):
        train_toy(tmp_path / f"run{seed}", **{"trainer.seed": seed})
    curve = tmp_path / "conf/curve.json"
    assert main(["curve", "--runs", *(str(tmp_path / f"run{seed}") for seed in (0, 1)), "--out", str(curve)]) == 0
    keys = {"trainer.reference": curve, "trainer.seed": 0}
    train_toy(tmp_path / "good", **keys)
    assert "outside the reference" not in (tmp_path / "good/train.log").read_text()
    assert read_reference(tmp_path / "good/reference.json") == read_reference(curve)
    train_toy(tmp_path / "bad", **keys, **{"optimizers.main.lr": 0.3})
    said = (tmp_path / "bad/train.log").read_text()
    assert said.count("loss/main is") == 1 and "outside the reference's" in said
    write_reference(curve, {"valid/loss": Band([20, 25], [-2.0, -2.0], [-1.0, -1.0])})
    train_toy(tmp_path / "good", **keys, **{"trainer.max_steps": 25})
    assert "valid/loss is" in (tmp_path / "good/train.log").read_text()
