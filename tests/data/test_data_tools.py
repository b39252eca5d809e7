"""examine, fix, split, subset, combine: what they promise, for any sound directory and for each kind of fault."""

import subprocess
import sys

import numpy as np
import pytest
from directories import contents, directories
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.split import split
from audiolm.data.tables import Segment
from audiolm.data.tools import combine, fix, rejections, select, subset
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError


@settings(max_examples=40)
@given(data=directories())
def test_sound_directories_validate_and_are_left_alone(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "sound"
    data.write(path)
    found = examine(path)
    assert found.problems == [] and contents(found.sound) == contents(data)
    assert found.counts["recordings"] == len(data.wav) and found.counts["words"] == len(data.ctm)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert fix(path) == []
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@settings(max_examples=60)
@given(data=directories(), choose=st.data())
def test_fix_names_what_it_drops_and_its_output_validates(tmp_path_factory, data, choose):
    path = tmp_path_factory.mktemp("broken")
    data.write(path)
    for name in choose.draw(st.sets(st.sampled_from(sorted(file.name for file in path.iterdir())))):
        lines = (path / name).read_bytes().splitlines()
        lines = choose.draw(st.permutations(lines)) if choose.draw(st.booleans()) else lines
        junk = choose.draw(st.lists(st.sampled_from([b"", b"\xff x", b"nobody 1", b"m 1 9 9 w", *lines]), max_size=2))
        (path / name).write_bytes(b"\n".join([*lines[choose.draw(st.integers(0, 1)) :], *junk, b""]))
    try:
        found = examine(path)
    except AudiolmError as error:
        assert "nothing sound" in str(error) or "wav.scp is empty" in str(error)
        return
    problems = fix(path)
    assert problems == found.problems
    assert examine(path).problems == []
    DataDir.read(path).words()
    if problems:
        assert len(rejections(path / "rejected.tsv")) == len(found.rejected)
        assert (path / ".backup" / "wav.scp").is_file()
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    assert fix(path) == []
    assert {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()} == before


def parts_of(data, folder, count, per_utt=False):
    """The directory split on disk, and its parts read again."""
    data.write(folder)
    split(folder, folder / "split", count, per_utt)
    return [DataDir.read(folder / "split" / str(number)) for number in range(1, count + 1)]


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@settings(max_examples=60)
@given(data=directories(min_speakers=2), choose=st.data())
def test_combining_what_was_split_gives_the_whole(tmp_path_factory, data, choose):
    per_utt = choose.draw(st.booleans())
    most = len(data.utts) if per_utt else len(set(data.utt2spk.values()))
    folder = tmp_path_factory.mktemp("whole")
    parts = parts_of(data, folder, choose.draw(st.integers(1, most)), per_utt)
    assert all(part.utts for part in parts)
    if data.segments:
        assert sorted(utt for part in parts for utt in part.segments) == data.utts
    if not per_utt:
        speakers = [set(part.utt2spk.values()) for part in parts]
        assert sum(map(len, speakers)) == len(set().union(*speakers))
    assert contents(combine(parts)) == contents(data)
    for part in parts:  # each holds, byte for byte, what selecting its utterances and recordings gives
        utts = part.utts if data.segments else part.utt2spk
        select(data, utts, part.wav).write(folder / "expected")
        assert files(part.path) == files(folder / "expected")


@settings(max_examples=40)
@given(data=directories(), choose=st.data())
def test_subsets_have_as_many_as_asked_and_validate(tmp_path_factory, data, choose):
    count = choose.draw(st.integers(1, len(data.utts)))
    how = choose.draw(st.sampled_from(["spread", "first", "last", "shortest"]))
    part = subset(data, count, how)
    assert len(part.utts) == count and set(part.utts) <= set(data.utts)
    path = tmp_path_factory.getbasetemp() / "subset"
    part.write(path)
    assert examine(path).problems == []
    assert subset(data, len(data.utts), how).utts == data.utts


@pytest.fixture
def calls():
    """Two speakers with 3 and 5 utterances."""
    utts = [f"{speaker}-{n}" for speaker, count in (("a", 3), ("b", 5)) for n in range(count)]
    return DataDir(wav={utt: f"/{utt}.wav" for utt in utts}, utt2spk={utt: utt[0] for utt in utts}, path="calls")


def test_subsets_by_hand(calls):
    assert subset(calls, 2, "first").utts == ["a-0", "a-1"]
    assert subset(calls, 2, "last").utts == ["b-3", "b-4"]
    assert subset(calls, 4).utts == ["a-0", "a-2", "b-1", "b-3"]
    assert subset(calls, 2, "per_spk").utts == ["a-0", "a-1", "b-0", "b-2"]
    assert {utt[0] for utt in subset(calls, 3, "speakers", seed=1).utts} in ({"a"}, {"b"})
    assert len(subset(calls, 6, "speakers").utts) == 8
    assert subset(calls, utts=["b-0"]).utts == ["b-0"] and len(subset(calls, spks=["a"]).utts) == 3
    with pytest.raises(AudiolmError, match="calls has 8 utterances, 9 were asked for"):
        subset(calls, 9)
    with pytest.raises(AudiolmError, match=r"no utterance or speaker 'c-0' \(1 are missing\)"):
        subset(calls, utts=["a-0", "c-0"])


def test_split_balances_and_refuses_more_parts_than_speakers(calls, tmp_path):
    assert [len(part.utts) for part in parts_of(calls, tmp_path / "calls", 2)] == [3, 5]
    assert [len(part.utts) for part in parts_of(calls, tmp_path / "calls", 3, per_utt=True)] == [3, 2, 3]
    with pytest.raises(AudiolmError, match="cannot split .*calls into 3 parts: it has 2 speakers; .*--per_utt"):
        parts_of(calls, tmp_path / "calls", 3)


def test_silent_recordings_stay_with_their_neighbour(tmp_path):
    data = DataDir(
        wav={"d1-A": "1", "d1-B": "1", "d2-A": "2", "d2-B": "2"},
        segments={"a": Segment("d1-A", 0, 1), "b": Segment("d2-B", 0, 1)},
    )
    assert [part.recos for part in parts_of(data, tmp_path, 2)] == [["d1-A", "d1-B", "d2-A"], ["d2-B"]]


def test_what_a_fault_interrupts_is_no_data_directory(calls, tmp_path):
    parts = parts_of(calls, tmp_path, 2)
    (tmp_path / "text").write_text("a-0 one\na-0 two\n")
    with pytest.raises(AudiolmError, match="text:2: duplicate id 'a-0'"):
        split(tmp_path, tmp_path / "split", 2)
    assert not (parts[0].path / "wav.scp").exists()
    (tmp_path / "text").unlink()
    split(tmp_path, tmp_path / "split", 2)
    assert [DataDir.read(part.path).utts for part in parts] == [part.utts for part in parts]
    (tmp_path / "wav.scp").unlink()
    with pytest.raises(AudiolmError, match="cannot read .*wav.scp: No such file"):
        split(tmp_path, tmp_path / "split", 2)


def test_split_puts_words_and_turns_in_order(calls, tmp_path):
    calls.write(tmp_path)
    words = [f"{utt} 1 0.10 0.20 w 1.00\n" for utt in calls.utts]
    (tmp_path / "ctm").write_text("".join(reversed(words)))
    split(tmp_path, tmp_path / "split", 2)
    assert [(tmp_path / f"split/{part}/ctm").read_text() for part in (1, 2)] == ["".join(words[:3]), "".join(words[3:])]


def test_combine_refuses_contradictions_and_segments_whole_recordings():
    a = DataDir(wav={"r": "x"}, text={"r": "one"}, reco2dur={"r": 2.0}, path="a")
    b = DataDir(wav={"s": "y"}, segments={"u": Segment("s", 0, 1)}, path="b")
    assert combine([a, b]).segments == {"r": Segment("r", 0.0, 2.0), "u": Segment("s", 0, 1)}
    with pytest.raises(AudiolmError, match="'r' of b/text is something else in a directory before it"):
        combine([a, DataDir(wav={"r": "x"}, text={"r": "two"}, path="b")])
    with pytest.raises(AudiolmError, match="a has no utt2spk"):
        combine([a, DataDir(wav={"t": "x"}, utt2spk={"t": "s"}, path="b")])


FAULTS = {
    "segment beyond the end": ("segments", "s-v d-A 1.00 3.10\n", "'s-v' goes from 1.00 to 3.10 s, the recording ends"),
    "segment of no recording": ("segments", "s-v e 1.00 1.50\n", "'s-v' is in recording 'e', which wav.scp has not"),
    "word beyond the end": ("ctm", "d A 2.60 0.20 late 1.00\n", "word 'late' goes from 2.60 to 2.80 s"),
    "word of no channel": ("ctm", "d B 0.10 0.20 who 1.00\n", "file 'd' channel 'B', which no recording is"),
    "turn beyond the end": ("rttm", "SPEAKER d 1 2.0 9 <NA> <NA> s <NA> <NA>\n", "turn 's' goes from 2.00 to 11.00 s"),
    "transcript of no utterance": ("text", "s-w hello\n", "'s-w' is no utterance of this directory"),
    "empty transcript": ("text", "s-w\n", "found 's-w', expected '<utterance> <transcript>'"),
    "speaker of no utterance": ("utt2spk", "s-w s\n", "'s-w' is no utterance"),
    "recording without audio": ("reco2dur", "e 1.0\n", "'e' is no recording"),
}


@pytest.fixture
def talk(tmp_path):
    """One 2 s recording with an utterance, a word and a turn."""
    (tmp_path / "wav.scp").write_text("d-A /d.wav\n")
    (tmp_path / "reco2file_and_channel").write_text("d-A d A\n")
    (tmp_path / "reco2dur").write_text("d-A 2.5\n")
    (tmp_path / "segments").write_text("s-u d-A 0.50 1.00\n")
    (tmp_path / "utt2spk").write_text("s-u s\n")
    (tmp_path / "text").write_text("s-u hello\n")
    (tmp_path / "ctm").write_text("d A 0.50 0.50 hello 1.00\n")
    (tmp_path / "rttm").write_text("SPEAKER d 1 0.50 0.50 <NA> <NA> s <NA> <NA>\n")
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_dropped(talk, fault):
    name, line, reason = FAULTS[fault]
    assert examine(talk).problems == []
    (talk / name).write_text((talk / name).read_text() + line)
    if name == "segments":
        (talk / "utt2spk").write_text("s-u s\ns-v s\n")
    problems = fix(talk)
    assert reason in str(problems[0]) and f"{talk / name}:2" in str(problems[0])
    assert not problems[0].repairable
    assert any(reason in why for _, why in rejections(talk / "rejected.tsv"))
    assert examine(talk).problems == []
    assert (talk / name).read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "fixed"),
    [
        ("segments", "s-u d-A 0.50 2.80\n", "s-u d-A 0.50 2.50\n"),
        ("ctm", "d A 1.00 0.10 b 1.00\nd A 0.50 0.10 a 1.00\n", "d A 0.50 0.10 a 1.00\nd A 1.00 0.10 b 1.00\n"),
        ("ctm", "d A 2.40 0.30 end 1.00\n", "d A 2.40 0.10 end 1.00\n"),
        ("spk2utt", "s s-u s-x\n", "s s-u\n"),
        ("text", "\ufeffs-u yes\n", "s-u yes\n"),
        ("text", "", None),
        ("reco2dur", "", None),
    ],
)
def test_what_can_be_repaired_is_kept(talk, name, content, fixed):
    (talk / name).write_text(content)
    (problem,) = fix(talk)
    assert problem.repairable
    assert ((talk / name).read_text() if (talk / name).exists() else None) == fixed
    assert (talk / ".backup" / name).read_text() == content
    assert (talk / "rejected.tsv").read_text() == ""


