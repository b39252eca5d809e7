"""A family that nothing under audiolm/ knows: trained, resumed, generated, scored, shown, exported by the verbs."""

from pathlib import Path

import numpy as np
import pytest

import audiolm
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.spec import all_specs, find_spec
from audiolm.train.checkpoint import checksum
from tests.models import toy_family
from tests.train.toy_sequences import write_set


@pytest.fixture(autouse=True)
def plugged(monkeypatch):
    monkeypatch.setenv("AUDIOLM_PLUGINS", toy_family.__name__)


def run(*words) -> int:
    return main(list(map(str, words)))


def test_a_family_in_one_file(tmp_path, capsys):
    dumps, exp = tmp_path / "dump", tmp_path / "exp"
    sets = [write_set(dumps / name, seed=seed) for seed, name in enumerate(("train", "test"))]
    audio.write(tmp_path / "u.wav", np.zeros(800, np.float32), 8000)
    data = DataDir()
    data.wav["u"], data.reco2dur["u"] = str(tmp_path / "u.wav"), 0.1
    data.write(dumps / "test/audio")
    common = ["--system", "parrot", "--train", sets[0], "--valid", sets[1], "--trainer.batch_size", 2, "--exp"]
    assert run("train", *common, exp / "whole", "--trainer.max_steps", 6) == 0
    for steps in (3, 6):  # an interruption between them
        assert run("train", *common, exp / "parts", "--trainer.max_steps", steps) == 0
    assert checksum(exp / "whole") == checksum(exp / "parts")
    assert isinstance(audiolm.load(exp / "whole"), toy_family.Parrot)
    options = ["--dir", tmp_path, "--lm", exp / "whole"]
    assert run("generate", *options, "--sets", "test", "--warmth", 0.5, "--batch", 2) == 0
    assert run("generate", *options, "--sets", "test", "--prompt", 3) == 1
    assert "--prompt is no option of a parrot" in capsys.readouterr().err
    assert run("score", *options, "--set", "test", "--metrics", "parrot") == 0
    assert run("results", "--dir", tmp_path) == 0 and "codes right" in capsys.readouterr().out
    assert run("report", "--dir", tmp_path) == 0
    page = (tmp_path / "report.html").read_text()
    assert "Parroted" in page and "codes right" in page and "utt0" in page
    assert run("export", "--lm", exp / "whole", "--out", tmp_path / "out") == 0
    assert (tmp_path / "out/parrot.safetensors").stat().st_size > 1000
    assert run("say", "hello", "--lm", exp / "whole", "--out", tmp_path / "x.wav") == 1
    assert "a parrot (system: parrot) cannot do this: its spec has no open" in capsys.readouterr().err


def test_two_families_of_one_name_and_modules_that_are_not_there_are_refused(monkeypatch, tmp_path):
    assert find_spec("parrot") is toy_family.SPEC
    (tmp_path / "other_parrot.py").write_text("from tests.models.toy_family import SPEC\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AUDIOLM_PLUGINS", f"{toy_family.__name__} other_parrot")
    with pytest.raises(
        AudiolmError, match="two families are called 'parrot': tests.models.toy_family and other_parrot"
    ):
        all_specs()
    monkeypatch.setenv("AUDIOLM_PLUGINS", "no_such_module")
    with pytest.raises(AudiolmError, match="AUDIOLM_PLUGINS names 'no_such_module': no module 'no_such_module'"):
        all_specs()


def test_the_family_is_short():
    assert len(Path(toy_family.__file__).read_text().splitlines()) <= 150
