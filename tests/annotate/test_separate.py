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
    write_part(corpus, ["rec"], found, tmp_path / "streams", seed=0)
    path = tmp_path / "streams/part.1"
    assert not examine(path, open_audio=True).problems
    streams = DataDir.read(path)
    assert streams.recos == ["rec-A", "rec-B"]
    main, residual = streams.audio("rec-A"), streams.audio("rec-B")
    np.testing.assert_allclose(main + residual, corpus.audio("rec"), atol=2 / 32768)
    speaker = main_speaker([SpeakerTurn(0, 1, "rec-1"), SpeakerTurn(1, 2, "rec-2")], "rec", 0)
    of_main, others = ("a", "b") if speaker == "rec-1" else ("b", "a")
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


def test_recordings_without_turns_are_left_out_and_channels_are_refused(corpus, tmp_path):
    write_part(corpus, ["rec"], [], tmp_path / "none", seed=0)
    with pytest.raises(AudiolmError, match="file 'call' of .* has several channels"):
        write_part(corpus, ["call"], [], tmp_path / "two", seed=0)
