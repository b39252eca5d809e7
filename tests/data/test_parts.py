"""Parts of array jobs joined: all of each kind, nothing lost without a reason, too much loss refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.commands.main import main
from audiolm.data import parts
from audiolm.data.datadir import DataDir
from audiolm.data.features import FeatureMeta, FeatureWriter
from audiolm.data.tables import WORD_ORDER, Segment, Word, iter_ctm, read_ctm, write_ctm
from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.errors import AudiolmError


@pytest.fixture
def work(tmp_path):
    """A set of two two-channel calls, as stage 2 leaves it."""
    recos = {f"call{call}-{channel}": (f"call{call}", channel) for call in "12" for channel in "AB"}
    DataDir(
        wav={reco: f"/audio/{reco}.flac" for reco in recos},
        reco2file_and_channel=recos,
        segments={f"spk-{reco}-{n}": Segment(reco, n, n + 1) for reco in recos for n in (0, 1)},
    ).write(tmp_path / "dump/dev/audio")
    return tmp_path


def put(work, kind, **files):
    directory = work / "dump/dev" / kind
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


def test_tables_are_joined_and_stale_parts_go(work):
    put(work, "align", ctm__1="call1 A 0.10 0.20 one 1.00\ncall1 B 0.30 0.20 two 1.00\n", rejected__1__tsv="")
    put(work, "align", ctm__2="call2 A 0.10 0.20 three 1.00\n", rejected__2__tsv="call2-B\tno words\n", ctm__3="stale")
    (count,) = parts.join(work, "dev", "align", 2)
    assert (count.what, count.inputs, count.rejected) == ("recordings", 4, 1)
    directory = work / "dump/dev/align"
    assert [word.word for word in read_ctm(directory / "ctm")] == ["one", "two", "three"]
    assert (directory / "rejected.tsv").read_text() == "call2-B\tno words\n"
    assert not (directory / "ctm.3").exists()
    before = (directory / "ctm").read_text()
    parts.join(work, "dev", "align", 2)  # after an interruption it is joined again
    assert (directory / "ctm").read_text() == before


@settings(max_examples=50)
@given(files=st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9))), max_size=5))
def test_merged_files_are_in_order_and_whole(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("merged")
    for number, own in enumerate(files):
        write_ctm(folder / str(number), [Word(file, "A", float(start), 0.5, f"w{number}") for file, start in own])
    found = list(parts.merged([folder / str(number) for number in range(len(files))], iter_ctm, WORD_ORDER))
    everything = [word for number in range(len(files)) for word in read_ctm(folder / str(number))]
    assert found == sorted(everything, key=WORD_ORDER)


def test_rejected_utterances_count_against_utterances(work):
    turns = "".join(f"SPEAKER call{c} {n} 0.5 1.0 <NA> <NA> s <NA> <NA>\n" for c in "12" for n in "12")
    put(work, "diarize", rttm__1=turns, rejected__1__tsv="spk-call1-A-0\tthe words do not fit\n")
    (count,) = parts.join(work, "dev", "diarize", 1)
    assert (count.what, count.inputs, count.rejected) == ("utterances", 8, 1)


def test_a_recording_of_which_a_stretch_is_left_out_is_not_rejected(work):
    named = "call1-A\tleft out: a loop, from 2.00 to 3.00 s\ncall1-A\tleft out: a guess, from 5.00 to 6.00 s\n"
    ctm = "".join(f"call{c} {channel} 0.10 0.20 one 1.00\n" for c in "12" for channel in "AB")
    put(work, "align", ctm__1=ctm, rejected__1__tsv=named)
    (count,) = parts.join(work, "dev", "align", 1)
    assert (count.what, count.inputs, count.rejected) == ("recordings", 4, 0)
    assert sorted((work / "dump/dev/align/rejected.tsv").read_text()) == sorted(named)
    put(work, "align", rejected__1__tsv=named + "spk-call1-A-1\tno transcript in text\n")
    (count,) = parts.join(work, "dev", "align", 1)
    assert (count.what, count.inputs, count.rejected) == ("utterances", 8, 1)


def test_what_is_lost_is_named(work):
    put(work, "align", ctm__1="call1 A 0.10 0.20 one 1.00\n", rejected__1__tsv="")
    with pytest.raises(
        AudiolmError, match=r"recording 'call1-B' .* is neither in .* nor in its rejected.tsv \(3 such\)"
    ):
        parts.join(work, "dev", "align", 1)
    with pytest.raises(AudiolmError, match="job 2 of 2 has not finished"):
        parts.join(work, "dev", "align", 2)


def test_archives_are_joined(work):
    for job, recos in ((1, ("call1-A", "call1-B")), (2, ("call2-A", "call2-B"))):
        with TokenWriter(work / "dump/dev/codes", "codes", job, Meta(12.5, (8, 8), "abc")) as writer:
            for reco in recos:
                writer.write(reco, np.full((3, 2), job))
        put(work, "codes", **{f"rejected__{job}__tsv": ""})
    (count,) = parts.join(work, "dev", "codes", 2)
    assert (count.inputs, count.rejected) == (4, 0)
    assert len(TokenReader(work / "dump/dev/codes", "codes")) == 4
    assert len((work / "dump/dev/codes/codes.scp").read_text().splitlines()) == 4


def test_an_archive_of_any_name_is_joined(work, capsys):
    with FeatureWriter(work / "dump/dev/beats", "beats", 1, FeatureMeta(50, 2, "toy", "abc")) as writer:
        for reco in ("call1-A", "call1-B", "call2-A"):
            writer.write(reco, np.zeros((5, 2), np.float32))
    put(work, "beats", rejected__1__tsv="call2-B\tno sound\n")
    given = ["merge", "--dir", str(work), "--sets", "dev", "--kind", "beats", "--num_jobs", "1"]
    assert main([*given, "--max_rejected", "30%"]) == 0
    assert "dev: 1 of 4 recordings rejected" in capsys.readouterr().out
    assert (work / "dump/dev/beats/beats.scp").read_text().count("\n") == 3


def test_the_command_stops_at_too_many_rejected(work, capsys):
    put(work, "align", ctm__1="call1 A 0 1 one 1\ncall1 B 0 1 one 1\ncall2 A 0 1 one 1\n")
    put(work, "align", rejected__1__tsv="call2-B\tno words\n")
    merge = ["merge", "--dir", str(work), "--sets", "dev", "--kind", "align", "--num_jobs", "1", "--max_rejected"]
    assert main([*merge, "25%"]) == 0
    assert "dev: 1 of 4 recordings rejected, see" in capsys.readouterr().out
    assert main([*merge, "0.2"]) == 1
    said = "1 of 4 recordings were rejected, more than 20.0% (the first: call2-B: no words); read rejected.tsv"
    assert said in capsys.readouterr().err
    assert main([*merge, "lots"]) == 1 and "--max_rejected lots: expected a share" in capsys.readouterr().err
    assert main([*merge[:-4], "aligne", *merge[-3:], "1%"]) == 1
    assert "--kind aligne: no array verb of that name; did you mean 'align'?" in capsys.readouterr().err


@pytest.mark.parametrize(("second", "left"), [("call2-B\tno words\n", ["1"]), (None, [])])
def test_a_refusal_takes_the_done_marks_of_the_jobs_to_do_again(work, second, left):
    put(work, "align", ctm__1="call1 A 0.10 0.20 one 1.00\ncall1 B 0.30 0.20 two 1.00\n", rejected__1__tsv="")
    put(work, "align", ctm__2="call2 A 0.10 0.20 three 1.00\n")
    if second:  # else the job's part is gone
        put(work, "align", rejected__2__tsv=second)
    (work / "log").mkdir()
    for job in "12":
        (work / f"log/align.dev.{job}.done").touch()
    merge = ["merge", "--dir", str(work), "--sets", "dev", "--kind", "align", "--num_jobs", "2"]
    merge += ["--log", f"{work}/log/align.dev.JOB.log", "--max_rejected"]
    if second:
        assert main([*merge, "50%"]) == 0 and len(list(work.glob("log/*.done"))) == 2
    assert main([*merge, "1%"]) == 1
    assert [path.name.split(".")[2] for path in work.glob("log/*.done")] == left
