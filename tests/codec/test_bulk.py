"""Bulk encoding: windows and batches change no codes, bad recordings are rejected, the archive knows its codec."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_codecs import tiny_codec

from audiolm.codec import bulk
from audiolm.codec.bulk import batches, cut, decode_each, encode_batch, encode_recordings
from audiolm.codec.dac import DacConfig
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.data.datadir import DataDir


@pytest.fixture
def codec():
    torch.manual_seed(0)
    return tiny_codec()


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    lengths = {"a": 3.0, "b": 0.4, "c": 7.13, "d": 3.01}
    for reco, seconds in lengths.items():
        soundfile.write(tmp_path / f"{reco}.flac", 0.1 * rng.standard_normal(round(seconds * 8000)), 8000)
    data = DataDir(wav={reco: str(tmp_path / f"{reco}.flac") for reco in lengths})
    data.write(tmp_path)
    return DataDir.read(tmp_path)


def alone(codec, data, reco):
    return codec.encode(torch.from_numpy(data.audio(reco))[None, None])[0].T.numpy()


def test_every_recording_as_if_alone(codec, data):
    codes, rejected = encode_recordings(codec, data, data.recos)
    assert not rejected and list(codes) == ["a", "b", "c", "d"]
    for reco in data.recos:
        assert np.array_equal(codes[reco], alone(codec, data, reco))
    assert codes["c"].shape == (90, 3)  # 7.13 s at 12.5 Hz, the last frame partly


def test_long_recordings_in_windows_have_the_same_codes(codec, data):
    windows = cut("c", 7.13, codec, seconds=2.0)
    assert [(w.keep, w.end) for w in windows] == [(0, 25), (25, 50), (50, 75), (75, 90)]
    assert [w.last for w in windows] == [False, False, False, True]
    assert windows[1].begin == 25 - codec.past
    wav = data.audio("c")
    parts = []
    for window in windows:
        end = None if window.last else window.end * 640
        parts.append(encode_batch(codec, [wav[window.begin * 640 : end]])[0][window.keep - window.begin :])
    assert np.array_equal(np.concatenate(parts), alone(codec, data, "c"))


def test_batches_are_of_like_lengths_and_bounded(codec):
    seconds = {"a": 4, "b": 1, "c": 2, "d": 4, "e": 9}
    windows = [window for reco in seconds for window in cut(reco, seconds[reco], codec)]
    groups = list(batches(windows, frames=100))
    assert [[w.reco for w in group] for group in groups] == [["e"], ["a", "d"], ["c", "b"]]
    assert [[w.reco for w in group] for group in batches(windows, frames=1000)] == [["e"], ["a", "d", "c"], ["b"]]


def test_unreadable_recordings_are_rejected_with_the_reason(codec, data, tmp_path):
    (tmp_path / "b.flac").write_bytes(b"not audio")
    (tmp_path / "c.flac").unlink()
    codes, rejected = encode_recordings(codec, DataDir.read(tmp_path), ["a", "b", "c", "d"])
    assert list(codes) == ["a", "d"]
    assert [reco for reco, _ in rejected] == ["b", "c"] and all(reason for _, reason in rejected)


@pytest.fixture(params=["encodec", "dac"])
def seeing_ahead(request, tmp_path):
    """A codec whose codes depend on what follows, 8 kHz."""
    seanet = SeanetConfig(channels=4, ratios=[8, 5], lstm=1, pad_mode="reflect")
    dac = DacConfig(channels=4, ratios=[8, 5], dilations=[1])
    side = {"seanet": seanet} if request.param == "encodec" else {"dac": dac}
    config = CodecConfig(
        EncoderConfig(**side),
        DecoderConfig(**side),
        sample_rate=8000,
        frame_rate=200.0,
        dim=16,
        encoder_transformer=None,
        decoder_transformer=None,
        quantizer=QuantizerConfig(n_q=3, codebook_size=16, codebook_dim=8, split=False, kind="gradient"),
    )
    torch.manual_seed(0)
    return Codec(config).eval()


def test_codecs_that_look_ahead_get_whole_recordings_of_equal_lengths(seeing_ahead, data, monkeypatch):
    codec = seeing_ahead
    assert not codec.causal and codec.past is None and codec.decoder_past is None
    sizes = []
    encode = codec.encode
    monkeypatch.setattr(codec, "encode", lambda wav: sizes.append(wav.shape) or encode(wav))
    codes, rejected = encode_recordings(codec, data, data.recos)
    assert not rejected and sorted(size[-1] for size in sizes) == [3200, 24000, 24080, 57040]
    for reco in data.recos:
        assert np.array_equal(codes[reco], alone(codec, data, reco))
    again = encode_batch(codec, [data.audio("b"), data.audio("a"), data.audio("b")])
    assert sizes[-2:].count((2, 1, 3200)) == 1
    assert np.array_equal(again[2], codes["b"]) and np.array_equal(again[1], codes["a"])


def test_decoding_in_windows_and_batches_gives_each_as_if_alone(codec, monkeypatch):
    monkeypatch.setattr(bulk, "WINDOW", 1.0)  # seconds: 12 frames
    rng = np.random.default_rng(0)
    codes = {name: rng.integers(0, 16, (frames, 3)) for name, frames in (("a", 100), ("b", 7), ("c", 40))}
    read = []

    def window(name, begin, end):
        read.append(end - begin)
        return codes[name][begin:end]

    found = dict(decode_each(codec, {name: len(entry) for name, entry in codes.items()}, window))
    assert found.keys() == codes.keys() and max(read) == 12 + codec.decoder_past
    for name, entry in codes.items():
        whole = codec.decode(torch.from_numpy(entry.T[None]))[0, 0].numpy()
        assert found[name].shape == whole.shape and np.allclose(found[name], whole, atol=1e-5)


@pytest.mark.parametrize("kind", ["stft", "seanet"])
def test_no_frame_bears_on_sound_later_than_the_decoders_past(kind):
    codec = tiny_codec(kind)
    codes = torch.randint(16, (1, 3, 40))
    changed = codes.clone()
    changed[..., 10] = (codes[..., 10] + 3) % 16
    heard = (codec.decode(codes) - codec.decode(changed)).view(40, -1).abs().amax(1).nonzero().flatten()
    assert heard[0] == 10 and heard[-1] <= 10 + codec.decoder_past <= 20


def test_recordings_without_a_sample_are_rejected(codec, data):
    data.reco2dur["b"] = 1e-5
    codes, rejected = encode_recordings(codec, data, ["a", "b"])
    assert list(codes) == ["a"] and "not one sample at 8000 Hz" in rejected[0][1]
