"""Bulk encoding: windows and batches change no codes, bad recordings are rejected, the archive knows its codec."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_codecs import tiny_codec

from audiolm.codec.bulk import batches, cut, encode_batch, encode_recordings
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


def test_unreadable_recordings_are_rejected_with_the_reason(codec, data, tmp_path):
    (tmp_path / "b.flac").write_bytes(b"not audio")
    (tmp_path / "c.flac").unlink()
    codes, rejected = encode_recordings(codec, DataDir.read(tmp_path), ["a", "b", "c", "d"])
    assert list(codes) == ["a", "d"]
    assert [reco for reco, _ in rejected] == ["b", "c"] and all(reason for _, reason in rejected)
