"""Speaker embeddings: like Resemblyzer's, and good for telling real people apart."""

import numpy as np
import pytest

from audiolm.annotate.embeddings import ResemblyzerEncoder
from audiolm.data.datadir import DataDir


@pytest.fixture(scope="module")
def encoder():
    return ResemblyzerEncoder()


@pytest.fixture(scope="module")
def readers(shared_data):
    """Speaker -> two of that person's utterances, float32 at 16 kHz."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    return {
        spk: [data.audio(utt, duration=6.0 if data.duration(utt) > 6 else None) for utt in utts[:2]]
        for spk, utts in data.spk2utt().items()
    }


@pytest.mark.filterwarnings("ignore")
def test_parity_with_resemblyzer(encoder, readers):
    resemblyzer = pytest.importorskip("resemblyzer", reason="its webrtcvad needs setuptools < 81")
    wav = readers["1688"][0][:32000]
    theirs = resemblyzer.VoiceEncoder("cpu", verbose=False)
    mel = resemblyzer.wav_to_mel_spectrogram(wav)
    np.testing.assert_allclose(encoder.mel(wav).numpy(), mel, atol=1e-5)
    loud = wav * (10 ** (-30 / 20) / np.sqrt(np.mean(wav**2)))  # above the level that both leave alone
    expected = theirs.embed_utterance(loud * 1.001, return_partials=True)[1]
    ours = encoder.embed(loud * 1.001, 16000, [(0.0, 1.6)])
    np.testing.assert_allclose(ours[0], expected[0], atol=2e-3)


def test_rows_have_length_one_and_order_does_not_matter(encoder, readers):
    wav = readers["1998"][0]
    regions = [(0.0, 1.2), (1.0, 1.5), (0.4, 1.6), (len(wav) / 16000 - 0.3, len(wav) / 16000 + 1)]
    rows = encoder.embed(wav, 16000, regions)
    assert rows.shape == (4, encoder.dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.embed(wav, 16000, regions[::-1])[::-1], rows, atol=1e-5)
    assert encoder.embed(wav, 16000, []).shape == (0, encoder.dim)


def test_quiet_speech_gives_the_same_rows(encoder, readers):
    wav = readers["2033"][0]
    loud, quiet = (encoder.embed(gain * wav, 16000, [(0.5, 2.1)])[0] for gain in (0.1, 0.001))
    np.testing.assert_allclose(quiet, loud, atol=1e-3)


def test_utterances_of_one_person_are_nearer_than_those_of_two_on_average(encoder, readers):
    rows = {
        spk: [encoder.embed(wav, 16000, [(0.0, len(wav) / 16000)])[0] for wav in wavs] for spk, wavs in readers.items()
    }
    same = [first @ second for first, second in rows.values()]
    others = [a @ b for x, (a, _) in rows.items() for y, (b, _) in rows.items() if x < y]
    assert np.mean(same) > np.mean(others) + 0.1
