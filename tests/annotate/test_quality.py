"""Measures of audio against what was done to it."""

import numpy as np
import pytest

from audiolm.annotate.quality import MOST_SNR, Dnsmos, bandwidth, clipping, signal_to_noise, speech_share
from audiolm.data import audio

FS = 16000
RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal(4 * FS).astype(np.float32)


def test_clipping_counts_flat_tops_only():
    tone = np.sin(2 * np.pi * 100 * np.arange(FS) / FS).astype(np.float32)
    assert clipping(tone) < 0.1 and clipping(0.1 * NOISE) == 0 and clipping(np.zeros(100)) == 0
    clipped = np.clip(2 * tone, -1, 1)  # two thirds of a sine of twice the height are beyond the ceiling
    assert clipping(clipped) == pytest.approx(2 / 3, abs=0.02)
    assert clipping(0.3 * clipped) == pytest.approx(2 / 3, abs=0.02)  # and made softer afterwards


def test_bandwidth_of_what_was_upsampled():
    assert bandwidth(NOISE, FS) > 7900
    telephone = audio.resample(audio.resample(NOISE, FS, 8000), 8000, 48000)
    assert 3600 < bandwidth(telephone, 48000) < 4300
    assert bandwidth(np.zeros(100), FS) == 0


@pytest.mark.parametrize("ratio", [0, 10, 30])
def test_signal_to_noise_is_what_was_mixed(ratio):
    wav = 0.01 * NOISE.copy()
    wav[FS : 3 * FS] += 0.01 * 10 ** (ratio / 20) * RNG.standard_normal(2 * FS).astype(np.float32)
    assert signal_to_noise(wav, FS, [(1.0, 3.0)]) == pytest.approx(ratio, abs=0.5)


def test_signal_to_noise_needs_speech_and_pauses():
    assert signal_to_noise(NOISE, FS, []) is None and signal_to_noise(NOISE, FS, [(0.0, 3.9)]) is None
    wav = np.where(np.arange(4 * FS) < FS, 0, NOISE)
    assert signal_to_noise(wav, FS, [(1.0, 4.0)]) == MOST_SNR
    assert speech_share([(0.0, 1.0), (2.0, 3.0)], 4.0) == 0.5


def test_dnsmos_prefers_clean_speech(shared_data):
    pytest.importorskip("onnxruntime")
    from audiolm.data.datadir import DataDir

    data = DataDir.read(shared_data / "librispeech_clean_misc")
    wav = data.audio(data.recos[0], fs=FS)
    noisy = wav + 0.5 * np.sqrt(np.mean(wav**2)) * np.resize(NOISE, len(wav))
    measure = Dnsmos()
    assert 1 < measure(noisy, FS) + 0.5 < measure(wav, FS) < 5
