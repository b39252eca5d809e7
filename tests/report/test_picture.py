import base64
import io
import re

import numpy as np
import pytest
import soundfile

from audiolm.report.picture import audio_uri, envelope_path, log_mel, mel_uri, png_uri


def content(uri: str, kind: str) -> bytes:
    assert uri.startswith(f"data:{kind};base64,")
    return base64.b64decode(uri.partition(",")[2])


def test_pictures_are_png_files_with_their_pixels():
    matplotlib = pytest.importorskip("matplotlib.image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    read = matplotlib.imread(io.BytesIO(content(png_uri(pixels), "image/png")), format="png")
    assert np.array_equal(np.round(read * 255).astype(np.uint8), pixels)


def test_sound_comes_back():
    wav = np.random.default_rng(0).uniform(-1, 1, (800, 2)).astype(np.float32)
    read, fs = soundfile.read(io.BytesIO(content(audio_uri(wav, 8000), "audio/flac")))
    assert fs == 8000 and np.abs(read - wav).max() < 1e-4


@pytest.mark.parametrize("fs", [8000, 24000])
def test_a_tone_is_where_its_frequency_is(fs):
    time = np.arange(fs) / fs
    for frequency in (200, 1000, 3000):
        mel = log_mel(np.sin(2 * np.pi * frequency * time), fs)
        assert mel.shape == (80, 101) and mel.max() == 0
        top = 2595 * np.log10(1 + fs / 2 / 700)
        expected = 2595 * np.log10(1 + frequency / 700) / top * 81 - 1
        assert mel[:, 50].argmax() == pytest.approx(expected, abs=1.1)
    assert content(mel_uri(np.zeros(fs), fs), "image/png")


def test_an_envelope_holds_the_extremes():
    wav = np.array([0.0, 1.0, -0.5, 0.0])
    path = envelope_path(wav, columns=2, width=20, top=10, height=4, scale=1.0)
    points = [tuple(map(float, point.split())) for point in re.findall(r"[\d.]+ [\d.]+", path)]
    assert points[:2] == [(5.0, 10.0), (15.0, 12.0)]  # 1.0 at the top of the box, 0.0 in its middle
    assert points[2] == (15.0, 13.4) and points[3] == (5.0, 12.4)


def test_an_envelope_of_few_samples_has_all_columns():
    path = envelope_path(np.array([0.5, -0.5]), columns=10, width=10, top=0, height=2, scale=1.0)
    assert path.count("L") == 19
