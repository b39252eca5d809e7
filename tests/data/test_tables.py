"""rttm, ctm and segments: exact round trips, and every malformed line named by file and line."""

import pytest
from directories import IDS
from hypothesis import given
from hypothesis import strategies as st

from audiolm.data.tables import (
    Segment,
    Turn,
    Word,
    channel_index,
    iter_ctm,
    read_ctm,
    read_rttm,
    read_segments,
    read_table,
    seconds,
    write_ctm,
    write_rttm,
)
from audiolm.errors import AudiolmError

MICROSECONDS = st.integers(0, 10**11).map(lambda count: count / 10**6)


@given(MICROSECONDS)
def test_times_keep_microseconds(value):
    assert float(seconds(value)) == value
    assert len(seconds(value).partition(".")[2]) >= 2


@given(st.lists(st.builds(Turn, IDS, st.sampled_from("12"), MICROSECONDS, MICROSECONDS, IDS)))
def test_rttm_round_trip(tmp_path_factory, turns):
    path = tmp_path_factory.getbasetemp() / "rttm"
    write_rttm(path, turns)
    assert sorted(read_rttm(path), key=repr) == sorted(turns, key=repr)


@given(st.lists(st.builds(Word, IDS, st.sampled_from("AB"), MICROSECONDS, MICROSECONDS, IDS, st.just(0.25))))
def test_ctm_round_trip_in_order_of_time(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "ctm"
    write_ctm(path, words)
    again = read_ctm(path)  # would raise if a word were out of order
    assert sorted(again, key=repr) == sorted(words, key=repr)
    assert again == sorted(again, key=lambda word: (word.file, word.channel, word.start))


def test_comments_other_types_and_missing_confidence_are_accepted(tmp_path):
    (tmp_path / "rttm").write_text(
        ";; made by hand\nSPKR-INFO m 1 <NA> <NA> <NA> adult anna <NA>\nSPEAKER m 1 0.5 2 <NA> <NA> anna <NA>\n"
    )
    assert read_rttm(tmp_path / "rttm") == [Turn("m", "1", 0.5, 2.0, "anna")]
    (tmp_path / "ctm").write_text(";; words\nm 1 0.5 0.2 héllo\nm 1 0.7 0.0 \u3000\n")
    assert read_ctm(tmp_path / "ctm") == [Word("m", "1", 0.5, 0.2, "héllo"), Word("m", "1", 0.7, 0.0, "\u3000")]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("rttm", "SPEAKER m 1 0.5 2 <NA> <NA>", "expected 'SPEAKER <file>"),
        ("rttm", "SPEAKER m 1 x 2 <NA> <NA> anna <NA> <NA>", "expected 'SPEAKER <file>"),
        ("rttm", "SPEAKER m 1 0.5 nan <NA> <NA> anna <NA> <NA>", "expected 'SPEAKER <file>"),
        ("rttm", "SPEAKER m 1 -1 2 <NA> <NA> anna <NA> <NA>", "expected both >= 0"),
        ("rttm", "SPEEKER m 1 0.5 2 <NA> <NA> anna <NA> <NA>", "found 'SPEEKER"),
        ("ctm", "m 1 0.5", "expected '<file> <channel>"),
        ("ctm", "m 1 0.5 0.1 two words 1.0", "expected '<file> <channel>"),
        ("ctm", "m 1 0.5 -0.1 word", "expected start and duration >= 0"),
        ("rttm", "SPEAKER m ä 0.5 2 <NA> <NA> anna <NA> <NA>", "turn of 'anna' is in channel 'ä', expected a letter"),
        ("ctm", "m ch1 0.5 0.1 word", "expected as channel a letter (A, B …) or a number from 1"),
        ("ctm", "m 0 0.5 0.1 word", "the table counts channels from 0, expected from 1"),
        ("ctm", "m 1 1_0 0.1 word", "expected '<file> <channel>"),
        ("ctm", "m 1 0.1 0.1 early", "'early' at 0.1 s comes after a word at 0.20 s"),
        ("segments", "u2 r 2.0 1.0", "'u2' goes from 2.00 to 1.00 s"),
        ("segments", "u2 r 0.0", "expected '<utterance> <recording> <start> <end>'"),
        ("segments", "u2 r 0.0 inf", "expected '<utterance> <recording> <start> <end>'"),
        ("segments", "u2 r 1.5 -1", "'u2' ends at -1, which in Kaldi is the recording's end"),
        ("segments", "", "found 'an empty line'"),
    ],
)
def test_malformed_lines_are_named(tmp_path, name, line, reason):
    sound = {
        "rttm": "SPEAKER m 1 0.2 2 <NA> <NA> anna <NA> <NA>",
        "ctm": "m 1 0.2 0.1 word",
        "segments": "u1 r 0.0 1.0",
    }[name]
    path = tmp_path / name
    path.write_text(f"{sound}\n{line}\n")
    read = {"rttm": read_rttm, "ctm": read_ctm, "segments": lambda file: list(read_segments(file))}[name]
    with pytest.raises(AudiolmError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}:2: ") and reason in str(error.value)
    assert "\n" not in str(error.value)


