"""The main speaker and the residual: they add up, the draw repeats, tables follow the audio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.annotate.separate import MARGIN, main_speaker, mask, mask_regions, write_part
from audiolm.annotate.turns import SpeakerTurn
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Turn, Word
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError

FS = 8000


def test_the_mask_reaches_into_silence_but_not_into_others_speech():
    turns = [SpeakerTurn(1.0, 2.0, "a"), SpeakerTurn(2.03, 3.0, "b"), SpeakerTurn(4.0, 5.0, "a")]
    assert mask_regions(turns, "a") == [(1.0 - MARGIN, 2.03), (4.0 - MARGIN, 5.0 + MARGIN)]
    overlapping = [SpeakerTurn(1.0, 2.0, "a"), SpeakerTurn(1.5, 3.0, "b")]
    assert mask_regions(overlapping, "a") == [(1.0 - MARGIN, 2.0)]
    assert mask_regions([SpeakerTurn(0.02, 1.0, "a")], "a") == [(0.0, 1.0 + MARGIN)]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)).map(sorted), max_size=4))
def test_masks_are_between_zero_and_one_and_fade(regions):
    found = mask(regions, 2 * FS, FS)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert np.abs(np.diff(found)).max() < 0.02  # no clicks: 10 ms are 80 samples


def test_masks_are_one_within_and_zero_outside():
    found = mask([(0.5, 1.0)], 2 * FS, FS)
    assert (found[round(0.51 * FS) : round(0.99 * FS)] == 1).all()
    assert (found[: round(0.49 * FS)] == 0).all() and (found[round(1.01 * FS) :] == 0).all()


def test_draws_are_fair_and_repeat():
    turns = [SpeakerTurn(0, 1, "a"), SpeakerTurn(1, 2, "b"), SpeakerTurn(2, 3, "a")]
    draws = [main_speaker(turns, f"rec{i}", seed=0) for i in range(200)]
    assert draws == [main_speaker(turns[::-1], f"rec{i}", seed=0) for i in range(200)]
    assert 70 < draws.count("a") < 130
    assert draws != [main_speaker(turns, f"rec{i}", seed=1) for i in range(200)]


@pytest.fixture
def corpus(tmp_path):
    """One recording of 4 s: speaker a from 0.5 to 1.5 s, b from 2 to 3 s, with all tables."""
    wav = 0.1 * np.random.default_rng(0).standard_normal(4 * FS).clip(-3, 3)
    audio.write(tmp_path / "rec.flac", wav, FS)
    data = DataDir(
        wav={"rec": str(tmp_path / "rec.flac")},
        segments={"a-rec-1": Segment("rec", 0.5, 1.5), "b-rec-2": Segment("rec", 2.0, 3.0)},
        text={"a-rec-1": "hello", "b-rec-2": "good bye"},
        utt2spk={"a-rec-1": "a", "b-rec-2": "b"},
        reco2dur={"rec": 4.0},
        rttm=[Turn("rec", "1", 0.5, 1.0, "a"), Turn("rec", "1", 2.0, 1.0, "b")],
        ctm=[
            Word("rec", "A", 0.6, 0.8, "hello"),
            Word("rec", "A", 2.1, 0.3, "good"),
            Word("rec", "A", 2.5, 0.4, "bye"),
        ],
    )
    data.write(tmp_path / "data")
    return DataDir.read(tmp_path / "data")


def test_streams_add_up_and_their_tables_are_a_sound_data_directory(corpus, tmp_path):
    found = [Turn("rec", "1", 0.5, 1.0, "rec-1"), Turn("rec", "1", 2.0, 1.0, "rec-2")]
    placed = write_part(corpus, ["rec"], found, tmp_path / "streams", seed=0)
    path = tmp_path / "streams/part.1"
    assert not examine(path, open_audio=True).problems
    streams = DataDir.read(path)
    assert streams.recos == ["rec-A", "rec-B"]
    main, residual = streams.audio("rec-A"), streams.audio("rec-B")
    np.testing.assert_allclose(main + residual, corpus.audio("rec"), atol=2 / 32768)
    speaker = main_speaker([SpeakerTurn(0, 1, "rec-1"), SpeakerTurn(1, 2, "rec-2")], "rec", 0)
    of_main, others = ("a", "b") if speaker == "rec-1" else ("b", "a")
    assert [(turn.channel == "1") == (turn.speaker == speaker) for turn in placed] == [True, True]
    assert {turn.speaker for turn in streams.turns()["rec-A"]} == {of_main}
    assert {turn.speaker for turn in streams.turns()["rec-B"]} == {others}
    words = {reco: [word.word for word in entries] for reco, entries in streams.words().items()}
    assert sorted(words.values()) == [["good", "bye"], ["hello"]]
    assert (words["rec-A"] == ["hello"]) == (of_main == "a")
    assert {place.reco[-1]: streams.utt2spk[utt] for utt, place in streams.segments.items()} == {
        "A": of_main,
        "B": others,
    }
    part = slice(round(0.6 * FS), round(1.4 * FS))  # well within a's speech
    assert (main if of_main == "a" else residual)[part].any()
    assert not (residual if of_main == "a" else main)[part].any()


def test_an_utterance_goes_to_whom_the_diarizer_hears_most_in_it(corpus, tmp_path):
    # Little of each speaker is heard, of the other one in the midst of it less, nothing of the last word.
    found = [("1", 0.7, 0.2), ("2", 1.0, 0.1), ("2", 2.1, 0.3), ("1", 2.45, 0.1)]
    found = [Turn("rec", "1", start, length, f"rec-{speaker}") for speaker, start, length in found]
    write_part(corpus, ["rec"], found, tmp_path, seed=0)
    streams = DataDir.read(tmp_path / "part.1")
    main = main_speaker([SpeakerTurn(t.start, t.end, t.speaker) for t in found], "rec", 0)
    of_1, of_2 = ("rec-A", "rec-B") if main == "rec-1" else ("rec-B", "rec-A")
    assert {utt: place.reco for utt, place in streams.segments.items()} == {"a-rec-1": of_1, "b-rec-2": of_2}
    assert {reco: [turn.speaker for turn in turns] for reco, turns in streams.turns().items()} == {
        of_1: ["a"],
        of_2: ["b"],
    }


def test_where_two_speak_at_once_words_follow_the_sound(corpus, tmp_path):
    found = [Turn("rec", "1", 0.5, 2.5, "rec-1"), Turn("rec", "1", 2.0, 1.0, "rec-2")]
    for seed in range(8):  # either of them is the main speaker of some
        placed = write_part(corpus, ["rec"], found, tmp_path / str(seed), seed)
        streams = DataDir.read(tmp_path / str(seed) / "part.1")
        home = streams.segments["b-rec-2"].reco
        assert home == "rec-A" and streams.audio(home, 2.2, 0.5).any()
        assert streams.segments["a-rec-1"].reco == ("rec-A" if placed[0].channel == "1" else "rec-B")


def test_one_speaker_alone_has_the_whole_recording(corpus, tmp_path):
    placed = write_part(corpus, ["rec"], [Turn("rec", "1", 0.5, 1.0, "rec-1")], tmp_path, seed=0)
    streams = DataDir.read(tmp_path / "part.1")
    assert streams.recos == ["rec-A"] and [turn.channel for turn in placed] == ["1"]
    np.testing.assert_allclose(streams.audio("rec-A"), corpus.audio("rec"), atol=2 / 32768)
    assert len(streams.segments) == len(corpus.segments) and len(streams.ctm) == len(corpus.ctm)


def test_files_are_named_by_their_table_and_those_without_turns_or_with_channels_are_not_parted(corpus, tmp_path):
    path = corpus.wav["rec"]
    corpus = DataDir(wav={"x": path}, reco2file_and_channel={"x": ("meeting", "B")}, text={"x": "hi"})
    assert write_part(corpus, ["meeting"], [], tmp_path / "none", seed=0) == []
    assert not (tmp_path / "none/part.1/wav.scp").exists()
    found = [Turn("meeting", "2", 0.5, 1.0, "1"), Turn("meeting", "2", 2.0, 1.5, "2")]
    write_part(corpus, ["meeting"], found, tmp_path / "one", seed=0)
    streams = DataDir.read(tmp_path / "one/part.1")
    assert streams.reco2file_and_channel == {"meeting-A": ("meeting", "A"), "meeting-B": ("meeting", "B")}
    assert streams.segments["x"].end == 4.0 and streams.text == {"x": "hi"}
    call = DataDir(wav={"call-A": path, "call-B": path}, reco2file_and_channel={f"call-{c}": ("call", c) for c in "AB"})
    with pytest.raises(AudiolmError, match="file 'call' of .* has several channels"):
        write_part(call, ["call"], [], tmp_path / "two", seed=0)