CHANNELS = {  # what a table says -> what it says when it is fixed
    "reco2file_and_channel": ("d-A d 0\nd-B d 1\n", "d-A d 1\nd-B d 2\n"),
    "ctm": ("d 0 0.50 0.50 left\nd 1 0.70 0.50 right\n", "d 1 0.50 0.50 left 1.00\nd 2 0.70 0.50 right 1.00\n"),
    "rttm": tuple(f"SPEAKER d {n} 0.50 0.50 <NA> <NA> s <NA> <NA>\n" for n in (0, 1)),
}


@pytest.fixture
def pair(tmp_path):
    """Both channels of a file of 2 s."""
    (tmp_path / "wav.scp").write_text("d-A /d.wav\nd-B /d.wav\n")
    (tmp_path / "reco2file_and_channel").write_text("d-A d A\nd-B d B\n")
    (tmp_path / "reco2dur").write_text("d-A 2.0\nd-B 2.0\n")
    return tmp_path


@pytest.mark.parametrize("name", CHANNELS)
def test_a_table_that_counts_channels_from_0_is_renumbered_whole(pair, name):
    content, fixed = CHANNELS[name]
    (pair / name).write_text(content)
    with pytest.raises(AudiolmError, match=f"{name}.*counts channels from 0, expected from 1; utils/.* mends it"):
        DataDir.read(pair).words(), DataDir.read(pair).turns()
    (problem,) = fix(pair)
    assert problem.repairable and "every number goes up by one" in str(problem)
    assert (pair / name).read_text() == fixed and examine(pair).problems == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("reco2file_and_channel", "d-A d 0\nd-B e 1\n"),
        ("ctm", "d 0 0.1 0.1 a\ne 1 0.1 0.1 b\n"),
    ],
)
def test_a_table_that_counts_from_0_and_from_1_is_refused_whole(pair, name, content):
    (pair / "wav.scp").write_text("d-A /d.wav\nd-B /d.wav\ne /e.wav\n")
    (pair / name).write_text(content)
    before = files(pair)
    with pytest.raises(AudiolmError, match=f"{name} counts channels of 'd' from 0 and those of 'e' from 1"):
        fix(pair)
    assert files(pair) == before


