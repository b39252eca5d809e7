"""Whisper as a judge: what counts as heard, in what form it is compared, and where a record says so."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.score import whisper_asr
from audiolm.score.intelligibility import Judge
from audiolm.score.normalisers import Normaliser, make_normaliser
from audiolm.score.record import Score
from audiolm.score.results import Row, cells
from audiolm.score.whisper_asr import LONGEST, SAMPLE_RATE, Text, WhisperBackend, parts

LOOP = "thank you " * 30


class Script:
    """An ear that hears by the level of a sound, and counts what it is asked."""

    said = {0.1: Text(" Hello.", -1.5, 0.1), 0.2: Text("you", -1.2, 0.9), 0.3: Text(LOOP, -0.1, 0.1)}
    name = "a script"

    def __init__(self, model, language, device):
        self.file, self.batches = Path(model), []

    def hear(self, wavs, temperature=0.0):
        self.batches.append(len(wavs))
        if temperature >= 0.4:
            return [Text("Thank you.", -2.0, 0.1)]
        return [self.said[round(float(np.abs(wav).max()), 1)] for wav in wavs]


@pytest.fixture
def backend(monkeypatch, tmp_path):
    monkeypatch.setitem(whisper_asr.EARS, "whisper", Script)
    (tmp_path / "weights").write_bytes(b"weights")
    return WhisperBackend("whisper", str(tmp_path / "weights"))


def wave(level, seconds=0.5):
    return np.full(round(seconds * SAMPLE_RATE), level, np.float32)


def test_guesses_count_silence_does_not_and_loops_are_heard_again(backend):
    heard = backend.transcribe([wave(0.3), wave(0.1), wave(0.2), wave(0.1)[:0]], SAMPLE_RATE)
    assert heard == ["Thank you.", "Hello.", "", ""]
    assert backend.ear.batches == [3, 1, 1]  # together, then the loop at 0.2 and at 0.4
    backend.ear.hear = lambda wavs, temperature=0.0: [Text(LOOP, -0.1, 0.1)]
    assert backend.transcribe([wave(0.3)], SAMPLE_RATE) == [""]


def test_what_is_longer_than_whisper_hears_is_cut_where_it_is_quiet(backend):
    long = wave(0.1, 70.0)
    long[round(24 * SAMPLE_RATE) : round(24.5 * SAMPLE_RATE)] = 0
    found = parts(long)
    assert max(map(len, found)) <= LONGEST * SAMPLE_RATE and np.array_equal(np.concatenate(found), long)
    assert 24 <= len(found[0]) / SAMPLE_RATE <= 24.5
    assert backend.transcribe([long, wave(0.1)], SAMPLE_RATE) == ["Hello. Hello. Hello.", "Hello."]


def test_a_record_names_model_weights_and_normaliser(backend):
    assert backend.checksum == hashlib.sha256(b"weights").hexdigest()[:16]
    assert "language en, no vocabulary" in backend.name
    judge = Judge(backend, Normaliser("shouting", str.upper))
    assert judge.word_errors({"a": "hello"}, {"a": "HELLO"}).percent == 0
    score = Score("wer_tts_whisper", 1.0, "%", "", backend.name, "", "test", 9, normaliser=judge.normaliser.name)
    assert cells(Row("", "", "", score))[-1] == f"{backend.name}; shouting"


def test_whispers_normaliser_makes_ways_of_writing_one():
    pytest.importorskip("whisper")
    english, digits = make_normaliser("english"), make_normaliser("digits")
    assert english.apply("Mr. Brown's twenty-one colours, [laughter] uh") == english.apply("mister brown's 21 colors")
    assert english.apply("one two three") == "123" and digits.apply("one, 2 three") == "1 2 3"
    assert "openai-whisper" in digits.name


def test_a_judge_without_its_model_is_refused(tmp_path, capsys):
    score = ["score", "--dir", str(tmp_path), "--set", "test", "--metrics", "codec", "--codec", "c", "--asr", "whisper"]
    assert main(score) == 1
    assert "--asr whisper needs a Whisper model: name its folder" in capsys.readouterr().err
    assert main([*score, "--asr_model", "./nowhere"]) == 1
    assert "--asr_model ./nowhere: there is no such file or folder" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "folder", "package"),
    [
        ("whisper", "whisper-tiny.en", "transformers"),
        ("whisper_timestamped", "whisper-tiny.en", "whisper_timestamped"),
        ("faster_whisper", "whisper-tiny.en-ct2", "faster_whisper"),
    ],
)
def test_real_weights_hear_utterances_of_a_batch_as_alone(key, folder, package, shared_data):
    from audiolm.data.datadir import DataDir

    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / folder
    if not folder.is_dir():
        pytest.skip(f"AUDIOLM_WEIGHTS names no folder with {folder.name}")
    pytest.importorskip(package)
    with pytest.raises(AudiolmError, match="knows en only, and the language is to be 'de'"):
        WhisperBackend(key, str(folder), "de")
    backend = WhisperBackend(key, str(folder))
    data = DataDir.read(shared_data / "librispeech_test_other")
    recos = sorted(data.recos, key=data.duration)[10:14]
    waves = [data.audio(reco, fs=8000) for reco in recos]
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    heard = backend.transcribe([*waves, np.zeros(8000, np.float32), noise], 8000)
    assert len(heard[-2].split()) <= 1 and len(heard[-1].split()) <= 5
    assert backend.transcribe(waves[1:2], 8000) == heard[1:2]
    judge = Judge(backend, make_normaliser("english"))
    rate = judge.word_errors({reco: data.text[reco] for reco in recos}, dict(zip(recos, heard[:4], strict=True)))
    assert rate.percent < 40
