"""DataDir: exact round trips, strict reading, whole files, channels and audio paths."""

import os
import subprocess
import sys

import numpy as np
import pytest
from directories import contents, directories
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.data import audio
from audiolm.data.datadir import DataDir, share
from audiolm.data.tables import Segment, Turn, Word
from audiolm.errors import AudiolmError


@settings(max_examples=50)
@given(data=directories())
def test_round_trip(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "round"
    data.write(path)
    again = DataDir.read(path)
    assert contents(again) == contents(data)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    again.write(path)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@settings(max_examples=20)
@given(data=directories())
def test_files_are_in_the_order_of_sort(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "sorted"
    data.write(path)
    for name in ("wav.scp", "segments", "text", "utt2spk", "spk2utt"):
        if (path / name).exists():
            keys = [line.split(b" ")[0] for line in (path / name).read_bytes().splitlines()]
            assert keys == sorted(keys)


def test_writing_again_removes_tables_that_are_empty_now(tmp_path):
    data = DataDir(wav={"a": "/a.wav"}, text={"a": "x"}, rttm=[Turn("a", "1", 0, 1, "s")])
    data.write(tmp_path)
    data.text, data.rttm = {}, []
    data.write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["wav.scp"]


def write(path, **files):
    path.mkdir(exist_ok=True)
    for name, content in {"wav_scp": "a a.wav\nb b.wav\n", **files}.items():
        (path / name.replace("_scp", ".scp")).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("wav_scp", "a x\na y\n", "wav.scp:2: duplicate id 'a'"),
        ("wav_scp", "b x\na y\n", "wav.scp:2: 'a' comes after 'b'"),
        ("wav_scp", b"a x\n\xe9 y\n", "wav.scp:2: not UTF-8 (byte 0xe9)"),
        ("wav_scp", "a sph2pipe a.sph |\n", "wav.scp:1: 'a' is a pipe, which runs a shell; expected an audio file (or"),
        ("wav_scp", ";;a x\n", "wav.scp:1: ';;a' would be a comment in a ctm; name it otherwise; utils/fix"),
        ("wav_scp", "", "wav.scp is empty"),
        (
            "text",
            "a yes\ra no\n",
            "text:1: has a carriage return inside, expected line feeds at the",
        ),
        ("text", "\ufeffa yes\n", "text:1: begins with a byte-order mark; write UTF-8 without it; utils/fix_data_dir"),
        ("text", "a yes\n".encode("utf-16"), "text is UTF-16, expected UTF-8; convert it with 'iconv -f UTF-16"),
        ("text", "", "text is empty"),
        ("text", "a\n", "text:1: found 'a', expected '<utterance> <transcript>'"),
        ("utt2spk", "a spk one\n", "utt2spk:1: found 'a spk one'"),
        ("segments", "u a 3 2\n", "segments:1: 'u' goes from 3.00 to 2.00 s"),
        ("reco2file_and_channel", "a f A\nb f 1\n", "'b' is channel 1 of 'f', which 'a' is already"),
        ("reco2file_and_channel", "a f left\n", "expected '<recording> <file> <channel"),
        ("reco2dur", "a 0\n", "'a' lasts '0', expected a number of seconds above 0"),
    ],
)
def test_bad_tables_give_one_line(tmp_path, name, content, reason):
    write(tmp_path, **{name: content})
    with pytest.raises(AudiolmError) as error:
        DataDir.read(tmp_path)
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_missing_directory_and_wav_scp(tmp_path):
    with pytest.raises(AudiolmError, match="no data directory .*nowhere"):
        DataDir.read(tmp_path / "nowhere")
    with pytest.raises(AudiolmError, match="cannot read .*wav.scp: No such file"):
        DataDir.read(tmp_path)


def test_pipes_are_read_when_allowed(tmp_path):
    write(tmp_path, wav_scp="a cat x.wav |\n")
    assert DataDir.read(tmp_path, allow_pipes=True).wav == {"a": "cat x.wav |"}


