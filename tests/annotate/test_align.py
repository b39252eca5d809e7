"""Utterances cut from recordings and put back: no word is lost, none is found twice, every fault is named."""

import numpy as np
import pytest

from audiolm.annotate.align import CONTEXT, align_recordings, given_words, make_aligner
from audiolm.annotate.timed import Failure, TimedWord
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Word
from audiolm.errors import AudiolmError
from audiolm.text.marks import KEEP

FS = 8000


class EvenAligner:
    """Spreads an utterance's words evenly from its start to its end, and keeps what it was given."""

    name, fs = "even", FS

    def __init__(self):
        self.seen = []

    def align(self, utterances):
        self.seen += utterances
        return [self._align(utterance) for utterance in utterances]

    def _align(self, utterance):
        if utterance.words == ["unspeakable"]:
            return Failure("cannot be spoken")
        step = (utterance.end - utterance.start) / len(utterance.words)
        starts = [utterance.start + i * step for i in range(len(utterance.words))]
        return [TimedWord(w, s, s + step) for w, s in zip(utterance.words, starts, strict=True)]


@pytest.fixture
def data(tmp_path):
    """A call of 10 s whose two channels hold a ramp, so that every sample tells its time."""
    ramp = np.arange(1, 10 * FS + 1) / (10 * FS + 1)
    audio.write(tmp_path / "call.flac", np.stack([ramp, -ramp], 1), FS)
    return DataDir(
        wav={"call-A": str(tmp_path / "call.flac"), "call-B": str(tmp_path / "call.flac")},
        reco2file_and_channel={"call-A": ("call", "A"), "call-B": ("call", "B")},
        segments={
            "a-1": Segment("call-A", 1.0, 2.0),
            "a-2": Segment("call-A", 2.2, 3.0),
            "a-3": Segment("call-A", 9.0, 10.0),
            "b-1": Segment("call-B", 0.1, 1.1),
        },
        text={"a-1": "one two", "a-2": "three", "a-3": "four", "b-1": "five"},
        reco2dur={"call-A": 10.0, "call-B": 10.0},
    )


def test_words_are_put_on_the_recordings_time_axis(data):
    words, rejected = align_recordings(data, data.recos, EvenAligner())
    assert not rejected
    found = [(word.file, word.channel, round(word.start, 6), round(word.duration, 6), word.word) for word in words]
    assert found == [
        ("call", "A", 1.0, 0.5, "one"),
        ("call", "A", 1.5, 0.5, "two"),
        ("call", "A", 2.2, 0.8, "three"),
        ("call", "A", 9.0, 1.0, "four"),
        ("call", "B", 0.1, 1.0, "five"),
    ]


def test_context_ends_at_the_audio_and_halfway_to_the_neighbours(data):
    aligner = EvenAligner()
    align_recordings(data, data.recos, aligner)
    spans = {}
    for utterance in aligner.seen:
        first, last = np.abs(utterance.wav[[0, -1]]) * 10  # the ramp tells the time
        spans[utterance.id] = (first, last)
        assert first + utterance.start == pytest.approx(data.segments[utterance.id].start, abs=1e-3)
    assert spans["a-1"] == pytest.approx((1.0 - CONTEXT, 2.1), abs=1e-3)
    assert spans["a-2"] == pytest.approx((2.1, 3.0 + CONTEXT), abs=1e-3)
    assert spans["a-3"] == pytest.approx((9.0 - CONTEXT, 10.0), abs=1e-3)
    assert spans["b-1"] == pytest.approx((0.0, 1.1 + CONTEXT), abs=1e-3)
    assert (aligner.seen[-1].wav <= 0).all()  # of the second channel


def test_without_segments_the_recording_is_the_utterance(data):
    whole = DataDir(
        wav={"call": data.wav["call-A"]}, text={"call": "one two"}, reco2file_and_channel={"call": ("x", "A")}
    )
    words, _ = align_recordings(whole, ["call"], EvenAligner())
    assert [(word.start, word.end) for word in words] == [(0.0, 5.0), (5.0, 10.0)]


