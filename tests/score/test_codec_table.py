"""Rates of codecs: of configs and experiments, and whether published ones agree with themselves."""

import pytest

from audiolm.codec.load import load_codec
from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.score.codec_table import Codec, as_text, count, parameters_of, published_codecs, read_codec
from tests.codec.tiny_codecs import settings, write_experiment


def test_rates_of_an_experiment_by_hand(tmp_path):
    write_experiment(tmp_path / "tiny")
    codec = read_codec(str(tmp_path / "tiny"))
    assert (codec.name, codec.sample_rate, codec.frame_rate, codec.levels, codec.bits) == ("tiny", 8000, 12.5, 3, 4)
    assert codec.token_rate == 37.5 and codec.kbit_rate == pytest.approx(0.15) and codec.fault == ""
    model = load_codec(tmp_path / "tiny")
    books = 3 * 16 * settings()["quantizer"].codebook_dim
    assert codec.parameters == sum(p.numel() for p in model.parameters()) + books
    assert codec.parameters == count(model.state_dict()) == parameters_of(model.config)


def test_a_config_that_changes_another(tmp_path):
    write_experiment(tmp_path / "tiny")
    (tmp_path / "more.yaml").write_text("quantizer: {n_q: 6}\n")
    codec = read_codec(f"{tmp_path / 'tiny'}+{tmp_path / 'more.yaml'}")
    assert codec.name == "tiny+more" and codec.token_rate == 75


def test_published_rows_that_break_the_identity_are_named():
    faults = {codec.name: codec.fault for codec in published_codecs() if codec.fault}
    assert faults == {
        "HiFi-Codec, 3 kbps": "inconsistent: 2^7.5 is no whole number of entries",
        "HiFi-Codec, 4 kbps": "inconsistent: 300 tokens/s of 13 bits are 3.9 kbit/s",
    }
    mimi = next(codec for codec in published_codecs() if codec.name == "Mimi")
    assert (mimi.frame_rate, mimi.token_rate, mimi.kbit_rate) == (12.5, 100, pytest.approx(1.1))
    # 0.48 kbit/s are printed as 0.5
    assert Codec("x", 40, 1, 12, kbps=0.5).fault == "" and "0.48" in Codec("x", 40, 1, 12, kbps=0.6).fault


def test_the_table_puts_ours_before_the_published(tmp_path, capsys):
    write_experiment(tmp_path / "tiny")
    assert main(["codecs", str(tmp_path / "tiny")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:8] == ["tiny", "8000", "12.5", "3", "16", "37.5", "0.15", "0.0"]
    assert lines[3] == "As published (Ji et al. 2024, arXiv:2408.16532, as a digest of its table gives them)"
    assert as_text([], published_codecs()).count("inconsistent") == 2


def test_what_is_no_codec_is_refused(tmp_path):
    with pytest.raises(AudiolmError, match="no .*nothing.yaml: name a codec's config file"):
        read_codec(str(tmp_path / "nothing.yaml"))
    (tmp_path / "lm.yaml").write_text("system: textlm\n")
    with pytest.raises(AudiolmError):
        read_codec(str(tmp_path / "lm.yaml"))
