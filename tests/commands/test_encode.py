"""The verbs encode, decode and export: audio files to codes and back, in folders and archives, and what they refuse."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiolm.codec.load import load_codec
from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.data.tools import rejections
from audiolm.train.checkpoint import checksum

sys.path.insert(0, str(Path(__file__).parents[1] / "codec"))
from tiny_codecs import write_experiment


@pytest.fixture
def codec_dir(tmp_path) -> Path:
    write_experiment(tmp_path / "exp", "seanet")
    return tmp_path / "exp"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Audio of several rates, channels and depths of folders, and files that are none."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "in"
    (folder / "sub" / "deep").mkdir(parents=True)
    soundfile.write(folder / "a.wav", 0.1 * rng.standard_normal(8000), 8000)
    soundfile.write(folder / "sub" / "two channels.flac", rng.standard_normal((3000, 2)) * [0.01, 0.3], 8000)
    soundfile.write(folder / "sub" / "deep" / "d.v2.ogg", 0.1 * rng.standard_normal(32000), 16000)
    soundfile.write(folder / "short.wav", np.zeros(1), 8000)
    (folder / "notes.txt").write_text("no audio", encoding="utf-8")
    (folder / "bad.wav").write_text("no audio", encoding="utf-8")
    (folder / "empty.flac").touch()
    soundfile.write(folder / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    soundfile.write(folder / "none.wav", np.zeros(0), 8000)
    return folder


def run(verb, *arguments) -> int:
    return main([verb, *map(str, arguments)])


def npy_files(folder) -> dict[str, np.ndarray]:
    return {path.relative_to(folder).as_posix(): np.load(path) for path in folder.rglob("*.npy")}


def test_folder_of_audio_becomes_a_folder_of_codes(folder, codec_dir, tmp_path, capsys):
    assert run("encode", folder, "--codec", codec_dir, "--out", tmp_path / "codes") == 0
    found = npy_files(tmp_path / "codes")
    both = {"sub/two channels_ch1.npy": 5, "sub/two channels_ch2.npy": 5}
    frames = {"a.npy": 13, "short.npy": 1, "sub/deep/d.v2.npy": 25, **both}
    assert {name: len(codes) for name, codes in found.items()} == frames
    codec = load_codec(codec_dir)
    stereo, _ = soundfile.read(folder / "sub" / "two channels.flac", dtype="float32")
    for channel in (0, 1):
        codes = codec.encode(torch.from_numpy(stereo[:, channel].copy())[None, None])[0].T.numpy()
        assert np.array_equal(found[f"sub/two channels_ch{channel + 1}.npy"], codes)
        assert found["a.npy"].dtype == np.int16
    rejected = dict(rejections(tmp_path / "codes" / "rejected.tsv"))
    assert rejected.keys() == {"bad", "empty", "nan", "none"} and "NaN" in rejected["nan"]
    said = capsys.readouterr().out
    assert "resampled to 8000 Hz: 1 of 16000 Hz" in said and "encoded 5 recordings" in said and "; 4 rejected" in said
    meta = json.loads((tmp_path / "codes" / "meta.json").read_text(encoding="utf-8"))
    assert meta == {"kind": "codes", "frame_rate": 12.5, "vocab_sizes": [16] * 3, "source": checksum(codec_dir)}


@pytest.mark.parametrize("form", [".flac", ".wav"])
def test_decode_keeps_the_folders_and_gives_the_codecs_sound(form, folder, codec_dir, tmp_path):
    run("encode", folder, "--codec", codec_dir, "--out", tmp_path / "codes")
    to = ["--out", tmp_path / "audio", "--format", form[1:]]
    assert run("decode", tmp_path / "codes", "--codec", codec_dir, *to) == 0
    codec, found = load_codec(codec_dir), npy_files(tmp_path / "codes")
    files = {path.relative_to(tmp_path / "audio").as_posix() for path in (tmp_path / "audio").rglob("*.*")}
    assert files == {name.removesuffix(".npy") + form for name in found}
    for name, codes in found.items():
        wav, rate = soundfile.read(tmp_path / "audio" / (name.removesuffix(".npy") + form), dtype="float32")
        expected = codec.decode(torch.from_numpy(codes.T.astype(np.int64))[None])[0, 0].clamp(-1, 1).numpy()
        assert rate == 8000 and np.allclose(wav, expected, atol=1e-4)


def test_archive_of_a_data_directory_and_its_first_level(folder, codec_dir, tmp_path):
    data = DataDir(
        wav={"talk-A": str(folder / "sub" / "two channels.flac"), "talk-B": str(folder / "sub" / "two channels.flac")},
        reco2file_and_channel={"talk-A": ("talk", "A"), "talk-B": ("talk", "B")},
    )
    data.write(tmp_path / "data")
    out = tmp_path / "archive"
    assert run("encode", tmp_path / "data", "--codec", codec_dir, "--out", out, "--archive", "--levels", 2) == 0
    reader = TokenReader(out, "codes", checksum(codec_dir))
    assert reader.keys() == ["talk-A", "talk-B"] and reader.meta.vocab_sizes == (16, 16)
    assert not np.array_equal(reader.read("talk-A"), reader.read("talk-B"))
    assert run("decode", out, "--codec", codec_dir, "--levels", 1, "--out", tmp_path / "audio") == 0
    wav, _ = soundfile.read(tmp_path / "audio" / "talk-B.flac", dtype="float32")
    codes = torch.from_numpy(reader.read("talk-B")[:, :1].T.astype(np.int64))[None]
    assert np.allclose(wav, load_codec(codec_dir).decode(codes)[0, 0].clamp(-1, 1).numpy(), atol=1e-4)


def test_pipes_run_where_they_are_allowed(folder, codec_dir, tmp_path, capsys):
    DataDir(wav={"x": f"cat {folder / 'a.wav'} |"}, allow_pipes=True).write(tmp_path / "data")
    assert run("encode", tmp_path / "data", "--codec", codec_dir, "--out", tmp_path / "out") == 1
    assert "--allow_pipes" in capsys.readouterr().err
    assert run("encode", tmp_path / "data", "--codec", codec_dir, "--out", tmp_path / "out", "--allow_pipes") == 0
    run("encode", folder / "a.wav", "--codec", codec_dir, "--out", tmp_path / "file")
    assert np.array_equal(npy_files(tmp_path / "out")["x.npy"], npy_files(tmp_path / "file")["a.npy"])


def test_one_channel_of_files_with_several(folder, codec_dir, tmp_path):
    options = ["--codec", codec_dir, "--channel", 2]
    assert run("encode", folder / "sub", folder / "a.wav", *options, "--out", tmp_path / "one") == 0
    run("encode", folder / "sub", "--codec", codec_dir, "--out", tmp_path / "each")
    found, each = npy_files(tmp_path / "one"), npy_files(tmp_path / "each")
    assert found.keys() == {"two channels.npy", "deep/d.v2.npy", "a.npy"}
    assert np.array_equal(found["two channels.npy"], each["two channels_ch2.npy"])


def test_ids_of_data_directories_stay_inside_the_folder(folder, codec_dir, tmp_path):
    DataDir(wav={"../../up": str(folder / "a.wav"), "/abs": str(folder / "a.wav")}).write(tmp_path / "data")
    assert run("encode", tmp_path / "data", "--codec", codec_dir, "--out", tmp_path / "x" / "codes") == 0
    assert npy_files(tmp_path / "x").keys() == {"codes/..%2F..%2Fup.npy", "codes/%2Fabs.npy"}


def wrong(name, array):
    return lambda codes: np.save(codes / name, array)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            wrong("w.npy", np.full((3, 3), 16)),
            "codes of 'w' have 3 levels with values 16 … 16; this codec has 3 levels of",
        ),
        (wrong("w.npy", np.full((3, 3), -1)), "with values -1 … -1; this codec has"),
        (wrong("w.npy", np.zeros((3, 4), int)), "codes of 'w' have 4 levels"),
        (wrong("w.npy", np.zeros((3, 3))), "w.npy holds float64 of shape [3, 3], expected integers [frames, levels]"),
        (wrong("w.npy", np.zeros(3, int)), "w.npy holds int64 of shape [3]"),
        (wrong("w.npy", np.array([{}], dtype=object)), "w.npy is not an .npy file of codes"),
        (lambda codes: (codes / "w.npy").write_bytes(b"no"), "w.npy is not an .npy file of codes"),
        (lambda codes: (codes / "w.npy").touch(), "w.npy is not an .npy file of codes"),
        (lambda codes: [path.unlink() for path in codes.glob("*.npy")], "no codes in the folder"),
    ],
)
def test_decode_refuses_what_are_no_codes_of_the_codec(spoil, message, folder, codec_dir, tmp_path, capsys):
    run("encode", folder / "a.wav", "--codec", codec_dir, "--out", tmp_path / "codes")
    spoil(tmp_path / "codes")
    assert run("decode", tmp_path / "codes", "--codec", codec_dir, "--out", tmp_path / "audio") == 1
    assert message in capsys.readouterr().err and not (tmp_path / "audio").exists()


def test_codes_of_another_codec_are_refused(folder, codec_dir, tmp_path, capsys):
    write_experiment(tmp_path / "other", "seanet", seed=1)
    for options in ([], ["--archive"]):
        out = tmp_path / f"codes{len(options)}"
        run("encode", folder / "a.wav", "--codec", codec_dir, "--out", out, *options)
        capsys.readouterr()
        assert run("decode", out, "--codec", tmp_path / "other", "--out", tmp_path / "audio") == 1
        assert checksum(tmp_path / "other") in capsys.readouterr().err
    assert run("encode", folder / "a.wav", "--codec", tmp_path / "other", "--out", tmp_path / "codes0") == 1
    assert f"holds codes of codec {checksum(codec_dir)}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{in}/nothing"], "no file or folder {in}/nothing"),
        (["{in}/bad.wav"], "every recording was rejected; the first: bad: {in}/bad.wav is not audio"),
        (["{in}", "--levels", "9"], "--levels 9: expected 1 to 3"),
        (["{in}", "--channel", "0"], "--channel 0: expected a number from 1 on"),
        (["{in}/a.wav", "{in}/again/a.wav"], "have one name, 'a'"),
        (["{in}/again"], "no audio in the folder {in}/again"),
        (["{in}", "--device", "gpu9"], "--device gpu9"),
    ],
)
def test_encode_says_what_is_wrong(arguments, message, folder, codec_dir, tmp_path, capsys):
    (folder / "again").mkdir()
    if len(arguments) > 1 and "again" in arguments[1]:
        (folder / "again" / "a.wav").write_bytes((folder / "a.wav").read_bytes())
    given = [argument.replace("{in}", str(folder)) for argument in arguments]
    assert run("encode", *given, "--codec", codec_dir, "--out", tmp_path / "out") == 1
    assert message.replace("{in}", str(folder)) in capsys.readouterr().err


def test_channel_beyond_the_last_is_rejected(folder, codec_dir, tmp_path):
    run("encode", folder, "--codec", codec_dir, "--channel", 3, "--out", tmp_path / "out")
    rejected = dict(rejections(tmp_path / "out" / "rejected.tsv"))
    assert "has 2 channels, channel 3 was asked for" in rejected["sub/two channels"]


def test_export_writes_each_layout_and_says_where(folder, codec_dir, tmp_path, capsys):
    pytest.importorskip("transformers")
    sys.path.insert(0, str(Path(__file__).parents[1] / "codec"))
    from foreign_codecs import transformers_model

    transformers_model("mimi").save_pretrained(tmp_path / "theirs")
    capsys.readouterr()
    for to, file in (("moshi", "mimi.safetensors"), ("transformers", "model.safetensors"), ("audiolm", "config.yaml")):
        assert run("export", "--codec", tmp_path / "theirs", "--to", to, "--out", tmp_path / to) == 0
        assert f"{tmp_path / to}; it loads with" in capsys.readouterr().out and (tmp_path / to / file).is_file()
    assert run("export", "--codec", tmp_path / "theirs", "--levels", 2, "--out", tmp_path / "two") == 0
    for name, levels in (("moshi", 3), ("transformers", 3), ("audiolm", 3), ("two", 2)):
        assert run("encode", folder / "a.wav", "--codec", tmp_path / name, "--out", tmp_path / f"{name}_codes") == 0
        codes = npy_files(tmp_path / f"{name}_codes")["a.npy"]
        assert np.array_equal(codes, npy_files(tmp_path / "moshi_codes")["a.npy"][:, :levels])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "transformers"], "this codec has an STFT encoder (with transformers)"),
        (["--lm", "x"], "or --lm with its --codec and --tokenizer"),
        (["--textlm", "x"], "or --lm with its --codec and --tokenizer"),
        (["--main_only"], "--main_only is no option of a codec; leave it out"),
        (["--levels", "4"], "4 levels, expected 1 to 3"),
    ],
)
def test_export_says_what_is_wrong(options, message, tmp_path, capsys):
    write_experiment(tmp_path / "exp")
    assert run("export", "--codec", tmp_path / "exp", *options, "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()
