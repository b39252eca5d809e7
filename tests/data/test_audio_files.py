"""Audio files: exact samples, windows that fit together at any rate, and one line for each way a file can be bad."""

import io
import os
import resource

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audiolm.data import audio
from audiolm.data.files import CannotWrite
from audiolm.errors import AudiolmError

NOISE = np.random.default_rng(0).normal(0, 0.1, 24000).astype(np.float32)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """One second and a half of noise at 16 kHz."""
    path = tmp_path_factory.mktemp("audio") / "noise.flac"
    audio.write(path, NOISE, 16000)
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sixteen_bit_samples_come_back(tmp_path, suffix):
    wav = np.random.default_rng(1).integers(-(2**15), 2**15, (500, 2)).astype(np.float32) / 2**15
    audio.write(tmp_path / f"x{suffix}", wav, 8000)
    assert audio.info(tmp_path / f"x{suffix}") == audio.Info(8000, 500, 2)
    for channel in (0, 1):
        assert np.array_equal(audio.read(tmp_path / f"x{suffix}", channel=channel), wav[:, channel])
    mix = audio.read(tmp_path / f"x{suffix}", channel="mix")
    assert mix.dtype == np.float32 and np.allclose(mix, wav.mean(axis=1))


def test_what_is_too_loud_is_clipped(tmp_path):
    audio.write(tmp_path / "x.wav", np.array([2.0, -2.0, 0.5]), 8000)
    assert np.allclose(audio.read(tmp_path / "x.wav"), [1.0, -1.0, 0.5], atol=1e-4)


@given(first=st.integers(0, 23990), length=st.integers(1, 24000))
def test_windows_are_slices(noise, first, length):
    length = min(length, 24000 - first)
    window = audio.read(noise, start=first / 16000, duration=length / 16000)
    assert np.array_equal(window, audio.read(noise)[first : first + length])


@pytest.mark.parametrize("fs", [8000, 11025, 22050, 24000, 44100, 48000])
@given(st.floats(0, 1.4), st.floats(0.01, 0.1))
def test_resampled_windows_are_slices_of_the_resampled_whole(noise, fs, start, duration):
    whole = audio.read(noise, fs=fs)
    first, last = round(start * fs), round((start + duration) * fs)
    window = audio.read(noise, start=start, duration=duration, fs=fs)
    assert len(window) == last - first
    assert np.abs(window - whole[first:last]).max() < 1e-4
    rest = audio.read(noise, start=start, fs=fs)
    assert abs(len(rest) - (len(whole) - first)) <= 1


def test_resampling_keeps_time_and_frequency():
    time = np.arange(16000) / 16000
    out = audio.resample(np.sin(2 * np.pi * 440 * time).astype(np.float32), 16000, 24000)
    expected = np.sin(2 * np.pi * 440 * np.arange(24000) / 24000)
    assert len(out) == 24000 and np.abs(out - expected)[500:-500].max() < 1e-4


@pytest.mark.parametrize(("start", "duration"), [(1.6, None), (1.0, 0.6), (-0.1, 0.5), (0.5, 0.0), (0.5, -1)])
def test_windows_outside_are_refused(noise, start, duration):
    with pytest.raises(AudiolmError, match=r"noise.flac lasts 1.500 s; the window from .* is not inside"):
        audio.read(noise, start=start, duration=duration)


def test_a_window_may_overshoot_by_rounding(noise):
    assert len(audio.read(noise, start=1.0, duration=0.505)) == 8000


def encoded(kind="WAV", subtype="PCM_16", samples=NOISE, fs=8000):
    file = io.BytesIO()
    soundfile.write(file, samples, fs, format=kind, subtype=subtype)
    return file.getvalue()


def shortened():
    """The header of a SPHERE file with shorten compression, as LDC's older corpora have it."""
    fields = "sample_count -i 8000\nchannel_count -i 2\nsample_coding -s26 ulaw,embedded-shorten-v2.00\nend_head\n"
    return f"NIST_1A\n   1024\n{fields}".encode().ljust(1024) + b"ajkg" + bytes(500)


def nan_filled():
    return encoded(subtype="FLOAT", samples=np.full(800, np.nan, np.float32))


TRUNCATED = {
    "flac": encoded("FLAC")[:9000],
    "wav": encoded()[:9000],
    "float wav": encoded(subtype="FLOAT")[:9000],
    "wavex": encoded("WAVEX")[:9000],
    "aiff": encoded("AIFF")[:9000],
    "au": encoded("AU")[:9000],
    "rf64": encoded("RF64")[:9000],
    "w64": encoded("W64")[:9000],
    "sphere": encoded("NIST")[:9000],
    "mp3": encoded("MP3", "MPEG_LAYER_III")[:4000],
    "vorbis": encoded("OGG", "VORBIS")[:-5000],
}


@pytest.mark.parametrize("kind", TRUNCATED)
@pytest.mark.parametrize("fs", [None, 16000])
def test_truncated_files(tmp_path, kind, fs):
    (tmp_path / "x").write_bytes(TRUNCATED[kind])
    with pytest.raises(AudiolmError, match=r"x is truncated|x has no samples|x is not audio"):
        audio.read(tmp_path / "x", fs=fs)


def test_the_sound_part_of_a_truncated_flac_is_readable(tmp_path):
    (tmp_path / "x.flac").write_bytes(encoded("FLAC")[:20000])
    assert len(audio.read(tmp_path / "x.flac", duration=0.5)) == 4000
    with pytest.raises(AudiolmError, match="truncated or damaged"):
        audio.read(tmp_path / "x.flac", start=2.5)


