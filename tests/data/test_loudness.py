import numpy as np
import pytest

from audiolm.data.loudness import amplify, loudness


def test_levels_of_steady_sounds():
    square = np.sign(np.sin(np.arange(16000) / 5 + 0.1)).astype(np.float32)
    sine = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert loudness(square, 16000) == pytest.approx(0.0, abs=1e-6)
    assert loudness(0.1 * square, 16000) == pytest.approx(-20.0, abs=1e-5)
    assert loudness(sine, 16000) == pytest.approx(-3.01, abs=0.01)
    assert loudness(square[:100], 16000) == pytest.approx(0.0, abs=1e-6)


def test_pauses_do_not_count():
    """A plain RMS of one second of sound in ten would be 10 dB less."""
    rng = np.random.default_rng(0)
    wav = np.concatenate([0.1 * rng.standard_normal(16000), 0.001 * rng.standard_normal(9 * 16000)])
    assert loudness(wav, 16000) == pytest.approx(-20.0, abs=1.5)


def test_silence_has_no_level():
    for wav in (np.zeros(16000), np.full(16000, 5e-4), np.zeros(0)):
        assert loudness(wav, 16000) == -np.inf


def test_amplified_sounds_do_not_clip():
    wav = np.array([0.1, -0.5], dtype=np.float32)
    assert amplify(wav, 6.0206) == pytest.approx([0.2, -1.0], abs=1e-4)
    assert amplify(wav, 40.0) == pytest.approx([0.2, -1.0], abs=1e-6)
    assert amplify(wav, -20.0) == pytest.approx([0.01, -0.05], abs=1e-6)
    assert not amplify(np.zeros(3, dtype=np.float32), 20.0).any() and len(amplify(np.zeros(0, np.float32), 3.0)) == 0
