"""Each change of the user's channel by itself, and how often each happens."""

import numpy as np
import pytest

from audiolm.data import augment
from audiolm.data.augment import as_heard

FS = 8000
USER = np.sin(np.arange(4 * FS) / 9).astype(np.float32) / 8
MAIN = np.zeros(4 * FS, np.float32)
MAIN[FS] = 1.0  # a click


def dry(wav, fs, rng):
    return wav


def heard(**ranges) -> list[np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ranges.items():
            patch.setattr(augment, name, value)
        return [as_heard(USER, MAIN, FS, np.random.default_rng(seed)) for seed in range(100)]


def test_changes_are_as_frequent_as_they_should_be():
    plain = sum(np.array_equal(wav, USER) for wav in heard())
    assert plain / 100 == pytest.approx(0.5 * 0.7 * 0.7, abs=0.12)
    assert all(wav.dtype == np.float32 and wav.shape == USER.shape and abs(wav).max() <= 1 for wav in heard())
    assert np.array_equal(heard()[7], heard()[7])


def test_gain_is_of_the_range():
    wavs = heard(NOISE=(-300, -300), ECHO=(0, 0), _room=dry, GAIN=(6, 6))
    gains = [np.sqrt(np.square(wav).mean() / np.square(USER).mean()) for wav in wavs]
    assert sum(1.9 < gain < 2.3 for gain in gains) / 100 == pytest.approx(0.5, abs=0.15)
    assert sum(0.9 < gain < 1.2 for gain in gains) / 100 == pytest.approx(0.5, abs=0.15)


def test_noise_has_its_level_and_its_silences():
    wavs = heard(GAIN=(0, 0), ECHO=(0, 0), _room=dry, NOISE=(-10, -10), NOISE_SECONDS=(1, 1))
    powers = [np.square(wav - USER).reshape(4, FS).mean(axis=1) / np.square(USER).mean() for wav in wavs]
    sounding = np.array([power for power in powers if 0.05 < power.max() < 0.2])
    assert 15 < len(sounding) < 40
    loud = sounding > 0.05
    assert 0.3 < loud.mean() < 0.8 and sounding[loud] == pytest.approx(0.1, rel=0.3)


def test_the_main_speaker_echoes_at_its_delay():
    wavs = heard(GAIN=(0, 0), NOISE=(-300, -300), ECHO=(0.2, 0.2), ECHO_DELAY=(0.25, 0.25), _room=dry)
    echoing = [wav - USER for wav in wavs if (wav - USER)[FS + FS // 4] > 0.1]
    assert 15 < len(echoing) < 45


def test_silence_stays_silence_and_short_recordings_pass():
    silent = np.zeros(FS, np.float32)
    assert not any(as_heard(silent, silent, FS, np.random.default_rng(seed)).any() for seed in range(20))
    for samples in (1, 10):
        short = as_heard(USER[:samples], MAIN[:samples], FS, np.random.default_rng(4))
        assert len(short) == samples