BAD = {
    "empty": (b"", "is empty (0 bytes)"),
    "text": (b"not audio at all\n" * 9, "libsndfile reads: it is text that begins with 'not audio at all not audio at"),
    "something": (bytes(range(1, 200)), "is not audio that libsndfile reads: Format not recognised"),
    "shorten": (shortened(), "is SPHERE with shorten compression, which libsndfile does not decode; convert it with"),
    "header only": (encoded()[:20], "is not audio"),
    "no samples": (encoded(samples=np.zeros(0, np.float32)), "has no samples"),
    "nan": (nan_filled(), "has NaN or infinite samples"),
    "inf": (encoded(subtype="DOUBLE", samples=np.full(8, np.inf)), "has NaN or infinite samples"),
    "three channels": (encoded(samples=np.zeros((80, 3))), "has 3 channels, expected one"),
    "wrong rate": (encoded(fs=11025), "has 11025 Hz, expected 8000 Hz"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_give_one_line(tmp_path, kind):
    content, reason = BAD[kind]
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(AudiolmError) as error:
        audio.read(tmp_path / "x.wav", expect_fs=8000)
    assert str(tmp_path / "x.wav") in str(error.value) and reason in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_folders_and_queues_do_not_hang(tmp_path):
    with pytest.raises(AudiolmError, match="cannot read audio .*none.wav: No such file"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(AudiolmError, match="not a regular file"):
        audio.read(tmp_path)
    os.mkfifo(tmp_path / "queue.wav")
    with pytest.raises(AudiolmError, match="not a regular file"):
        audio.info(tmp_path / "queue.wav")


def test_a_flac_of_unknown_length_is_refused(tmp_path):
    content = bytearray(encoded("FLAC"))
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count samples
    content[22:26] = bytes(4)
    (tmp_path / "x.flac").write_bytes(content)
    with pytest.raises(AudiolmError, match="gives no length .written to a pipe"):
        audio.read(tmp_path / "x.flac")


def test_wavs_written_to_a_pipe_are_read(tmp_path):
    content = bytearray(encoded())
    for place in (4, 40):  # sizes of RIFF and data, as sox leaves them
        content[place : place + 4] = (0x7FFFFFFF).to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(content)
    assert len(audio.read(tmp_path / "x.wav")) == 24000


def test_pipes(noise):
    pipe = f"cat {noise} |"
    with pytest.raises(AudiolmError, match="is a pipe, which runs a shell"):
        audio.read(pipe)
    assert np.array_equal(audio.read(pipe, allow_pipes=True), audio.read(noise))
    with pytest.raises(AudiolmError, match=r"pipe '.*' failed \(status 1\): .*No such file"):
        audio.read("cat /nowhere.wav |", allow_pipes=True)
    with pytest.raises(AudiolmError, match=r"failed \(status 0\): no output"):
        audio.read("true |", allow_pipes=True)
    assert audio.info("cat /dev/stdin | cat /work/none || true; cat " + f"{noise} |", allow_pipes=True).frames == 24000


@pytest.mark.parametrize(
    ("name", "wav", "reason"),
    [
        ("x.wav", np.zeros(0), "shape (0,)"),
        ("x.wav", np.zeros((1, 2, 3)), "shape (1, 2, 3)"),
        ("x.flac", np.array([0.0, np.nan]), "NaN or infinite"),
        ("x.mp3", np.zeros(10), "suffix '.mp3', expected one of .flac, .wav"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, wav, reason):
    with pytest.raises(AudiolmError, match="cannot write") as error:
        audio.write(tmp_path / name, wav, 8000)
    assert reason in str(error.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fs", [8000, 16000, 24000])
def test_convert_is_read_and_write(noise, tmp_path, fs, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK_SECONDS", 1)
    count = audio.convert(str(noise), {tmp_path / "x.flac": 0, tmp_path / "y.flac": "mix"}, fs)
    whole = audio.read(noise, fs=fs)
    assert count == len(whole)
    for name in ("x", "y"):
        assert np.abs(audio.read(tmp_path / f"{name}.flac") - whole).max() < 1e-4


def test_convert_leaves_nothing_of_a_bad_file(tmp_path):
    (tmp_path / "x.flac").write_bytes(TRUNCATED["flac"])
    with pytest.raises(AudiolmError, match="truncated"):
        audio.convert(str(tmp_path / "x.flac"), {tmp_path / "y.flac": 0}, 8000)
    assert [file.name for file in tmp_path.iterdir()] == ["x.flac"]


def test_a_full_disk_stops_the_work_and_leaves_nothing(noise, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, hard))
    try:
        with pytest.raises(CannotWrite, match="cannot write .*y.flac: File too large"):
            audio.convert(str(noise), {tmp_path / "y.flac": 0}, 16000)
        with pytest.raises(CannotWrite, match="cannot write .*z.wav"):
            audio.write(tmp_path / "z.wav", NOISE, 16000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["telephone_2ch", "sonnet001", "ami_clips", "ljspeech", "fsdd"])
def test_real_recordings(shared_data, folder):
    path = next(file for file in sorted((shared_data / folder).rglob("*")) if file.suffix in (".flac", ".wav", ".mp3"))
    header = audio.info(path)
    wav = audio.read(path, channel="mix")
    assert len(wav) == header.frames and 0.001 < np.abs(wav).max() <= 1.0
    window = audio.read(path, start=0.1, duration=0.15, channel="mix")
    first = round(0.1 * header.fs)
    tolerance = 0.02 if path.suffix == ".mp3" else 0.0  # an MP3 decoder starts over within a window
    assert np.abs(window - wav[first : first + len(window)]).max() <= tolerance
