"""Codecs by name: experiments, other projects' files, hub ids; saved as experiments, with fewer levels."""

import pytest
import torch
from foreign_codecs import mimi, sound, transformers_model
from tiny_codecs import tiny_codec, write_experiment

import audiolm
from audiolm.codec.load import codec_checksum, export_codec, first_levels, load_codec, save_codec
from audiolm.codec.system import CodecSystem
from audiolm.encoders import hub
from audiolm.errors import AudiolmError
from audiolm.train.checkpoint import checksum, load_model
from audiolm.train.options import read_config


def test_saved_codec_is_an_experiment_that_loads_and_can_be_trained_on(tmp_path):
    codec = mimi()
    save_codec(codec, tmp_path / "exp")
    loaded = audiolm.load_codec(tmp_path / "exp")
    wav = sound(codec, 9)
    assert torch.equal(loaded.encode(wav), codec.encode(wav))
    assert codec_checksum(tmp_path / "exp") == checksum(tmp_path / "exp")
    run = read_config([tmp_path / "exp" / "config.yaml"])
    system = CodecSystem(run.config).eval()
    system.load_init(load_model(tmp_path / "exp"))
    assert torch.equal(system.codec.encode(wav), codec.encode(wav))


@pytest.mark.parametrize("to", ["transformers", "moshi", None])
def test_export_and_back_changes_no_code(to, tmp_path):
    save_codec(mimi(), tmp_path / "exp")
    usage = export_codec(tmp_path / "exp", tmp_path / "there", to)
    assert {"transformers": "MimiModel", "moshi": "rustymimi cannot", None: "load_codec"}[to] in usage
    assert str(tmp_path / "there") in usage
    export_codec(tmp_path / "there", tmp_path / "back")
    codec, back = load_codec(tmp_path / "exp"), load_codec(tmp_path / "back")
    wav = sound(codec, 12)
    codes = codec.encode(wav)
    assert torch.equal(back.encode(wav), codes) and torch.equal(back.decode(codes), codec.decode(codes))
    assert back.config == codec.config or to is not None  # what only training needs has its defaults
    if to is None:
        assert codec_checksum(tmp_path / "back") == codec_checksum(tmp_path / "exp")


def test_export_does_not_overwrite_what_it_reads(tmp_path):
    save_codec(mimi(), tmp_path / "exp")
    with pytest.raises(AudiolmError, match="is where the codec is read from"):
        export_codec(tmp_path / "exp", tmp_path / "here" / ".." / "exp", "moshi")


@pytest.mark.parametrize("make", [lambda: mimi(levels=5), lambda: tiny_codec("stft")], ids=["mimi", "stft"])
def test_first_levels_have_the_same_codes_and_sound(make):
    codec = make()
    fewer = first_levels(codec, 2)
    wav = torch.randn(1, 1, 10 * codec.frame_size)
    codes = codec.encode(wav)
    assert fewer.n_q == 2 and torch.equal(fewer.encode(wav), codes[:, :2])
    assert torch.allclose(fewer.decode(codes[:, :2]), codec.decode(codes[:, :2]), atol=1e-6)
    with pytest.raises(AudiolmError, match="9 levels, expected 1 to"):
        first_levels(codec, 9)
    with pytest.raises(AudiolmError, match="n_q is 1, expected at least 2"):
        first_levels(codec, 1)


def test_hub_ids_are_found_in_the_cache(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    transformers_model("dac").save_pretrained(tmp_path / "snapshot")
    asked = []

    def cached(name, config, weights):
        asked.append((name, config, weights))
        return tmp_path / "snapshot"

    monkeypatch.setattr(hub, "_cached", cached)
    codec = load_codec("descript/dac_somewhere")
    (name, config, weights) = asked.pop()
    assert (name, config) == ("descript/dac_somewhere", "config.json") and "model.safetensors" in weights
    wav = torch.randn(1, 1, 80)
    assert torch.equal(codec.encode(wav), load_codec(tmp_path / "snapshot").encode(wav))


def test_without_a_network_one_line_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "_cached", lambda *_: None)
    with pytest.raises(
        AudiolmError, match="no folder or file 'kyutai/mimi'; on the hub: .*hf download kyutai/mimi"
    ) as e:
        load_codec("kyutai/mimi")
    assert "\n" not in str(e.value)


def test_what_is_no_codec_says_what_one_is(tmp_path):
    (tmp_path / "readme").write_text("hello", encoding="utf-8")
    for name in (tmp_path, tmp_path / "readme"):
        with pytest.raises(
            AudiolmError, match=f"no config.yaml of a trained codec in {name}, and neither .* nor moshi"
        ):
            load_codec(name)
    with pytest.raises(AudiolmError, match="no folder or file '/nowhere/x'"):
        load_codec("/nowhere/x")


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (torch.zeros(640), r"samples of shape \[640\], expected \[batch, 1, samples\]"),
        (torch.zeros(1, 640), r"shape \[1, 640\]"),
        (torch.zeros(1, 2, 640), r"shape \[1, 2, 640\]"),
        (torch.zeros(1, 1, 0), r"shape \[1, 1, 0\]"),
        (torch.full((1, 1, 640), float("nan")), "NaN or infinite samples"),
        (torch.full((1, 1, 640), float("inf")), "NaN or infinite samples"),
    ],
)
def test_bad_samples_are_refused(wav, message):
    with pytest.raises(AudiolmError, match=message):
        tiny_codec().encode(wav)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.zeros(3, 4, dtype=torch.int64), r"codes of shape \[3, 4\] and torch.int64"),
        (torch.zeros(1, 3, 4), "torch.float32, expected integers"),
        (torch.zeros(1, 3, 0, dtype=torch.int64), r"shape \[1, 3, 0\]"),
        (torch.zeros(1, 0, 4, dtype=torch.int64), r"shape \[1, 0, 4\]"),
    ],
)
def test_bad_codes_are_refused(codes, message):
    with pytest.raises(AudiolmError, match=message):
        tiny_codec().decode(codes)


def test_clips_shorter_than_a_frame_have_one_frame(tmp_path):
    write_experiment(tmp_path / "exp")
    codec = audiolm.load_codec(tmp_path / "exp")
    assert codec.encode(torch.randn(1, 1, 7)).shape == (1, 3, 1)