def test_every_utterance_has_words_or_a_reason(data, tmp_path):
    audio.write(tmp_path / "zeros.flac", np.zeros(FS), FS)
    data.wav |= {
        "gone": str(tmp_path / "gone.flac"),
        "idle": str(tmp_path / "zeros.flac"),
        "zeros": str(tmp_path / "zeros.flac"),
    }
    data.segments |= {"g-1": Segment("gone", 0.0, 1.0), "z-1": Segment("zeros", 0.0, 1.0)}
    data.text |= {"a-2": "unspeakable", "g-1": "six", "z-1": "seven"}
    del data.text["b-1"]
    words, rejected = align_recordings(data, data.recos, EvenAligner())
    assert [word.word for word in words] == ["one", "two", "four"]
    reasons = dict(rejected)
    assert set(reasons) == {"a-2", "b-1", "g-1", "z-1", "idle"}
    assert reasons["a-2"] == "cannot be spoken" and reasons["b-1"] == "no transcript in text"
    assert "gone.flac" in reasons["g-1"] and reasons["idle"] == "no utterance in segments"
    assert reasons["z-1"] == "all samples from 0.00 to 1.00 s of 'zeros' are zero"


def test_marks_that_are_kept_stand_in_the_pauses(data):
    class Late(EvenAligner):
        """Finds words in the second half of an utterance, and no punctuation."""

        def _align(self, utterance):
            words = [word for word in utterance.words if word != "—"]
            if not words:
                return Failure("no words")
            middle = (utterance.start + utterance.end) / 2
            step = (utterance.end - middle) / len(words)
            return [TimedWord(w, middle + i * step, middle + (i + 1) * step) for i, w in enumerate(words)]

    data.text = {
        "a-1": "[noise] <loud breath> one — [x] two",
        "a-2": "[laughter]",
        "a-3": "three [end]",
        "b-1": "[laughter-four]",
    }
    words, rejected = align_recordings(data, data.recos, Late(), KEEP)
    assert rejected == []
    found = [(word.word, round(word.start, 6), round(word.end, 6)) for word in words]
    assert found == [
        ("[noise]", 1.0, 1.25),
        ("<loud_breath>", 1.25, 1.5),
        ("one", 1.5, 1.75),
        ("[x]", 1.75, 1.75),
        ("two", 1.75, 2.0),
        ("[laughter]", 2.2, 3.0),
        ("three", 9.5, 10.0),
        ("[end]", 10.0, 10.0),
        ("four", 0.6, 1.1),
    ]
    words, rejected = align_recordings(data, data.recos, Late())
    assert [word.word for word in words] == ["one", "two", "three", "four"] and rejected == [("a-2", "no words")]


def test_given_words_are_the_corpus_s_own(data):
    data.ctm = [Word("call", "1", 1.0, 0.4, "one")]
    words, rejected = given_words(data, data.recos)
    assert words == data.ctm and [reco for reco, _ in rejected] == ["call-B"]
    data.ctm += [Word("call", "2", 1.0, 0.4, "[laughter]"), Word("call", "2", 2.0, 0.4, "[laughter-two]")]
    assert [word.word for word in given_words(data, data.recos)[0]] == ["one", "two"]
    assert [word.word for word in given_words(data, data.recos, KEEP)[0]] == ["one", "[laughter]", "two"]
    data.ctm = []
    with pytest.raises(AudiolmError, match="has no words in a ctm"):
        given_words(data, data.recos)


def test_unknown_names_and_missing_models():
    with pytest.raises(AudiolmError, match="no aligner 'pocketsfinx'; did you mean 'pocketsphinx'"):
        make_aligner("pocketsfinx")
    with pytest.raises(AudiolmError, match="needs a trained recogniser"):
        make_aligner("ctc")
