"""Token archives: exact, windowed, shared with kaldiio, safe against other content, kills and full disks."""

import json
import pickle
import resource
import shutil

import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.data.features import merge
from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.errors import AudiolmError

META = Meta(12.5, (256, 256), "abc")


def write(path, entries, job=1, meta=META, kind="codes"):
    with TokenWriter(path, kind, job, meta) as writer:
        for key, array in entries.items():
            writer.write(key, array)


def tokens(frames, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 2))


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8),
        st.builds(
            lambda frames, streams, seed: np.random.default_rng(seed).integers(0, 70000, (frames, streams)),
            st.integers(1, 300),
            st.just(3),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([70000, 2**31 - 1]),
)
def test_round_trip_here_and_in_kaldiio(tmp_path_factory, entries, vocabulary):
    path = tmp_path_factory.getbasetemp() / "archive"
    write(path, entries, meta=Meta(50, (vocabulary,) * 3, "x"))
    reader, other = TokenReader(path, "codes", "x"), kaldiio.load_scp(str(path / "codes.1.scp"))
    assert reader.keys() == sorted(entries) and len(reader) == len(entries)
    for key, array in entries.items():
        assert reader.read(key).dtype == np.int32 and np.array_equal(reader.read(key), array)
        assert np.array_equal(other[key], array)
        assert reader.num_frames(key) == len(array)
    assert dict(kaldiio.load_ark(str(path / "codes.1.ark"))).keys() == entries.keys()
    shutil.rmtree(path)


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<i8", "|u1"])
def test_what_kaldiio_wrote_is_read(tmp_path, dtype):
    entries = {key: tokens(frames).astype(dtype) for key, frames in (("a", 1), ("b", 400))}
    (tmp_path / "meta.json").write_text(
        '{"kind": "codes", "frame_rate": 12.5, "vocab_sizes": [256, 256], "source": "x"}'
    )
    kaldiio.save_ark(str(tmp_path / "codes.1.ark"), entries, str(tmp_path / "codes.1.scp"), write_function="numpy")
    reader = TokenReader(tmp_path, "codes")
    for key, array in entries.items():
        assert reader.read(key).dtype == array.dtype and np.array_equal(reader.read(key), array)


@given(start=st.integers(0, 100), end=st.none() | st.integers(0, 100))
def test_windows_are_slices(tmp_path_factory, start, end):
    path = tmp_path_factory.getbasetemp() / "windows"
    if not path.exists():
        write(path, {"a": tokens(100)})
    if end is not None and end < start:
        start, end = end, start
    window = TokenReader(path, "codes").read("a", start, end)
    assert window.dtype == np.int16 and np.array_equal(window, tokens(100)[start:end])
    window[:] = 0  # a copy of one's own


@pytest.mark.parametrize(("start", "end"), [(-1, None), (0, 101), (60, 50)])
def test_windows_outside_are_refused(tmp_path, start, end):
    write(tmp_path, {"a": tokens(100)})
    with pytest.raises(AudiolmError, match="'a' has 100 frames, frames .* were asked for"):
        TokenReader(tmp_path, "codes").read("a", start, end)


def test_meta_says_what_the_tokens_are(tmp_path):
    write(tmp_path, {"a": tokens(5)})
    assert json.loads((tmp_path / "meta.json").read_text()) == {
        "kind": "codes",
        "frame_rate": 12.5,
        "vocab_sizes": [256, 256],
        "source": "abc",
    }
    assert TokenReader(tmp_path, "codes").meta == META
    assert Meta(1, (2**15,), "").dtype == np.int16 and Meta(1, (2**15 + 1,), "").dtype == np.int32


@pytest.mark.parametrize(
    ("key", "array", "reason"),
    [
        ("a", tokens(3), "key 'a' repeats"),
        ("b c", tokens(3), "key 'b c' has blanks or is empty"),
        ("", tokens(3), "has blanks or is empty"),
        ("b", tokens(0), "shape (0, 2), expected [frames >= 1, 2]"),
        ("b", tokens(3)[:, :1], "shape (3, 1)"),
        ("b", tokens(3) + 0.0, "holds float64, expected integers"),
        ("b", tokens(3) * 0 + 256, "expected 0 <= token < [256, 256]"),
        ("b", tokens(3) * 0 - 1, "expected 0 <= token"),
    ],
)
def test_what_is_no_entry_is_refused(tmp_path, key, array, reason):
    with TokenWriter(tmp_path, "codes", 1, META) as writer:
        writer.write("a", tokens(3))
        with pytest.raises(AudiolmError) as error:
            writer.write(key, array)
    assert reason in str(error.value)
    assert TokenReader(tmp_path, "codes").keys() == ["a"]