def test_segments_that_end_at_minus_1_end_with_their_recording(talk):
    (talk / "segments").write_text("s-u d-A 0.50 -1\ns-v d-A 2.60 -1\n")
    (talk / "utt2spk").write_text("s-u s\ns-v s\n")
    problems = fix(talk)
    assert [(problem.id, problem.repairable) for problem in problems[:3]] == [
        ("s-u", True),
        ("s-v", True),
        ("s-v", False),
    ]
    assert (talk / "segments").read_text() == "s-u d-A 0.50 2.50\n" and examine(talk).problems == []


def test_a_file_of_one_channel_is_not_two(pair):
    audio.write(pair / "d.wav", np.zeros(16000), 8000)
    (pair / "wav.scp").write_text(f"d-A {pair}/d.wav\nd-B {pair}/d.wav\ne {pair}/d.wav\n")
    found = examine(pair, open_audio=True)
    assert [problem.id for problem in found.problems] == ["d-A", "d-B"] and found.sound.recos == ["e"]
    assert "d.wav has one channel, reco2file_and_channel names A and B of it" in str(found.problems[0])


def test_what_was_left_out_before_stays_named_unless_it_is_back(talk):
    text = (talk / "text").read_text()
    (talk / "rejected.tsv").write_text("s-u\tit was broken\ngone\tno audio\n")
    (talk / "text").write_text(f"{text}z-odd yes\n")
    fix(talk)
    assert [id for id, _ in rejections(talk / "rejected.tsv")] == ["gone", "z-odd"]


