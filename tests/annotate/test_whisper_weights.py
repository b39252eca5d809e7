"""Whisper with real weights: AUDIOLM_WEIGHTS names a folder that holds whisper-tiny.en in transformers' layout."""

import os
from pathlib import Path

import numpy as np
import pytest

from audiolm.annotate.timed import Failure, Partial
from audiolm.data.datadir import DataDir

pytestmark = pytest.mark.slow
FS = 16000


@pytest.fixture(scope="module")
def transcriber():
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / "whisper-tiny.en"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("AUDIOLM_WEIGHTS names no folder with whisper-tiny.en")
    pytest.importorskip("whisper")
    from audiolm.annotate.whisper_batched import WhisperBatched

    return WhisperBatched(str(folder), "en", batch=8)


@pytest.fixture(scope="module")
def clips(shared_data):
    """Six utterances of unequal length, with their texts."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    wavs = {reco: data.audio(reco, fs=FS) for reco in list(data.recos)[::6]}
    chosen = sorted(wavs, key=lambda reco: len(wavs[reco]))[::2][:6]
    assert len(wavs[chosen[-1]]) > 2 * len(wavs[chosen[0]])
    return [(wavs[reco], data.text[reco]) for reco in chosen]


def test_a_stretch_is_heard_in_a_batch_as_it_is_alone(transcriber, clips):
    wavs = [wav for wav, _ in clips]
    right = words = 0
    for (wav, text), together in zip(clips, transcriber.transcribe(wavs), strict=True):
        (alone,) = transcriber.transcribe([wav])
        assert not isinstance(together, Failure), together
        assert [word.word for word in together] == [word.word for word in alone]
        times = [[(word.start, word.end) for word in found] for found in (together, alone)]
        np.testing.assert_allclose(times[0], times[1], atol=0.02)
        edges = [edge for word in together for edge in (word.start, word.end)]
        assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= len(wav) / FS
        assert all(word.end - word.start >= 0.02 - 1e-9 for word in together)
        spread = [word.start for word in together]
        assert spread[-1] - spread[0] > 0.5 * len(wav) / FS  # not crowded at one instant
        heard = {word.word.strip(".,!?").upper() for word in together}
        right, words = right + sum(word in heard for word in text.split()), words + len(text.split())
    assert right > 0.75 * words


def test_a_rest_that_is_no_use_does_not_cost_the_sentences_before_it(transcriber, shared_data):
    """The model stops a second before the end of each stretch; what is left there, by itself, is but a guess."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    wav = np.concatenate([data.audio(reco, fs=FS) for reco in data.recos])
    for start, end, least in ((435.856, 458.636, 45), (170.004, 190.0, 35)):
        (found,) = transcriber.transcribe([wav[round(start * FS) : round(end * FS)]])
        words = found.words if isinstance(found, Partial) else found
        assert not isinstance(found, Failure) and len(words) >= least, found


def test_words_are_where_they_are_said(transcriber, shared_data):
    from audiolm.data.tables import iter_ctm

    data = DataDir.read(shared_data / "aligned_misc")
    data.ctm = [word for _, word in iter_ctm(shared_data / "aligned_misc/ctm.words")]
    errors = []
    for reco, words in data.words().items():
        found = {w.word.strip(".,").lower(): w for w in transcriber.transcribe([data.audio(reco, fs=FS)])[0]}
        errors += [abs(found[w.word.lower()].start - w.start) for w in words if w.word.lower() in found]
    assert len(errors) > 10 and np.mean(errors) < 0.2


def test_compounds_are_whole(transcriber):
    from audiolm.annotate.attention import words_of

    tokenizer = transcriber.processor.tokenizer
    text = " The cold-hearted man, at 5 a.m., said uh-huh."
    words = words_of(tokenizer, tokenizer(text, add_special_tokens=False).input_ids)
    assert [word for word, _, _ in words] == text.split()


def test_music_gives_no_loop_and_no_word_without_length(transcriber, shared_data):
    data = DataDir.read(shared_data / "piano_maps")
    wav = data.audio(next(iter(data.recos)), fs=FS)
    for found in transcriber.transcribe([wav[: int(0.7 * FS)], wav[: 12 * FS], np.zeros(5 * FS, dtype=np.float32)]):
        if not isinstance(found, Failure):
            words = found.words if isinstance(found, Partial) else found
            assert len(words) <= 3 and all(word.end > word.start for word in words)
