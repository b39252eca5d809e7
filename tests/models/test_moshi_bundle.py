"""The exported directory: whole, loadable, and of parts that belong together."""

import json

import pytest

import audiolm
from audiolm.commands.main import main
from audiolm.models.open import MANIFEST
from audiolm.text.tokenizer import Tokenizer, train_tokenizer
from audiolm.train.checkpoint import checksum
from tests.codec.tiny_codecs import write_experiment
from tests.models.tiny_parts import write_parts


@pytest.fixture
def parts(tmp_path) -> dict[str, str]:
    return write_parts(tmp_path)


def export(parts: dict[str, str]) -> int:
    return main(["export", *(word for name, path in parts.items() for word in (f"--{name}", path))])


def test_the_copy_loads_by_itself(parts, tmp_path, capsys):
    assert export(parts) == 0
    assert export(parts) == 0  # again, over the first
    assert "7 streams at 12.5 Hz" in capsys.readouterr().out
    for name in ("lm", "codec", "tokenizer"):
        (tmp_path / name).rename(tmp_path / f"{name}.away")
    bundle = tmp_path / "bundle"
    manifest = json.loads((bundle / MANIFEST).read_text())
    assert manifest["checksums"]["lm"] == checksum(bundle / "lm") == checksum(tmp_path / "lm.away")
    assert audiolm.load_codec(bundle / "codec").n_q == manifest["n_q"] == 3
    assert audiolm.load_lm(bundle / "lm")[0].config.layout.num_streams == manifest["streams"]
    assert Tokenizer.load(bundle / "tokenizer").checksum == manifest["checksums"]["tokenizer"]


def test_another_codec_of_the_same_shape_is_refused(parts, tmp_path, capsys):
    write_experiment(tmp_path / "codec", seed=1)
    assert export(parts) == 1
    assert "were trained on tokens of another codec" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if "bundle" in path.name]  # no half of one either


def test_another_tokenizer_is_refused(parts, tmp_path, capsys):
    train_tokenizer(["one two three three"], 300).save(tmp_path / "tokenizer")
    assert export(parts) == 1
    assert "were trained on tokens of another tokenizer" in capsys.readouterr().err


def test_an_experiment_of_another_kind_is_named(parts, capsys):
    assert export({**parts, "lm": parts["codec"]}) == 1
    assert f"{parts['codec']} is a codec (system: codec), expected an audio LM for --lm" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(parts, tmp_path, capsys):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.tex").touch()
    assert export(parts) == 1
    assert "is no exported model" in capsys.readouterr().err and (tmp_path / "bundle" / "thesis.tex").exists()