def test_utterances_without_a_speaker_go_with_all_that_is_theirs(tmp_path):
    (tmp_path / "wav.scp").write_text("a /a.wav\nb /b.wav\n")
    (tmp_path / "utt2spk").write_text("a s\n")
    (tmp_path / "reco2dur").write_text("a 1\nb 1\n")
    (tmp_path / "ctm").write_text("a 1 0 1 x\nb 1 0 1 y\n")
    fix(tmp_path)
    assert [item for item, _ in rejections(tmp_path / "rejected.tsv")] == ["b", "b"]
    assert DataDir.read(tmp_path).recos == ["a"] and examine(tmp_path).problems == []


def test_warnings_are_no_problems(calls, tmp_path):
    calls.utt2spk["a-1"] = "z"
    calls.text = {"a-0": "x"}
    calls.write(tmp_path)
    found = examine(tmp_path)
    assert found.problems == [] and len(found.warnings) == 3
    assert "not sorted by speaker" in found.warnings[0]
    assert "7 of 8 utterances have no transcript" in found.warnings[1]
    assert "of the first 3 files are not there, such as /a-0.wav" in found.warnings[2]


def test_utterances_of_a_speaker_that_overlap_are_a_warning(talk):
    (talk / "segments").write_text("s-t d-A 0.50 2.00\ns-u d-A 0.50 2.00\n")
    (talk / "utt2spk").write_text("s-t s\ns-u s\n")
    found = examine(talk)
    (warning,) = [warning for warning in found.warnings if "overlap" in warning]
    assert warning.startswith("1 utterances overlap another one of their speaker in the same recording, such as 's-u'")
    (talk / "utt2spk").write_text("s-t r\ns-u s\n")
    assert not [warning for warning in examine(talk).warnings if "overlap" in warning]


