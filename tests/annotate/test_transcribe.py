"""Recordings without a transcript: silence is cut out, words come back to their places, every fault is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.annotate.timed import Failure, Partial, TimedWord
from audiolm.annotate.transcribe import (
    LONGEST,
    MARGIN,
    PAUSE,
    Stretch,
    make_transcriber,
    stretches,
    transcribe_recordings,
)
from audiolm.annotate.turns import union
from audiolm.annotate.whisper import within
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError

FS = 1000
REGIONS = st.lists(st.tuples(st.floats(0, 300), st.floats(0.1, 50)).map(lambda p: (p[0], p[0] + p[1])), max_size=30)


class Beeps:
    """Writes a word for every run of samples above 0.2, and makes one up in every second of silence it hears."""

    name, fs, batch = "beeps", FS, 2

    def __init__(self):
        self.batches = []

    def transcribe(self, wavs):
        self.batches.append(len(wavs))
        return [self._words(np.abs(wav) > 0.2) for wav in wavs]

    def _words(self, loud):
        edges = np.flatnonzero(np.diff(loud, prepend=False, append=False)).reshape(-1, 2) / FS
        words = [TimedWord(f" w{round(1000 * (end - start))} ", start, end, 0.5) for start, end in edges]
        gaps = zip([0, *edges[:, 1]], [*edges[:, 0], len(loud) / FS], strict=True)
        words += [TimedWord("madeup", a, b) for a, b in gaps if b - a > PAUSE + 2 * MARGIN]
        return Failure("too long") if any(end - start > 1.5 for start, end in edges) else words


def detect(wav, fs):
    edges = np.flatnonzero(np.diff(np.abs(wav) > 0.2, prepend=False, append=False)).reshape(-1, 2) / fs
    return union(map(tuple, edges.tolist()))


@pytest.fixture
def data(tmp_path):
    """A call of two minutes: channel A beeps five times, B never; and a file that is not there."""
    wav = np.zeros((120 * FS, 2), dtype=np.float32)
    for start, length in ((2.0, 0.5), (3.0, 0.25), (50.0, 1.0), (51.5, 0.75), (119.0, 0.3)):
        wav[round(start * FS) : round((start + length) * FS), 0] = 0.5
    audio.write(tmp_path / "call.flac", wav, FS)
    recos = {"call-A": ("call", "A"), "call-B": ("call", "B")}
    wavs = dict.fromkeys(recos, str(tmp_path / "call.flac")) | {"gone": str(tmp_path / "gone.flac")}
    return DataDir(wav=wavs, reco2file_and_channel=recos)


def test_words_come_back_to_their_places_and_none_is_made_up_in_silence(data):
    words, rejected = transcribe_recordings(data, data.recos, Beeps(), detect)
    assert [(w.file, w.channel, round(w.start, 3), round(w.duration, 3), w.word) for w in words] == [
        ("call", "A", 2.0, 0.5, "w500"),
        ("call", "A", 3.0, 0.25, "w250"),
        ("call", "A", 50.0, 1.0, "w1000"),
        ("call", "A", 51.5, 0.75, "w750"),
        ("call", "A", 119.0, 0.3, "w300"),
    ]
    assert words[0].confidence == 0.5
    reasons = dict(rejected)
    assert set(reasons) == {"call-B", "gone"} and "gone.flac" in reasons["gone"]
    assert reasons["call-B"] == "no speech found by voice activity detection"
    whole = transcribe_recordings(data, ["call-A"], Beeps(), lambda wav, fs: [(0.0, len(wav) / fs)])[0]
    assert sum(w.word == "madeup" for w in whole) > 0  # what cutting prevents


def test_a_recording_is_rejected_whole_where_a_stretch_fails_or_nothing_is_said(data, tmp_path):
    for name, level, seconds in (("long", 0.5, 2.0), ("mute", 0.1, 1.0)):
        audio.write(tmp_path / f"{name}.wav", np.full(round(seconds * FS), level), FS)
        data.wav[name] = str(tmp_path / f"{name}.wav")
    words, rejected = transcribe_recordings(data, ["long", "mute"], Beeps(), lambda wav, fs: [(0.0, len(wav) / fs)])
    assert not words
    assert dict(rejected) == {"long": "too long, from 0.00 to 2.00 s", "mute": "no word found in its speech"}


def test_little_that_is_not_understood_costs_its_stretch_alone(data, tmp_path, capsys):
    class Deaf(Beeps):
        def transcribe(self, wavs):
            return [Failure("a loop") if len(wav) < 3 * FS else [TimedWord("w", 1.0, 2.0)] for wav in wavs]

    audio.write(tmp_path / "long.wav", np.full(62 * FS, 0.5), FS)
    data.wav["long"] = str(tmp_path / "long.wav")
    words, rejected = transcribe_recordings(data, ["long"], Deaf(), lambda wav, fs: [(0.0, len(wav) / fs)])
    assert [word.start for word in words] == [1.0, 31.0]
    assert rejected == [("long", "left out: a loop, from 60.00 to 62.00 s")]
    assert "long: a stretch is left out: a loop, from 60.00 to 62.00 s" in capsys.readouterr().err


def test_parts_that_are_left_out_are_named_at_their_places_and_only_they_count(data, tmp_path):
    """Speech at 5…11 and 20…26 s is one stretch of pieces at 4.5…11.5 and 19.5…26.5 s; the next has no word."""

    class Partly(Beeps):
        def transcribe(self, wavs):
            word, guess = TimedWord("w", 1.0, 2.0), Failure("a guess")
            found = {14: Partial([word], [(6.5, 7.2, guess)]), 30: Partial([word], [(4.0, 5.5, guess)])}
            return [found.get(len(wav) // FS, []) for wav in wavs]

    audio.write(tmp_path / "parts.wav", np.full(100 * FS, 0.5), FS)
    data.wav["parts"] = str(tmp_path / "parts.wav")
    speech = [(5.0, 11.0), (20.0, 26.0), (40.5, 69.5), (80.0, 90.0)]
    words, rejected = transcribe_recordings(data, ["parts"], Partly(), lambda wav, fs: speech)
    assert [word.start for word in words] == [5.5, 41.0]
    assert rejected == [
        ("parts", "left out: a guess, from 11.00 to 19.70 s"),
        ("parts", "left out: a guess, from 44.00 to 45.50 s"),
        ("parts", "left out: no word heard in it, from 79.50 to 90.50 s"),
    ]


def test_digits_of_telephone_speech_are_passed_on_at_the_rate_of_their_audio(shared_data):
    """At 16 kHz silero-vad finds nothing in seven of this speaker's takes of a digit, at 8 kHz it finds all."""

    class Hears(Beeps):
        fs, batch = 16000, 8

        def transcribe(self, wavs):
            return [[TimedWord("w", 0.0, len(wav) / self.fs)] for wav in wavs]

    digits = DataDir.read(shared_data / "fsdd")
    own = [reco for reco in digits.recos if reco.startswith("theo-4-")]
    words, rejected = transcribe_recordings(digits, own, Hears())
    assert len(own) == 10 and not rejected
    covered = dict.fromkeys(own, 0.0)
    for word in words:
        covered[word.file] += word.duration
    assert all(covered[reco] > 0.9 * digits.duration(reco) for reco in own)


