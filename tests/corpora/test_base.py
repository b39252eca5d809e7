"""What the corpora share: faults are named and counted, sets share no speaker, ids stay apart."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniatures import noise

from audiolm.commands.main import main
from audiolm.corpora import base
from audiolm.corpora.base import Found, Recording, Utterance
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tools import rejections
from audiolm.errors import AudiolmError


@pytest.fixture
def args(tmp_path):
    return argparse.Namespace(dir=tmp_path / "work", nj=2, max_rejected=1.0)


@pytest.fixture
def stereo(tmp_path):
    audio.write(tmp_path / "stereo.wav", noise(2, 8000, 2), 8000)
    return tmp_path / "stereo.wav"


def test_faults_are_named_with_their_reason_and_the_rest_is_written(args, stereo, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    utterances = [
        Utterance("ann-1", "ann", "  one\t two ", 0.5, 1.0, [("one", 0.5, 0.7), ("two", 0.7, 1.0)]),
        Utterance("ann-2", "ann", "late", 1.5, 2.3),  # cut at the end of the file
        Utterance("ann-3", "ann", "outside", 3.0, 4.0),
        Utterance("ann-4", "ann", "backwards", 1.0, 0.5),
        Utterance("ann-1", "ann", "again", 1.0, 1.5),
    ]
    found = Found(
        [
            Recording("call-A", stereo, utterances, "call", "A"),
            Recording("call-B", stereo, [], "call", "B"),
            Recording("call-C", stereo, [], "call", "C"),
            Recording("gone-A", tmp_path / "gone.wav", [Utterance("bob-1", "bob", "hello", 0, 1)], "gone", "A"),
            Recording("bad-A", tmp_path / "bad.wav", [], "bad", "A"),
        ],
        faults={"line": "malformed"},
        left_out={"rule": "too long"},
        turns=True,
        others={"spk2gender": {"ann": "f", "bob": "m"}},
    )
    base.write_sets(args, [("train", found)])
    data = DataDir.read(args.dir / "data/train")
    assert data.text == {"ann-1": "one two", "ann-2": "late"}
    assert (data.segments["ann-2"].start, data.segments["ann-2"].end) == (1.5, 2.0)
    assert data.reco2file_and_channel == {"call-A": ("call", "A"), "call-B": ("call", "B")}
    assert [(word.word, word.start) for word in data.ctm] == [("one", 0.5), ("two", 0.7)]
    assert [(turn.speaker, turn.channel) for turn in data.rttm] == [("ann", "1"), ("ann", "1")]
    assert data.others == {"spk2gender": {"ann": "f"}}
    rejected = dict(rejections(args.dir / "data/train/rejected.tsv"))
    assert set(rejected) == {"ann-1", "ann-3", "ann-4", "call-C", "gone-A", "bob-1", "bad-A", "line", "rule"}
    assert "the recording ends at 2.00 s" in rejected["ann-3"] and "expected 0 <= start < end" in rejected["ann-4"]
    assert "has 2 channel(s), expected channel C" in rejected["call-C"]
    assert rejected["gone-A"] == rejected["bob-1"] and "No such file" in rejected["gone-A"]
    args.max_rejected = 0.5
    with pytest.raises(AudiolmError, match="8 of 11 recordings and utterances were rejected, more than 50.0%"):
        base.write_sets(args, [("train", found)])
    with pytest.raises(AudiolmError, match="nothing of set 'dev' can be used; the first reason: bad-A .*bad.wav"):
        base.write_sets(args, [("dev", Found(found.recordings[4:]))])


def test_whole_recordings_need_no_segments(args, stereo):
    found = Found([Recording("a", stereo, [Utterance("a", None, "rain")])])
    data, faults, _ = base.make_data(found, args.dir, 1)
    assert (data.segments, data.utt2spk, data.text, faults) == ({}, {"a": "a"}, {"a": "rain"}, {})
    found.recordings[0].utterances.append(Utterance("a-2", None, "wet"))
    data, faults, _ = base.make_data(found, args.dir, 1)
    assert {utt: place.end for utt, place in data.segments.items()} == {"a": 2.0, "a-2": 2.0}


@given(
    st.dictionaries(st.integers(0, 60).map(str), st.sets(st.integers(0, 40).map(str), min_size=1, max_size=2)),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_sets_share_no_speaker_and_nothing_is_lost(speakers_of, held_out, seed):
    sets = ["train", "dev", "test"]
    try:
        set_of, left_out = base.draw_sets(speakers_of, sets, held_out, seed)
    except AudiolmError as error:
        assert "left" in str(error)
        return
    assert set_of.keys() | left_out.keys() == speakers_of.keys() and not set_of.keys() & left_out.keys()
    voices = {name: {s for item in set_of if set_of[item] == name for s in speakers_of[item]} for name in sets}
    assert not voices["train"] & (voices["dev"] | voices["test"]) and not voices["dev"] & voices["test"]
    assert [list(set_of.values()).count(name) for name in sets[1:]] == [held_out, held_out]
    assert base.draw_sets(dict(reversed(speakers_of.items())), sets, held_out, seed) == (set_of, left_out)


@given(st.text(min_size=1), st.text(min_size=1))
def test_ids_have_no_blanks_and_differ_as_names_do(one, other):
    assert not set(base.make_id(one)) & set(" \t\n\r\v\f/;")
    assert (base.make_id(one) == base.make_id(other)) == (one == other)


def test_only_line_feeds_end_lines(tmp_path):
    (tmp_path / "a").write_bytes("\ufeffone\x0b\x0c\x1c\x85\u2028one\r\ntwo\rtwo\n\n".encode())
    lines = [(1, "one\x0b\x0c\x1c\x85\u2028one"), (2, "two\rtwo"), (3, "")]
    assert list(base.read_lines(tmp_path / "a")) == lines
    (tmp_path / "a").write_bytes(b"one\rtwo\r")  # no line feed at all: an old Macintosh's
    assert list(base.read_lines(tmp_path / "a")) == [(1, "one"), (2, "two")]


def test_tables_that_are_not_what_they_should_be(tmp_path):
    (tmp_path / "a.csv").write_text("id,text\n1,one\n2\n")
    with pytest.raises(AudiolmError, match="a.csv has no column 'caption' in its first line, found: id, text"):
        list(base.read_csv(tmp_path / "a.csv", ["id", "caption"]))
    with pytest.raises(AudiolmError, match="a.csv:3: found 1 columns, expected 2"):
        list(base.read_csv(tmp_path / "a.csv", ["id", "text"]))
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(AudiolmError, match=r"a.txt:1: not utf-8 \(byte 0xe9\)"):
        list(base.read_lines(tmp_path / "a.txt"))
    with pytest.raises(AudiolmError, match="a.txt is no JSON|is not utf-8"):
        base.read_json(tmp_path / "a.txt")


def test_the_verb_names_the_nearest_corpus(capsys):
    assert main(["corpus", "libri_speech"]) == 1
    assert "no corpus 'libri_speech'; did you mean 'librispeech'?" in capsys.readouterr().err
    assert main(["corpus", "--help"]) == 0
    assert "fisher" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["corpus", "fisher", "--help"])
    assert "LDC2005T19" in capsys.readouterr().out
