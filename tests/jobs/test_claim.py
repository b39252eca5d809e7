"""Experiment directories: gone on with when it is the same training, kept under a number when it is another."""

import json

import pytest

from audiolm.jobs import claim as module
from audiolm.jobs.claim import claim


@pytest.fixture
def exp(tmp_path):
    claim(tmp_path / "exp", ["--steps", "3"], "run1", tmp_path / "old")
    (tmp_path / "exp/model.safetensors").touch()
    return tmp_path / "exp"


def test_the_same_training_goes_on(exp):
    assert claim(exp, ["--steps", "3"], "run1", exp.parent / "old") is None
    # the stage was redone for what does not concern this training
    assert claim(exp, ["--steps", "3"], "run2", exp.parent / "old") is None
    assert (exp / "model.safetensors").exists()


def test_another_training_begins_anew_and_loses_nothing(exp):
    assert claim(exp, ["--steps", "4"], "run2", exp.parent / "old") == exp.parent / "old/exp.1"
    assert (exp.parent / "old/exp.1/model.safetensors").exists() and not (exp / "model.safetensors").exists()
    (exp / "checkpoints/step_5").mkdir(parents=True)
    assert claim(exp, ["--steps", "5"], "run3", exp.parent / "old") == exp.parent / "old/exp.2"


def test_a_forced_run_begins_anew_once(exp):
    assert claim(exp, ["--steps", "3"], "force-1", exp.parent / "old") == exp.parent / "old/exp.1"
    (exp / "checkpoints/step_5").mkdir(parents=True)
    assert claim(exp, ["--steps", "3"], "force-1", exp.parent / "old") is None  # interrupted, and gone on with
    assert claim(exp, ["--steps", "3"], "force-2", exp.parent / "old") == exp.parent / "old/exp.2"


def test_a_directory_that_no_recipe_trained_is_left_alone(tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert claim(tmp_path, [], "run1", tmp_path / "old") is None
    assert (tmp_path / "model.safetensors").exists()


def test_files_models_and_earlier_stages_belong_to_a_training(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("steps: 3\n")
    (tmp_path / "init").mkdir()
    (tmp_path / "init/model.safetensors").write_text("weights")
    monkeypatch.chdir(tmp_path)
    moves = []

    def run(after="x", directory="work"):
        monkeypatch.setenv("AUDIOLM_AFTER", after)
        options = ["--dir", directory, f"{directory}/exp", "--config", "a.yaml", "--init", "init", f"{directory}/dump"]
        assert module.main(options) == 0
        (tmp_path / directory / "exp/checkpoints/step_5").mkdir(parents=True, exist_ok=True)
        moves.append(len(list(tmp_path.glob("*/old/exp.*"))))

    run()
    run()
    (tmp_path / "a.yaml").write_text("steps: 4\n")
    run()
    (tmp_path / "init/model.safetensors").write_text("other weights")
    run()
    run(after="y")
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    run(after="y", directory="elsewhere")
    assert moves == [0, 0, 1, 2, 3, 3]
    assert json.loads((tmp_path / "elsewhere/exp/.run").read_text()).keys() == {"digest", "run"}


def test_a_part_is_named_by_its_options_which_may_come_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOLM_RUN", "run1")
    names = []
    for sets in ("train dev", "test", "train dev"):
        assert module.main(["--dir", str(tmp_path), "--part", "--sets", sets, "diarize", "--backend", "x"]) == 0
        names.append(capsys.readouterr().out)
    assert names[0] == names[2] != names[1] and names[0].startswith("part-")


def test_a_training_that_never_began_leaves_nothing_to_keep(tmp_path):
    claim(tmp_path / "exp", ["--steps", "three"], "run1", tmp_path / "old")
    assert claim(tmp_path / "exp", ["--steps", "3"], "run1", tmp_path / "old") is None
    assert not (tmp_path / "old").exists()


def test_a_part_has_its_name_from_what_it_is_made_of(tmp_path, monkeypatch, capsys):
    (tmp_path / "words").write_text("a")

    def name(*options, run="1", after="x"):
        monkeypatch.setenv("AUDIOLM_RUN", run)
        monkeypatch.setenv("AUDIOLM_AFTER", after)
        assert module.main(["--dir", str(tmp_path), "--part", *options]) == 0
        return capsys.readouterr().out

    whisper = ["align", "--backend", "whisper", "--words", f"{tmp_path}/words"]
    first = name(*whisper)
    assert name(*whisper, run="2") == first  # the stage runs again for its other part
    forced = name(*whisper, run="force-1")
    others = [forced, name(*whisper, run="force-2"), name(*whisper, after="y"), name(*whisper, "--model", "b")]
    assert name(*whisper, run="force-1") == forced  # interrupted, and gone on with
    (tmp_path / "words").write_text("b")
    assert len({first, *others, name(*whisper)}) == 6
