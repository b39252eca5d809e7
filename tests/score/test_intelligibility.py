import json

import numpy as np
import pytest

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment
from audiolm.errors import AudiolmError
from audiolm.score.intelligibility import Judge, choose, score_speech, score_utterances

FS = 8000


class Loudness:
    """Hears "loud" or "soft", and counts what it was asked."""

    key, name, checksum = "loudness", "a threshold", "0" * 16

    def __init__(self):
        self.heard = 0

    def transcribe(self, waves, fs, voices=None):
        assert voices is None or len(voices) == len(waves)
        self.heard += len(waves)
        return ["loud" if np.abs(wave).max() > 0.3 else "soft" for wave in waves]


def directory(folder, levels: dict[str, float], texts: dict[str, str]) -> DataDir:
    """Recordings of a second, the middle of each an utterance at a level."""
    data = DataDir()
    for name, level in levels.items():
        wav = np.zeros(FS, np.float32)
        wav[FS // 4 : 3 * FS // 4] = level
        audio.write(folder / f"{name}.wav", wav, FS)
        data.wav[name] = str(folder / f"{name}.wav")
        data.segments[f"{name}-1"] = Segment(name, 0.25, 0.75)
        data.utt2spk[f"{name}-1"] = name
        data.text[f"{name}-1"] = texts[name]
        data.reco2dur[name] = 1.0
    data.path = folder
    return data


@pytest.fixture
def original(tmp_path):
    (tmp_path / "original").mkdir()
    return directory(tmp_path / "original", {"a": 0.5, "b": 0.1, "c": 0.5}, {"a": "loud", "b": "soft", "c": "soft"})


def test_copies_are_scored_beside_their_originals(tmp_path, original):
    (tmp_path / "copy").mkdir()
    copy = directory(tmp_path / "copy", {"a": 0.1, "b": 0.1, "c": 0.5}, {"a": "loud", "b": "soft", "c": "soft"})
    judge = Judge(Loudness())
    [score] = score_utterances([judge], original, copy, FS, "test", "wer_resynthesis")
    assert score.metric == "wer_resynthesis_loudness"
    assert score.value == pytest.approx(200 / 3)  # a and c are wrong
    assert score.baseline == pytest.approx(100 / 3)  # c
    assert (score.count, score.details["substitutions"]) == (3, 2)
    assert judge.backend.heard == 6
    score_utterances([judge], original, None, FS, "test", "wer_recognizer")
    assert judge.backend.heard == 6  # the originals are not heard twice


def generated(folder, to_say: dict[str, str]):
    """What ``audiolm generate`` leaves of its mode tts: one loud recording for each text."""
    folder.mkdir()
    spoken = directory(folder, dict.fromkeys(to_say, 0.5), to_say)
    spoken.segments, spoken.text, spoken.utt2spk = {}, {}, {}
    spoken.write(folder)
    (folder / "meta.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in to_say.items()))
    return folder


def test_speech_is_scored_against_what_it_was_to_say(tmp_path, original):
    folder = generated(tmp_path / "tts", {"x": "loud", "y": "soft"})
    [score] = score_speech([Judge(Loudness())], folder, original, FS, "test")
    assert score.value == 50
    assert score.baseline == pytest.approx(100 / 3)
    (folder / "meta.jsonl").write_text("")
    with pytest.raises(AudiolmError, match="nothing was spoken"):
        score_speech([Judge(Loudness())], folder, original, FS, "test")


def test_the_baseline_of_speech_is_on_originals_of_as_many_words(tmp_path):
    """Short utterances are easier, and a model that was not to say any would be beaten by them unfairly."""
    (tmp_path / "original").mkdir()
    texts = {"a": "loud", "b": "soft soft", "c": "loud loud", "d": "soft"}
    original = directory(tmp_path / "original", dict.fromkeys(texts, 0.5), texts)  # all are heard as "loud"
    [score] = score_speech([Judge(Loudness())], generated(tmp_path / "tts", {"x": "loud loud"}), original, FS, "test")
    assert (score.value, score.baseline) == (50, 75)  # b and c; with a and d it would be 67


def test_utterances_are_spread_over_the_set(original):
    assert choose(original) == ["a-1", "b-1", "c-1"]
    with pytest.raises(AudiolmError, match="no transcribed utterance of 2 words"):
        choose(original, min_words=2)