def test_another_source_kind_or_no_archive(tmp_path):
    write(tmp_path, {"a": tokens(5)})
    with pytest.raises(AudiolmError, match="tokens were made by abc, the model in use is xyz; run the stage"):
        TokenReader(tmp_path, "codes", "xyz")
    with pytest.raises(AudiolmError, match="describes 'codes', expected 'text'"):
        TokenReader(tmp_path, "text")
    with pytest.raises(AudiolmError, match="cannot read .*meta.json: No such file"):
        TokenReader(tmp_path / "nowhere", "codes")
    (tmp_path / "codes.1.scp").unlink()
    with pytest.raises(AudiolmError, match="no codes.<job>.scp in"):
        TokenReader(tmp_path, "codes")
    (tmp_path / "meta.json").write_text("[]")
    with pytest.raises(AudiolmError, match="is not the description of an archive"):
        TokenReader(tmp_path, "codes")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (b"PKL" + pickle.dumps([1]), "is not an .npy matrix"),
        (b"\0B\4", "is not an .npy matrix"),
        (b"NPY\1\x0aXXXXXXXXXX", "has no .npy header"),
        (b"NPY\1\x7f\x93NUMPY\1\0\x76\0{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", "holds {'descr'"),
    ],
)
def test_nothing_but_integer_matrices_is_parsed(tmp_path, entry, reason):
    write(tmp_path, {"a": tokens(5)})
    (tmp_path / "codes.1.ark").write_bytes(b"a " + entry + b" " * 200)
    (tmp_path / "codes.1.scp").write_text("a codes.1.ark:2\n")
    with pytest.raises(AudiolmError, match="entry 'a' at byte 2") as error:
        TokenReader(tmp_path, "codes").read("a")
    assert reason in str(error.value)


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.zeros(3, int), np.asfortranarray(np.zeros((2, 3), int))])
def test_other_numpy_arrays_are_refused(tmp_path, array):
    write(tmp_path, {"a": tokens(5)})
    kaldiio.save_ark(str(tmp_path / "codes.1.ark"), {"a": array}, str(tmp_path / "codes.1.scp"), write_function="numpy")
    with pytest.raises(AudiolmError, match="expected a row-major matrix of integers"):
        TokenReader(tmp_path, "codes").read("a")


@given(cut=st.integers(1, 600))
@settings(max_examples=40)
def test_a_cut_archive_never_gives_wrong_tokens(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "cut"
    write(path, {"a": tokens(20), "b": tokens(20, 1)})
    content = (path / "codes.1.ark").read_bytes()
    (path / "codes.1.ark").write_bytes(content[: max(1, len(content) - cut)])
    reader = TokenReader(path, "codes")
    for seed, key in enumerate("ab"):
        try:
            assert np.array_equal(reader.read(key), tokens(20, seed))
        except AudiolmError:
            assert key == "b" or cut > len(content) // 2


def test_scp_and_archive_of_different_runs(tmp_path):
    write(tmp_path / "old", {"a": tokens(5), "b": tokens(5)})
    write(tmp_path / "new", {"b": tokens(5), "a": tokens(6)})
    shutil.copy(tmp_path / "old/codes.1.scp", tmp_path / "new/codes.1.scp")
    with pytest.raises(AudiolmError, match="archive and scp are of different runs"):
        TokenReader(tmp_path / "new", "codes").read("a")


def test_directories_can_be_moved_and_readers_sent_to_workers(tmp_path):
    write(tmp_path / "here", {"a": tokens(5)})
    (tmp_path / "here").rename(tmp_path / "there")
    reader = TokenReader(tmp_path / "there", "codes")
    assert np.array_equal(reader.read("a"), tokens(5))
    assert np.array_equal(pickle.loads(pickle.dumps(reader)).read("a"), tokens(5))


def test_an_interrupted_part_leaves_the_earlier_one(tmp_path):
    write(tmp_path, {"a": tokens(5)})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt), TokenWriter(tmp_path, "codes", 1, META) as writer:
        writer.write("b", tokens(5))
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_full_disk_keeps_the_complete_entries(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4800, hard))
    try:
        with pytest.raises(
            AudiolmError, match="cannot write 'k08' to .*: File too large; 8 entries before it are kept"
        ):
            write(tmp_path, {f"k{n:02d}": tokens(100, n) for n in range(20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    reader = TokenReader(tmp_path, "codes")
    assert len(reader) == 8
    for n in range(8):
        assert np.array_equal(reader.read(f"k{n:02d}"), tokens(100, n))
    assert len(dict(kaldiio.load_ark(str(tmp_path / "codes.1.ark")))) == 8
    write(tmp_path, {f"k{n:02d}": tokens(100, n) for n in range(20)})
    assert len(TokenReader(tmp_path, "codes")) == 20


def test_parts_of_another_source_go(tmp_path):
    for job in (1, 2):
        write(tmp_path, {f"old{job}": tokens(5)}, job)
    write(tmp_path, {"new": tokens(5)}, 1, Meta(12.5, (256, 256), "def"))
    assert TokenReader(tmp_path, "codes", "def").keys() == ["new"]
    slow = TokenWriter(tmp_path, "codes", 2, Meta(12.5, (256, 256), "def"))
    write(tmp_path, {"newer": tokens(5)}, 1, Meta(12.5, (256, 256), "ghi"))
    with pytest.raises(AudiolmError, match="meta.json was changed while .* was written"):
        slow.close()


def test_parts_are_merged_and_those_of_a_wider_array_removed(tmp_path):
    for job in (1, 2, 3):
        write(tmp_path, {f"k{job}": tokens(5, job)}, job)
    write(tmp_path, {"k1": tokens(5, 1), "k2": tokens(5, 2)}, 1)
    with pytest.raises(AudiolmError, match="'k2' is in .* and in .*: parts of runs with different --num_jobs"):
        TokenReader(tmp_path, "codes")
    write(tmp_path, {"k3": tokens(5, 3)}, 2)
    assert merge(tmp_path, "codes", 2) == 3
    joined = kaldiio.load_scp(str(tmp_path / "codes.scp"))
    assert [np.array_equal(joined[f"k{n}"], tokens(5, n)) for n in (1, 2, 3)] == [True] * 3
    assert not (tmp_path / "codes.3.ark").exists() and TokenReader(tmp_path, "codes").keys() == ["k1", "k2", "k3"]
    write(tmp_path, {"k1": tokens(5, 1)}, 1)
    assert not (tmp_path / "codes.scp").exists()  # it would point into the part before