def test_audio_is_opened_when_asked_for(tmp_path):
    audio.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    audio.write(tmp_path / "c.wav", np.zeros((8000, 3)), 8000)
    (tmp_path / "wav.scp").write_text("".join(f"{name} {tmp_path}/{name}.wav\n" for name in "abc"))
    (tmp_path / "reco2dur").write_text("a 1.5\n")
    assert [problem.id for problem in examine(tmp_path).problems] == []
    found = examine(tmp_path, open_audio=True)
    assert [(problem.id, problem.repairable) for problem in found.problems] == [("a", True), ("b", False), ("c", False)]
    assert "No such file" in str(found.problems[1]) and "3 channels" in str(found.problems[2])
    assert found.sound.reco2dur == {"a": 1.0}
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(AudiolmError, match="nothing sound in it; first problem: .*'a': .* is not audio"):
        examine(tmp_path, open_audio=True)


def test_pipes_are_a_problem_unless_allowed(talk):
    (talk / "wav.scp").write_text("d-A cat d.wav |\n")
    with pytest.raises(AudiolmError, match="nothing sound in it; first problem: .*'d-A' is a pipe"):
        examine(talk)
    assert examine(talk, allow_pipes=True).problems == []


def test_command_line(talk, tmp_path_factory, capsys):
    assert main(["datadir", "validate", str(talk)]) == 0
    assert f"{talk}: valid; 1 recordings, 1 utterances, 1 speakers" in capsys.readouterr().out
    (talk / "text").write_text("".join(f"nobody-{n:02d} x\n" for n in range(30)))
    assert main(["datadir", "validate", str(talk)]) == 1
    out, err = capsys.readouterr()
    assert "problems" in out and "text:20: 'nobody-19' is no utterance" in err and "more" in err
    assert main(["datadir", "fix", str(talk)]) == 0
    assert "0 repaired, 30 dropped" in capsys.readouterr().out
    dest = tmp_path_factory.mktemp("dest")
    assert main(["datadir", "split", str(talk), "1"]) == 0
    assert main(["datadir", "subset", str(talk), "1", str(dest / "sub"), "--first"]) == 0
    assert main(["datadir", "combine", str(dest / "all"), str(talk / "split1/1"), str(dest / "sub")]) == 0
    assert (dest / "all/wav.scp").read_text() == (talk / "wav.scp").read_text()
    assert main(["datadir", "subset", str(talk), str(dest / "sub")]) == 1
    assert "expected DIR N DEST" in capsys.readouterr().err


MEASURE = """
import resource, sys
from audiolm.data.validate import examine

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
found = examine(sys.argv[1], keep_times=False)
print(len(found.problems), found.counts["utterances"], found.counts["words"], peak() - before)
"""


@pytest.mark.slow
def test_large_directories_take_memory_in_proportion(tmp_path):
    """Some 1.3 kB an entry of all tables: a corpus of a million utterances is validated on a laptop."""
    count, per_reco = 100_000, 3
    recos = [f"s{n // 100:05d}-d{n:07d}" for n in range(count)]
    files = {
        "wav.scp": (f"{reco} /corpus/{reco}.flac\n" for reco in recos),
        "reco2dur": (f"{reco} 10.50\n" for reco in recos),
        "segments": (f"{reco}-1 {reco} 1.00 9.00\n" for reco in recos),
        "text": (f"{reco}-1 one sentence of six words here\n" for reco in recos),
        "utt2spk": (f"{reco}-1 {reco[:6]}\n" for reco in recos),
        "ctm": (f"{reco} A {1 + word}.00 0.30 one 1.00\n" for reco in recos for word in range(per_reco)),
    }
    for name, lines in files.items():
        with open(tmp_path / name, "w") as file:
            file.writelines(lines)
    done = subprocess.run([sys.executable, "-c", MEASURE, tmp_path], capture_output=True, text=True, check=True)
    problems, utterances, words, memory = map(int, done.stdout.split())
    assert (problems, utterances, words) == (0, count, per_reco * count)
    assert memory < 2000 * count


def test_what_split_cannot_read_is_told_with_its_remedy(talk, tmp_path):
    (talk / "text").write_text("z yes\na no\n")
    with pytest.raises(AudiolmError, match=r"text:2: .*; utils/fix_data_dir.sh .* mends it"):
        split(talk, tmp_path / "parts", 1)
    assert not list(tmp_path.glob("parts/*/wav.scp"))