def test_words_without_length_are_left_out(data, tmp_path):
    class Crowded(Beeps):
        def transcribe(self, wavs):
            return [[TimedWord("a", 0.1, 0.5), TimedWord("b", 0.9, 0.9)] for _ in wavs]

    audio.write(tmp_path / "r.wav", np.full(FS, 0.5), FS)
    data.wav["r"] = str(tmp_path / "r.wav")
    words, _ = transcribe_recordings(data, ["r"], Crowded(), lambda wav, fs: [(0.0, 1.0)])
    assert [word.word for word in words] == ["a"]


def test_stretches_are_handed_over_in_batches_across_recordings(data, tmp_path):
    for number in range(5):
        audio.write(tmp_path / f"r{number}.wav", np.full(FS, 0.5), FS)
        data.wav[f"r{number}"] = str(tmp_path / f"r{number}.wav")
    transcriber = Beeps()
    words, _ = transcribe_recordings(data, [f"r{number}" for number in range(5)], transcriber, detect)
    assert transcriber.batches == [2, 2, 1] and [word.file for word in words] == [f"r{number}" for number in range(5)]


@given(REGIONS)
def test_stretches_hold_all_speech_in_order_once_and_are_short(regions):
    speech = union(regions)
    found = stretches(speech, 400.0)
    pieces = [piece for stretch in found for piece in stretch.pieces]
    assert pieces == sorted(pieces) and all(a[1] <= b[0] + 1e-9 for a, b in zip(pieces, pieces[1:], strict=False))
    assert all(sum(end - start for start, end in stretch.pieces) <= LONGEST + 1e-6 for stretch in found)
    onsets = [onset for stretch in found for onset in stretch.onsets]
    assert all(start <= onset < end for (start, end), onset in zip(pieces, onsets, strict=True))
    covered = union((start - 1e-6, end + 1e-6) for start, end in pieces)
    assert all(any(a <= start and end <= b for a, b in covered) for start, end in speech)
    joined = union(speech, PAUSE)
    most = sum(end - start for start, end in joined) + 2 * MARGIN * len(joined)
    assert sum(end - start for start, end in pieces) <= most + 1e-6  # no more silence than the margins


