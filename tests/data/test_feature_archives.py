"""Archives of features: exact as stored, windowed, shared with kaldiio, told apart from tokens."""

import kaldiio
import numpy as np
import pytest

from audiolm.data.features import FeatureMeta, FeatureReader, FeatureWriter, merge, open_archive
from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.errors import AudiolmError

META = FeatureMeta(50, 3, "toy", "abc")


def write(path, entries, job=1, meta=META):
    with FeatureWriter(path, "toy", job, meta) as writer:
        for key, array in entries.items():
            writer.write(key, array)


def features(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 3)).astype(np.float32)


@pytest.mark.parametrize("store", ["float16", "float32"])
def test_round_trip_here_and_in_kaldiio(tmp_path, store):
    entries = {"a": features(1), "b": features(200, 1)}
    write(tmp_path, entries, meta=FeatureMeta(50, 3, "toy", "abc", store))
    reader, other = FeatureReader(tmp_path, "toy", "abc"), kaldiio.load_scp(str(tmp_path / "toy.1.scp"))
    for key, array in entries.items():
        assert np.array_equal(reader.read(key), array.astype(store)) and reader.read(key).dtype == store
        assert np.array_equal(other[key], array.astype(store))
    assert np.array_equal(reader.read("b", 20, 30), entries["b"][20:30].astype(store))


def test_parts_are_joined_and_either_sort_is_opened_by_its_description(tmp_path):
    write(tmp_path / "f", {"a": features(2)})
    write(tmp_path / "f", {"b": features(2)}, job=2)
    with TokenWriter(tmp_path / "t", "units", 1, Meta(25, (5,), "x")) as writer:
        writer.write("a", np.zeros((2, 1), int))
    assert merge(tmp_path / "f", "toy", 1) == 1 and merge(tmp_path / "t", "units", 1) == 1
    assert isinstance(open_archive(tmp_path / "f", "toy"), FeatureReader)
    assert isinstance(open_archive(tmp_path / "t", "units"), TokenReader)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 4), np.float32), r"shape \(2, 4\), expected \[frames >= 1, 3\]"),
        (np.zeros((0, 3), np.float32), r"shape \(0, 3\)"),
        (np.zeros((2, 3), np.int64), "holds int64, expected floats"),
        (np.array([[0, 0, 0], [0, 7e4, 0]]), "holds 70000.0 in frame 1, which is not finite as float16"),
        (np.array([[0, np.nan, 0]]), "holds nan in frame 0"),
    ],
)
def test_what_may_not_be_written(tmp_path, array, words):
    with pytest.raises(AudiolmError, match=words):
        write(tmp_path, {"a": array})


def test_faults_of_archives_are_named(tmp_path):
    write(tmp_path, {"a": features(2)})
    with pytest.raises(AudiolmError, match="'toy' features were made by abc, the model in use is xyz"):
        FeatureReader(tmp_path, "toy", "xyz")
    with pytest.raises(AudiolmError, match="not the description of an archive of tokens"):
        TokenReader(tmp_path, "toy")
    with TokenWriter(tmp_path / "t", "toy", 1, Meta(50, (5, 5, 5), "abc")) as writer:
        writer.write("a", np.zeros((2, 3), int))
    (tmp_path / "toy.1.ark").write_bytes((tmp_path / "t/toy.1.ark").read_bytes())
    with pytest.raises(AudiolmError, match="expected a row-major matrix of floats"):
        FeatureReader(tmp_path, "toy").read("a")
