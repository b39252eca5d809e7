"""Shares of a data directory: together they are the whole, files stay together, and the rest is not read."""

import tracemalloc

import pytest
from directories import contents, directories
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.data.datadir import DataDir
from audiolm.data.shares import read_share
from audiolm.data.tables import Segment, Word
from audiolm.data.tools import select
from audiolm.errors import AudiolmError


@settings(max_examples=60)
@given(data=directories(), num_jobs=st.integers(1, 5))
def test_shares_are_the_whole_and_each_what_concerns_its_files(tmp_path_factory, data, num_jobs):
    path = tmp_path_factory.getbasetemp() / "shared"
    data.write(path)
    whole = DataDir.read(path)
    shares = [read_share(path, job, num_jobs) for job in range(1, num_jobs + 1)]
    assert sorted(reco for share in shares for reco in share.recos) == whole.recos
    assert sorted(utt for share in shares for utt in share.utts) == whole.utts
    files = [{share.file_and_channel(reco)[0] for reco in share.wav} for share in shares]
    assert sum(map(len, files)) == len(set().union(*files))
    for share in shares:
        assert contents(share) == contents(select(whole, recos=share.wav))
        assert share.words().keys() == share.turns().keys() == share.wav.keys()


def test_a_file_goes_to_the_job_of_its_first_channel(tmp_path):
    """Also where its channels are far apart, and where a recording that the table lacks is a file of its own."""
    listed = {"A-1": ("1", "A"), "A-2": ("2", "A"), "B-1": ("1", "B"), "B-2": ("2", "B"), "z": ("own", "B")}
    DataDir(wav=dict.fromkeys([*listed, "own"], "/x.wav"), reco2file_and_channel=listed).write(tmp_path)
    assert [read_share(tmp_path, job, 3).recos for job in (1, 2, 3)] == [["A-1", "A-2", "B-1", "B-2"], [], ["own", "z"]]


def test_silent_recordings_of_a_segmented_set_have_no_utterances(tmp_path):
    DataDir(wav={"a": "/a", "b": "/b"}, segments={"u": Segment("a", 0, 1)}, ctm=[Word("a", "1", 0, 1, "w")]).write(
        tmp_path
    )
    share = read_share(tmp_path, 2, 2)
    assert share.recos == ["b"] and share.utts == [] and share.words() == {"b": []}


def test_more_jobs_than_recordings_and_jobs_that_are_none(tmp_path):
    DataDir(wav={"a": "/a"}).write(tmp_path)
    assert [read_share(tmp_path, job, 3).recos for job in (1, 2, 3)] == [[], [], ["a"]]
    with pytest.raises(AudiolmError, match="job 4 of 3, expected 1 <= job <= num_jobs"):
        read_share(tmp_path, 4, 3)
    with pytest.raises(AudiolmError, match="no data directory .*nowhere"):
        read_share(tmp_path / "nowhere", 1, 2)
    (tmp_path / "wav.scp").write_text("")
    with pytest.raises(AudiolmError, match="wav.scp is empty"):
        read_share(tmp_path, 1, 2)


def test_faults_of_a_share_are_named_by_their_line(tmp_path):
    (tmp_path / "wav.scp").write_text("a /a\nb /b\nc /c\nd /d\n")
    (tmp_path / "reco2dur").write_text("a 1\nb 1\nc 1\nd none\n")
    assert read_share(tmp_path, 1, 2).reco2dur == {"a": 1.0, "b": 1.0}
    with pytest.raises(AudiolmError, match="reco2dur:4: 'd' lasts 'none', expected a number of seconds above 0"):
        read_share(tmp_path, 2, 2)


def test_memory_of_a_share_does_not_grow_with_the_set(tmp_path):
    peaks = []
    for count in (1_000, 20_000):
        recos = [f"r{n:06d}" for n in range(count)]
        DataDir(
            wav={reco: f"/corpus/{reco}.flac" for reco in recos},
            reco2file_and_channel={reco: (reco[:-1], "ABCDEFGHIJ"[int(reco[-1])]) for reco in recos},
            segments={f"{reco}-1": Segment(reco, 1, 2) for reco in recos},
            text={f"{reco}-1": "what is said" for reco in recos},
            ctm=[Word(reco[:-1], "ABCDEFGHIJ"[int(reco[-1])], 1, 1, "said") for reco in recos],
        ).write(tmp_path)
        tracemalloc.start()
        assert len(read_share(tmp_path, 2, count // 100).ctm) == 100
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