def test_a_word_over_a_seam_stays_in_the_piece_that_holds_its_middle():
    stretch = Stretch(((10.0, 11.0), (20.0, 22.0)))
    assert stretch.place(TimedWord("a", 0.2, 0.6))[1:3] == (10.2, 10.6)
    assert stretch.place(TimedWord("b", 0.5, 1.2))[1:3] == (10.5, 11.0)
    assert stretch.place(TimedWord("c", 0.9, 1.5))[1:3] == (20.0, 20.5)
    assert stretch.place(TimedWord("d", 2.9, 3.4))[1:3] == (21.9, 22.0)


def test_the_first_word_does_not_begin_with_the_silence_before_it():
    """Speech at 10.5 s: a word from the stretch's beginning into it starts 0.3 s before at most; one before stays."""
    (stretch,) = stretches([(10.5, 11.5), (30.0, 31.0)], 60.0)
    assert stretch.pieces == ((10.0, 12.0), (29.5, 31.5)) and stretch.onsets == (10.5, 30.0)
    assert stretch.place(TimedWord("a", 0.0, 1.0))[1:3] == pytest.approx((10.2, 11.0))
    assert stretch.place(TimedWord("uh", 0.0, 0.4))[1:3] == (10.0, 10.4)
    assert stretch.place(TimedWord("b", 1.2, 1.9))[1:3] == pytest.approx((11.2, 11.9))
    assert stretch.place(TimedWord("c", 2.0, 3.0))[1:3] == pytest.approx((29.7, 30.5))


def test_unknown_names_and_missing_models():
    with pytest.raises(AudiolmError, match="no transcriber 'wisper'; did you mean 'whisper'"):
        make_transcriber("wisper", "x")
    with pytest.raises(AudiolmError, match="needs a Whisper model"):
        make_transcriber("whisper", None)


def test_words_that_whisper_hears_in_the_silence_after_the_audio_are_left_out():
    heard = [TimedWord("yes", 0.2, 0.5), TimedWord("no", 0.8, 1.4, 0.7), TimedWord("well", 1.0, 1.2)]
    assert within(heard, 1.0) == [heard[0], TimedWord("no", 0.8, 1.0, 0.7)]
