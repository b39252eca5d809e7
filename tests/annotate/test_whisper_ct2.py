"""faster-whisper with real weights: AUDIOLM_WEIGHTS names a folder with whisper-tiny.en-ct2 in CTranslate2's layout."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiolm.annotate.timed import Failure, TimedWord
from audiolm.annotate.whisper_ct2 import FasterWhisper, lasting
from audiolm.data.datadir import DataDir
from audiolm.encoders import hub
from audiolm.errors import AudiolmError

FS = 16000


def test_words_at_an_instant_get_a_frame_within_the_stretch():
    words = [TimedWord("a", 0.9, 0.9), TimedWord("b", 0.9, 1.2), TimedWord("c", 1.1, 1.1)]
    times = np.array([(word.start, word.end) for word in lasting(words, 1.0)])
    np.testing.assert_allclose(times, [[0.9, 0.92], [0.92, 0.98], [0.98, 1.0]])


@pytest.fixture(scope="module")
def weights():
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / "whisper-tiny.en-ct2"
    if not (folder / "model.bin").is_file():
        pytest.skip("AUDIOLM_WEIGHTS names no folder with whisper-tiny.en-ct2")
    pytest.importorskip("faster_whisper")
    return folder


@pytest.fixture(scope="module")
def transcriber(weights):
    return FasterWhisper(str(weights), "en", batch=3)


@pytest.mark.slow
def test_stretches_of_a_batch_are_heard_as_alone(transcriber, shared_data):
    data = DataDir.read(shared_data / "librispeech_test_other")
    recos = list(data.recos)[::9][:4]
    wavs = [data.audio(reco, fs=FS) for reco in recos]
    wavs.insert(2, np.zeros(3 * FS, np.float32))
    wavs.insert(1, wavs[0][:100])
    found = transcriber.transcribe(wavs)
    assert found[1] == [] and isinstance(found[3], Failure) and found[3].silent
    spoken = [words for number, words in enumerate(found) if number not in (1, 3)]
    assert [word.word for word in transcriber.transcribe(wavs[4:5])[0]] == [word.word for word in found[4]]
    right = total = 0
    for reco, words in zip(recos, spoken, strict=True):
        edges = [edge for word in words for edge in (word.start, word.end)]
        assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= data.duration(reco)
        assert all(word.end > word.start and 0 <= word.confidence <= 1 for word in words)
        text, heard = data.text[reco].split(), {word.word.strip(".,?!").upper() for word in words}
        right, total = right + sum(word in heard for word in text), total + len(text)
    assert right > 0.7 * total


@pytest.mark.slow
def test_words_are_where_they_are_said(transcriber, shared_data):
    from audiolm.data.tables import iter_ctm

    data = DataDir.read(shared_data / "aligned_misc")
    data.ctm = [word for _, word in iter_ctm(shared_data / "aligned_misc/ctm.words")]
    errors = []
    for reco, words in data.words().items():
        found = {w.word.strip(".,").lower(): w for w in transcriber.transcribe([data.audio(reco, fs=FS)])[0]}
        errors += [abs(found[w.word.lower()].start - w.start) for w in words if w.word.lower() in found]
    assert len(errors) > 10 and np.mean(errors) < 0.2


@pytest.mark.slow
def test_a_loop_is_not_believed_and_heard_again(transcriber, shared_data, monkeypatch):
    data = DataDir.read(shared_data / "librispeech_test_other")
    wav = data.audio(list(data.recos)[0], fs=FS)
    (first,) = transcriber.hear([wav])
    monkeypatch.setattr(transcriber, "hear", lambda wavs: [first._replace(text="thank you " * 50)])
    (words,) = transcriber.transcribe([wav])
    assert words[0].word == first.words[0].word and "thank" not in [word.word for word in words]
    monkeypatch.setattr(transcriber, "hear_again", lambda wav: first._replace(text="thank you " * 50))
    (failure,) = transcriber.transcribe([wav])
    assert failure.reason.startswith("a loop") and not failure.silent


@pytest.mark.slow
def test_what_cannot_be_loaded_is_one_line(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(hub.socket, "create_connection", lambda *args: (_ for _ in ()).throw(OSError("no network")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    damaged, bare, theirs = tmp_path / "damaged", tmp_path / "bare", tmp_path / "theirs"
    for folder in (damaged, bare, theirs):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    for folder in (damaged, bare):
        (folder / "model.bin").write_bytes(b"nothing of the kind" * 9)
    (theirs / "model.safetensors").touch()
    shutil.copy(weights / "tokenizer.json", damaged)
    for model, language, message in (
        (str(weights), "de", "knows en only, and the language is to be 'de': take multilingual weights"),
        (str(damaged), "en", f"{damaged} is no Whisper of CTranslate2 that can be loaded: .*expected what"),
        (str(another(tmp_path / "other")), "en", "is no Whisper of CTranslate2 that can be loaded: .*expected what"),
        (str(bare), "en", f"{bare} holds no tokenizer.json"),
        (str(theirs), "en", "holds no model.bin but weights of transformers' layout: take the backend whisper"),
        ("medium", "en", "no Whisper model .*medium' in the cache .*and name its folder"),
        ("mediun", "en", "no Whisper model .*'mediun'.*did you mean 'medium'"),
    ):
        with pytest.raises(AudiolmError, match=message) as caught:
            FasterWhisper(model, language)
        assert "\n" not in str(caught.value)


def another(folder: Path) -> Path:
    """A language model in CTranslate2's layout, of zeros."""
    from ctranslate2.specs import TransformerDecoderModelSpec
    from ctranslate2.specs.model_spec import visit_spec

    def fill(part, name, value):
        if value is None:
            setattr(part, name.split("/")[-1], np.zeros((4, 4), np.float32))

    spec = TransformerDecoderModelSpec.from_config(1, 1)
    visit_spec(spec, fill)
    spec.register_vocabulary(["<s>", "</s>", "<unk>", "a"])
    folder.mkdir()
    spec.validate()
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text("{}")
    return folder