@pytest.mark.parametrize(
    "data",
    [
        DataDir(wav={"a b": "x.wav"}),
        DataDir(wav={"": "x.wav"}),
        DataDir(wav={"a": "x.wav"}, text={"a": "two\nlines"}),
        DataDir(wav={"a": "x.wav"}, text={"a": " "}),
        DataDir(wav={"a": os.fsdecode(b"\xff.wav")}),
    ],
)
def test_what_no_line_can_hold_is_refused(tmp_path, data):
    with pytest.raises(AudiolmError, match="cannot write"):
        data.write(tmp_path)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_turns_and_words_of_recordings(tmp_path):
    data = DataDir(
        wav={"d-A": "d.wav", "d-B": "d.wav", "e": "e.wav"},
        reco2file_and_channel={"d-A": ("d", "A"), "d-B": ("d", "B")},
        ctm=[Word("e", "1", 2, 1, "late"), Word("d", "B", 0, 1, "b"), Word("e", "A", 1, 1, "early")],
        rttm=[Turn("d", "1", 0, 1, "s")],
    )
    assert {reco: [word.word for word in words] for reco, words in data.words().items()} == {
        "d-A": [],
        "d-B": ["b"],
        "e": ["early", "late"],
    }
    assert data.turns()["d-A"] == data.rttm
    data.ctm.append(Word("f", "A", 0, 1, "x"))
    with pytest.raises(AudiolmError, match="word at 0.00 s of file 'f' channel 'A': no recording of"):
        data.words()
    data.wav["d"] = "x.wav"
    with pytest.raises(AudiolmError, match="'d' and 'd-A' are both channel 'A' of 'd'"):
        data.turns()


def test_utterances_and_their_places():
    whole = DataDir(wav={"b": "", "a": ""}, reco2dur={"a": 2.0})
    assert whole.utts == ["a", "b"] and whole.place("a") == Segment("a", 0.0, 2.0)
    parts = DataDir(wav={"a": ""}, segments={"u": Segment("a", 1, 2)}, utt2spk={"u": "s"})
    assert parts.utts == ["u"] and parts.place("u") == Segment("a", 1, 2) and parts.spk2utt() == {"s": ["u"]}


def test_relative_paths_are_of_the_current_directory_then_of_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", wav_scp="here a.wav\nlost none.wav\nthere b.wav\n")
    audio.write(tmp_path / "a.wav", np.zeros(800), 8000)
    audio.write(tmp_path / "data" / "b.wav", np.zeros(1600), 8000)
    data = DataDir.read("data")
    assert data.wav_path("here") == "a.wav" and data.duration("here") == 0.1 and data.duration("there") == 0.2
    data.write("elsewhere")
    assert DataDir.read("elsewhere").wav == {
        "here": "a.wav",
        "lost": "none.wav",
        "there": str(tmp_path / "data" / "b.wav"),
    }


def test_channels_are_picked(tmp_path):
    audio.write(tmp_path / "d.wav", np.stack([np.full(800, 0.25), np.full(800, -0.25)], axis=1), 8000)
    write(tmp_path, wav_scp=f"d-A {tmp_path}/d.wav\nd-B {tmp_path}/d.wav\nx {tmp_path}/d.wav\n")
    (tmp_path / "reco2file_and_channel").write_text("d-A d A\nd-B d B\n")
    data = DataDir.read(tmp_path)
    assert data.audio("d-A").max() == 0.25 and data.audio("d-B", start=0.05).max() == -0.25
    with pytest.raises(AudiolmError, match="2 channels, expected one, or a line in reco2file_and_channel"):
        data.audio("x")
    with pytest.raises(AudiolmError, match="no recording 'y'"):
        data.audio("y")


@given(ids=st.lists(st.text(), unique=True), num_jobs=st.integers(1, 9))
def test_shares_are_contiguous_blocks_that_cover_all(ids, num_jobs):
    shares = [share(ids, job, num_jobs) for job in range(1, num_jobs + 1)]
    assert sum(shares, []) == sorted(ids)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("job", [0, 3])
def test_share_of_no_job(job):
    with pytest.raises(AudiolmError, match=f"job {job} of 2"):
        share(["a"], job, 2)


def test_tables_import_neither_torch_nor_numpy():
    probe = "import audiolm.data.datadir, audiolm.data.validate, sys; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("corpus", ["fsdd", "telephone_clip", "ami_clips", "librispeech_test_other"])
def test_real_directories_round_trip(shared_data, tmp_path, corpus):
    data = DataDir.read(shared_data / corpus)
    data.write(tmp_path)
    again = DataDir.read(tmp_path)
    assert {**contents(again), "wav": None} == {**contents(data), "wav": None}
    for reco in data.recos[:3]:
        assert np.array_equal(again.audio(reco), data.audio(reco))