def test_nists_forms_of_a_ctm_and_an_rttm(tmp_path):
    tags = [f"m a * * {tag}" for tag in ("<ALT_BEGIN>", "<ALT>", "<ALT>", "<ALT_END>")]
    lines = [tags[0], "m a 0.1 0.2 um", tags[1], "m a 0.1 0.1 uh", "m B 0.1 0.3 no", tags[2], tags[3], "m A 0.5 0.2 so"]
    (tmp_path / "ctm").write_text("".join(f"{line}\n" for line in lines))
    assert [(word.channel, word.word) for word in read_ctm(tmp_path / "ctm")] == [("A", "um"), ("B", "no"), ("A", "so")]
    (tmp_path / "rttm").write_text("SPEAKER m b 0.2 2 <NA> <NA> anna <NA> <NA>\n")
    assert read_rttm(tmp_path / "rttm")[0].channel == "B"


def test_words_out_of_order_are_reported_and_kept(tmp_path):
    (tmp_path / "ctm").write_text("m 1 0.5 0.1 b\nm 2 0.1 0.1 c\nm 1 0.1 0.1 a\n")
    problems = []
    assert [word.word for _, word in iter_ctm(tmp_path / "ctm", problems.append)] == ["b", "c", "a"]
    assert [(problem.line, problem.repairable) for problem in problems] == [(3, True)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a 1\na 2\n", ":2: duplicate id 'a'"),
        (b"b 1\na 2\n", ":2: 'a' comes after 'b', expected the order of LC_ALL=C sort"),
        (b"a 1\nc 2\nb 3\na 4\n", ":3: 'b' comes after 'c'"),
        (b"a 1\n\xff 2\n", ":2: not UTF-8 (byte 0xff): \\xff 2"),
        (b"\xef\xbb\xbfa 1\n", ":1: begins with a byte-order mark"),
        (b"a\n", ":1: found 'a', expected '<id> <value>'"),
        (b"\xc3\xa4 1\nz 2\n", ":2: 'z' comes after '\u00e4'"),  # the order of bytes, not of a dictionary
    ],
)
def test_tables_are_strict(tmp_path, content, reason):
    path = tmp_path / "table"
    path.write_bytes(content)
    with pytest.raises(AudiolmError) as error:
        list(read_table(path, "<id> <value>"))
    assert str(error.value).startswith(str(path)) and reason in str(error.value)


def test_every_problem_is_reported_once_and_sound_lines_are_kept(tmp_path):
    (tmp_path / "table").write_bytes(b"b 1\na 2\nb 3\n\xff\nc\nd 4 \t\n")
    problems = []
    lines = list(read_table(tmp_path / "table", "<id> <value>", problems.append))
    assert lines == [(1, "b", "1"), (2, "a", "2"), (6, "d", "4")]
    assert [(problem.line, problem.repairable) for problem in problems] == [
        (2, True),
        (3, False),
        (4, False),
        (5, False),
    ]


def test_segments_are_typed(tmp_path):
    (tmp_path / "segments").write_text("u1 r 0 1.5\n")
    assert list(read_segments(tmp_path / "segments")) == [(1, "u1", Segment("r", 0.0, 1.5))]


@pytest.mark.parametrize(("name", "index"), [("A", 0), ("B", 1), ("b", 1), ("1", 0), ("4", 3)])
def test_channels(name, index):
    assert channel_index(name) == index


@pytest.mark.parametrize("name", ["0", "ä", "", "AB", "-1", "²"])
def test_what_is_no_channel(name):
    with pytest.raises(AudiolmError, match="unknown channel"):
        channel_index(name)
