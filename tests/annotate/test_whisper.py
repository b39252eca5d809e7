"""Whisper in its two packages and three layouts, with random weights: words within the audio, faults as one line."""

import numpy as np
import pytest
from tiny_models import openai_whisper, transformers_whisper

from audiolm.annotate import plausible
from audiolm.annotate.timed import Failure
from audiolm.annotate.whisper import WhisperTimestamped, load_openai
from audiolm.annotate.whisper_batched import WhisperBatched
from audiolm.encoders import hub
from audiolm.errors import AudiolmError

pytestmark = pytest.mark.slow  # importing the packages takes seconds
FS = 16000


@pytest.fixture(scope="module")
def wavs(shared_data):
    from audiolm.data.datadir import DataDir

    data = DataDir.read(shared_data / "aligned_misc")
    return [data.audio(reco, fs=FS) for reco in ("bobby", "mary")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("transformers")
    return transformers_whisper(tmp_path_factory.mktemp("whisper"))


def within(words, wav):
    """Random models spell nonsense; its times must still be times of this audio, in order."""
    assert not isinstance(words, Failure), words
    assert all(0 <= word.start <= word.end <= len(wav) / FS + 0.1 for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(0 <= word.confidence <= 1 for word in words)
    return words


def test_openai_checkpoint(tmp_path, wavs):
    pytest.importorskip("whisper_timestamped")
    transcriber = WhisperTimestamped(str(openai_whisper(tmp_path / "tiny.pt")), "en")
    found = transcriber.transcribe(wavs)
    assert sum(len(within(words, wav)) for words, wav in zip(found, wavs, strict=True)) > 0
    assert transcriber.transcribe(wavs) == found  # nothing is drawn
    assert "whisper-timestamped" in transcriber.name and "tiny.pt" in transcriber.name


def test_transformers_in_batches(folder, wavs, monkeypatch):
    monkeypatch.setattr(plausible, "LOGPROB", -100.0)  # what random weights say is nothing but guesses
    monkeypatch.setattr(plausible, "COMPRESSION", 1000.0)
    transcriber = WhisperBatched(str(folder), "en", batch=2)
    together = transcriber.transcribe([*wavs, wavs[0]])
    for words, wav in zip(together, [*wavs, wavs[0]], strict=True):
        within(words, wav)
    assert sum(map(len, together)) > 0 and together[0] == together[2]
    alone = transcriber.transcribe(wavs[:1])
    assert [word.word for word in alone[0]] == [word.word for word in together[0]]


def test_whisper_timestamped_takes_the_layout_of_transformers(folder):
    import torch

    theirs = load_openai(str(folder))
    from transformers import WhisperForConditionalGeneration

    ours = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    mel, tokens = torch.randn(1, 80, 3000), torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(
            theirs(mel, tokens), ours(mel, decoder_input_ids=tokens).logits, atol=1e-4, rtol=1e-4
        )


def test_weights_found_nowhere_are_one_line_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(hub.socket, "create_connection", lambda *args: (_ for _ in ()).throw(OSError("no network")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for make, name, message in (
        (WhisperTimestamped, "medium", "no weights of Whisper 'medium' in .*fetch https"),
        (WhisperTimestamped, "mediun", "no Whisper model 'mediun': expected tiny"),
        (WhisperTimestamped, "gone.pt", "no Whisper checkpoint gone.pt"),
        (WhisperTimestamped, "owner/no-whisper", "cannot be reached"),
        (WhisperBatched, "owner/no-whisper", "cannot be reached"),
        (WhisperBatched, "medium", "expected an existing folder with config.json, or a hub id"),
    ):
        with pytest.raises(AudiolmError, match=message) as error:
            make(name, "en")
        assert "\n" not in str(error.value)
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(AudiolmError, match="cannot load Whisper model"):
        WhisperTimestamped(str(tmp_path / "bad.pt"))
    with pytest.raises(AudiolmError, match="--language xx is none of Whisper's"):
        WhisperTimestamped("medium", "xx")


def test_a_language_that_the_weights_do_not_know(folder):
    with pytest.raises(AudiolmError, match="knows en only, and the language is to be 'de': take multilingual weights"):
        WhisperBatched(str(folder), "de")


def test_a_model_without_alignment_heads_is_refused(folder, tmp_path):
    import json
    import shutil

    shutil.copytree(folder, tmp_path / "headless")
    path = tmp_path / "headless/generation_config.json"
    config = json.loads(path.read_text())
    del config["alignment_heads"]
    path.write_text(json.dumps(config))
    with pytest.raises(AudiolmError, match="names no alignment_heads"):
        WhisperBatched(str(tmp_path / "headless"))


def test_silence_after_cutting_is_nothing_to_transcribe(tmp_path):
    """A channel in which nobody speaks never reaches the model."""
    from audiolm.annotate.transcribe import transcribe_recordings
    from audiolm.data import audio
    from audiolm.data.datadir import DataDir

    audio.write(tmp_path / "quiet.flac", 1e-3 * np.random.default_rng(0).standard_normal(20 * FS), FS)
    model = WhisperTimestamped(str(openai_whisper(tmp_path / "tiny.pt")), "en")
    words, rejected = transcribe_recordings(DataDir(wav={"q": str(tmp_path / "quiet.flac")}), ["q"], model)
    assert not words and rejected == [("q", "no speech found by voice activity detection")]
