"""From an experiment directory to a token archive: loading a codec, and the verb `audiolm codes`."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_codecs import write_experiment

import audiolm
from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.train.checkpoint import checksum, write_model


@pytest.fixture(params=["stft", "seanet"])
def experiment(request, tmp_path):
    """An experiment directory as training leaves it, of random weights, and its system."""
    return tmp_path / "exp", write_experiment(tmp_path / "exp", request.param)


@pytest.fixture
def work(tmp_path):
    """A recipe's work directory with dump/dev/audio of three recordings, the last not audio."""
    audio = tmp_path / "work" / "dump" / "dev" / "audio"
    audio.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for reco, samples in (("a", 8000), ("b", 3000), ("c", 8000)):
        soundfile.write(audio / f"{reco}.flac", 0.1 * rng.standard_normal(samples), 8000)
    DataDir(wav={reco: str(audio / f"{reco}.flac") for reco in "abc"}).write(audio)
    (audio / "c.flac").write_bytes(b"no audio")
    return tmp_path / "work"


def test_loaded_codec_is_the_trained_one(experiment):
    path, system = experiment
    codec = audiolm.load_codec(path)
    wav = torch.randn(2, 1, 6400)
    codes = codec.encode(wav)
    assert not codec.training and not any(p.requires_grad for p in codec.parameters())
    assert torch.equal(codes, system.codec.encode(wav))
    assert torch.allclose(codec.decode(codes), system.codec.decode(codes), atol=1e-5)


def test_archive_holds_every_recording_or_its_rejection(experiment, work):
    path, system = experiment
    for job in (1, 2):
        options = ["--dir", str(work), "--sets", "dev", "--codec", str(path), "--job", str(job), "--num_jobs", "2"]
        assert main(["codes", *options]) == 0
    reader = TokenReader(work / "dump" / "dev" / "codes", "codes", source=checksum(path))
    assert reader.meta.frame_rate == 12.5 and reader.meta.vocab_sizes == (16, 16, 16)
    assert reader.keys() == ["a", "b"]
    data = DataDir.read(work / "dump" / "dev" / "audio")
    for reco in reader.keys():
        wav = torch.from_numpy(data.audio(reco))
        assert np.array_equal(reader.read(reco), system.codec.encode(wav[None, None])[0].T.numpy())
    rejected = [(work / "dump/dev/codes" / f"rejected.{job}.tsv").read_text(encoding="utf-8") for job in (1, 2)]
    assert "".join(rejected).startswith("c\t")


def test_speakers_as_the_other_hears_them(experiment, work):
    path, _ = experiment
    audio = work / "dump" / "dev" / "audio"
    data = DataDir.read(audio)
    data.reco2file_and_channel = {"a": ("ab", "A"), "b": ("ab", "B"), "c": ("c", "A")}
    data.write(audio)
    for options in ([], ["--heard", "3"]):
        assert main(["codes", "--dir", str(work), "--sets", "dev", "--codec", str(path), *options]) == 0
    plain, heard = (TokenReader(work / "dump/dev" / kind, kind, checksum(path)) for kind in ("codes", "heard"))
    assert heard.keys() == ["a", "b"]  # nobody hears c
    assert all(heard.num_frames(reco) == plain.num_frames(reco) for reco in "ab")
    assert any(not np.array_equal(heard.read(reco), plain.read(reco)) for reco in "ab")
    merge = ["merge", "--dir", str(work), "--sets", "dev", "--kind", "heard", "--num_jobs", "1"]
    assert main(merge) == 0  # where c, who has nobody to be heard by, is not missed
    scp = work / "dump/dev/heard/heard.1.scp"
    scp.write_text(scp.read_text().splitlines(keepends=True)[0])
    assert main(merge) == 1


def test_weights_of_another_architecture_are_refused(experiment):
    path, system = experiment
    state = system.export_state()
    state["downsample.conv.weight"] = state["downsample.conv.weight"][:8]
    write_model(path, state)
    with pytest.raises(AudiolmError, match=f"^{path}/model.safetensors: .*downsample.conv.weight"):
        audiolm.load_codec(path)


def test_what_is_no_codec_is_refused(tmp_path):
    with pytest.raises(AudiolmError, match="no .*config.yaml"):
        audiolm.load_codec(tmp_path)
