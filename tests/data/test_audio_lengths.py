"""Files whose headers do not say how long they are: read to their true end, or refused with the reason."""

import io
import struct

import numpy as np
import pytest
import soundfile

from audiolm.data import audio, mp3
from audiolm.errors import AudiolmError

TONE = (0.3 * np.sin(np.arange(48000) * 0.2)).astype(np.float32)  # 3 s at 16 kHz
HISS = np.random.default_rng(0).normal(0, 0.2, 48000).astype(np.float32)
SAMPLES = (HISS * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2")


def encoded(wav, kind, subtype=None, fs=16000, **options):
    file = io.BytesIO()
    soundfile.write(file, wav, fs, format=kind, subtype=subtype, **options)
    return file.getvalue()


def mp3_of(wav, mode="VARIABLE", fs=16000):
    return encoded(wav, "MP3", "MPEG_LAYER_III", fs, bitrate_mode=mode, compression_level=0.3)


def without_info(content):
    return content[mp3.SIZES[content[1] << 8 | content[2]] :]


def frames_of(content):
    """MPEG frames by the plainest count: each begins where the one before ends."""
    place = count = 0
    while place < len(content):
        place += mp3.SIZES[content[place + 1] << 8 | content[place + 2]]
        count += 1
    assert place == len(content)
    return count


def id3(size):
    parts = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + parts + b"\xff\xfb\x90" + bytes(size - 3)


def test_bytes_of_mpeg_frames():
    assert mp3.frame_bytes(0xFB, 0x90) == 417  # 128 kbit/s at 44.1 kHz
    assert mp3.frame_bytes(0xFB, 0x92) == 418  # padded
    assert mp3.frame_bytes(0xF3, 0x48) == 144  # 32 kbit/s at 16 kHz
    assert mp3.frame_bytes(0xE3, 0x18) == 72  # 8 kbit/s at 8 kHz, version 2.5
    for none in ((0xFD, 0x90), (0xFB, 0xF0), (0xFB, 0x00), (0xFB, 0x9C), (0xEB, 0x90), (0x1B, 0x90)):
        assert mp3.frame_bytes(*none) == 0  # layer II, bad, free and reserved ones, no sync


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("fs", "samples"), [(8000, 576), (24000, 576), (44100, 1152)])
def test_an_mp3_without_its_first_frame_is_as_long_as_its_frames(tmp_path, mode, channels, fs, samples):
    wav = np.stack([np.concatenate([HISS, 0 * TONE])] * channels, axis=1)
    content = without_info(mp3_of(wav, mode, fs))
    (tmp_path / "x.mp3").write_bytes(id3(30000) + content + b"TAG" + bytes(125))
    assert audio.info(tmp_path / "x.mp3") == audio.Info(fs, frames_of(content) * samples - 529, channels)
    heard = audio.read(tmp_path / "x.mp3", channel=0)
    assert len(heard) == frames_of(content) * samples - 529  # the delay of the decoder
    assert np.abs(heard[1500:46000]).max() > 0.3 and np.abs(heard[60000:]).max() < 0.1


def test_two_mp3s_in_one_file_are_both_heard(tmp_path):
    one, two = mp3_of(0 * TONE), mp3_of(TONE[:16000])
    (tmp_path / "x.mp3").write_bytes(one + id3(5000) + two)
    heard = audio.read(tmp_path / "x.mp3")
    assert abs(len(heard) - 64000) < 4 * 576
    assert np.abs(heard[:44000]).max() < 0.01 and np.abs(heard[52000:62000]).max() > 0.25


def test_mp3s_that_agree_with_their_first_frame_are_not_walked(tmp_path, monkeypatch):
    (tmp_path / "x.mp3").write_bytes(id3(100) + mp3_of(TONE) + b"TAG" + bytes(125))
    monkeypatch.setattr(mp3, "_walk", lambda *_: pytest.fail("walked"))
    assert audio.info(tmp_path / "x.mp3").frames == 48000


def test_mp3s_of_two_kinds_and_truncated_ones_are_refused(tmp_path):
    path = tmp_path / "x.mp3"
    for other in (mp3_of(TONE, fs=24000), mp3_of(np.stack([TONE, TONE], axis=1)), mp3_of(TONE, fs=44100)):
        path.write_bytes(mp3_of(TONE) + other)
        with pytest.raises(AudiolmError, match="x.mp3 holds sound of several rates or numbers of channels"):
            audio.info(path)
    path.write_bytes(mp3_of(HISS)[:-6000])
    with pytest.raises(AudiolmError, match=r"x.mp3 is truncated: its header promises \d+ MPEG frames"):
        audio.info(path)


def test_blocks_of_an_mp3_fit_together(tmp_path, monkeypatch):
    wav = np.tile(np.concatenate([HISS[:12000], 0 * TONE[:12000]]), 8)
    (tmp_path / "x.mp3").write_bytes(mp3_of(wav))
    whole = audio.read(tmp_path / "x.mp3")
    monkeypatch.setattr(audio, "BLOCK_SECONDS", 1)
    audio.convert(str(tmp_path / "x.mp3"), {tmp_path / "x.wav": 0}, 16000)
    assert np.abs(audio.read(tmp_path / "x.wav") - whole).max() < 1e-4


CHAINS = {"vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}


@pytest.mark.parametrize("kind", CHAINS)
@pytest.mark.parametrize("second", [TONE, HISS[:9000]])
def test_a_second_stream_is_told(tmp_path, kind, second):
    path = tmp_path / "x"
    one = encoded(TONE, *CHAINS[kind])
    path.write_bytes(one)
    assert audio.convert(str(path), {tmp_path / "y.flac": 0}, 16000) == 48000
    path.write_bytes(one + (one if kind != "flac" else encoded(second, *CHAINS[kind])))  # Ogg: one serial number
    with pytest.raises(AudiolmError, match="x holds several streams, one behind the other"):
        audio.convert(str(path), {tmp_path / "z.flac": 0}, 16000)
    with pytest.raises(AudiolmError, match="holds several streams"):
        audio.read(f"cat {path} |", allow_pipes=True)
    assert not (tmp_path / "z.flac").exists()


@pytest.mark.parametrize("kind", ["vorbis", "opus"])
def test_a_chain_of_ogg_streams_is_read_as_one(tmp_path, kind, monkeypatch):
    path = tmp_path / "x.ogg"
    parts = [encoded(wav, *CHAINS[kind]) for wav in (TONE, HISS[:9000], 0.5 * TONE[:20000])]
    alone = []
    for part in parts:
        path.write_bytes(part)
        alone.append(audio.read(path))
    path.write_bytes(b"".join(parts))
    whole = np.concatenate(alone)
    assert audio.info(path) == audio.Info(16000, 77000, 1) and len(whole) == 77000
    assert np.array_equal(audio.read(path), whole)
    assert np.array_equal(audio.read(f"cat {path} |", allow_pipes=True), whole)
    with audio.opened(str(path)) as file:
        for first, last in [(0, 10), (50000, 60000), (47990, 57010), (57000, 77000), (100, 100)]:
            assert np.abs(file.window(first, last)[:, 0] - whole[first:last]).max(initial=0) < 2e-3
    monkeypatch.setattr(audio, "BLOCK_SECONDS", 1)
    assert audio.convert(str(path), {tmp_path / "y.wav": 0}, 16000) == 77000
    assert np.abs(audio.read(tmp_path / "y.wav") - whole).max() < 1e-4


def test_chains_that_are_no_one_recording_are_refused(tmp_path):
    path = tmp_path / "x.ogg"
    for fs, wav, told in [(8000, TONE, "8000 Hz with 1 "), (16000, np.stack([TONE, TONE], 1), "16000 Hz with 2 ")]:
        path.write_bytes(encoded(TONE, "OGG", "VORBIS") + encoded(wav, "OGG", "VORBIS", fs))
        with pytest.raises(AudiolmError, match=f"x.ogg holds 2 streams .*{told}"):
            audio.info(path)
    one, two = encoded(TONE, "OGG", "VORBIS"), encoded(HISS, "OGG", "VORBIS")
    path.write_bytes(one + b"junk" + two)
    with pytest.raises(AudiolmError, match=f"x.ogg is damaged: .* byte {len(one)} belongs to none"):
        audio.info(path)
    path.write_bytes(one + two[:-3000])
    with pytest.raises(AudiolmError, match="x.ogg is truncated: its last page is missing"):
        audio.info(path)


def caf_of(samples, count, after=b""):
    description = struct.pack(">d4s5I", 16000.0, b"lpcm", 2, 2, 1, 1, 16)  # little endian
    chunks = b"desc" + struct.pack(">q", 32) + description + b"free" + struct.pack(">q", 8) + bytes(8)
    return b"caff\0\1\0\0" + chunks + b"data" + struct.pack(">q", count) + bytes(4) + samples + after


INFO = b"info" + struct.pack(">q", 6000) + bytes(6000)


@pytest.mark.parametrize(
    ("count", "after"), [(96004, b""), (96004, INFO), (96004, INFO + bytes(9)), (-1, b""), (0, b"")]
)
def test_cafs_that_count_right_or_nothing_are_read_to_their_end(tmp_path, count, after):
    (tmp_path / "x.caf").write_bytes(caf_of(SAMPLES.tobytes(), count, after))
    assert np.array_equal(audio.read(tmp_path / "x.caf"), SAMPLES / np.float32(2**15))
    window = audio.read(f"cat {tmp_path / 'x.caf'} |", start=1.0, duration=0.5, allow_pipes=True)
    assert np.array_equal(window, SAMPLES[16000:24000] / np.float32(2**15))


@pytest.mark.parametrize(
    ("samples", "count", "message"),
    [
        (SAMPLES, 32004, r"holds more than its header counts: 1.000 s of samples, 2.000 s follow behind them"),
        (SAMPLES, 96014, "is truncated: its header promises 96014 bytes of samples, 96004 are there"),
        (SAMPLES[:0], 4, "has no samples"),
        (SAMPLES[:0], -1, "has no samples"),
    ],
)
def test_cafs_that_count_wrongly_are_refused(tmp_path, samples, count, message):
    (tmp_path / "x.caf").write_bytes(caf_of(samples.tobytes(), count))
    with pytest.raises(AudiolmError, match=f"x.caf {message}"):
        audio.info(tmp_path / "x.caf")


def test_a_flac_that_holds_more_than_it_counts_is_refused(tmp_path):
    content = bytearray(encoded(np.tile(HISS, 4), "FLAC"))
    content[22:26] = (48000).to_bytes(4, "big")  # STREAMINFO's samples
    (tmp_path / "x.flac").write_bytes(content)
    with pytest.raises(AudiolmError, match="x.flac holds more than its header counts"):
        audio.read(tmp_path / "x.flac")


def wav_of(samples, count, before=b"", after=b"", kind=b"RIFF"):
    order = ">" if kind == b"RIFX" else "<"
    form = struct.pack(f"{order}HHIIHH", 1, 1, 16000, 32000, 2, 16)
    data = b"data" + struct.pack(f"{order}I", count % 2**32) + samples + after
    head = b"fmt " + struct.pack(f"{order}I", 16) + form + before
    return kind + struct.pack(f"{order}I", (4 + len(head) + 8 + count) % 2**32) + b"WAVE" + head + data


LIST = b"LIST" + struct.pack("<I", 5000) + bytes(5000)


@pytest.mark.parametrize("count", [0, 96000, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_wavs_that_count_nothing_or_what_no_file_has(tmp_path, count):
    (tmp_path / "x.wav").write_bytes(wav_of(SAMPLES.tobytes(), count, before=LIST))
    assert np.array_equal(audio.read(tmp_path / "x.wav"), SAMPLES / np.float32(2**15))
    window = audio.read(tmp_path / "x.wav", start=1.0, duration=0.5)
    assert np.array_equal(window, SAMPLES[16000:24000] / np.float32(2**15))


def test_a_wav_that_counts_less_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "x.wav"
    for kind in (b"RIFF", b"RIFX"):
        path.write_bytes(wav_of(SAMPLES.tobytes(), 32000, kind=kind))
        with pytest.raises(AudiolmError, match=r"x.wav holds more than its header counts: .* follow behind them"):
            audio.info(path)
    path.write_bytes(wav_of(SAMPLES[:16001].tobytes()[:-1], 32001, after=b"\0" + LIST + b"TAG" + bytes(125)))
    assert audio.info(path).frames == 16000  # chunks and a tag behind the samples are no samples
    path.write_bytes(wav_of(b"", 0, after=LIST))
    with pytest.raises(AudiolmError, match="has no samples"):
        audio.info(path)


@pytest.mark.parametrize("after", [b"", LIST])
def test_a_wav_above_four_gibibytes_is_read_to_its_end(tmp_path, after):
    path = tmp_path / "x.wav"
    count = 2**32 + 64000
    with open(path, "wb") as file:  # a hole: it takes no room on the disk
        file.write(wav_of(b"", count))
        file.seek(44 + count - 96000)
        file.write(SAMPLES.tobytes() + after)
    assert audio.info(path) == audio.Info(16000, count // 2, 1)
    assert np.array_equal(audio.read(path, start=count / 32000 - 3.0), SAMPLES / np.float32(2**15))


@pytest.mark.parametrize("kind", ["AU"])
def test_other_containers_that_hold_more_than_they_count(tmp_path, kind):
    (tmp_path / "x").write_bytes(encoded(HISS, kind, "PCM_16") + bytes(70000))
    with pytest.raises(AudiolmError, match="x holds more than its header counts: 48000 samples"):
        audio.info(tmp_path / "x")


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "GSM610"), ("AU", "G721_32"), ("AU", "G723_24")])
def test_codings_that_cannot_seek_are_read_from_their_start(tmp_path, kind, subtype, monkeypatch):
    (tmp_path / "x").write_bytes(encoded(TONE, kind, subtype, 8000))
    whole = audio.read(tmp_path / "x")
    assert len(whole) >= 48000
    assert np.array_equal(audio.read(tmp_path / "x", start=2.0, duration=1.0), whole[16000:24000])
    monkeypatch.setattr(audio, "BLOCK_SECONDS", 1)
    assert audio.convert(str(tmp_path / "x"), {tmp_path / "y.flac": 0}, 8000) == len(whole)
    with audio.opened(str(tmp_path / "x")) as file:  # back to the start
        assert np.array_equal(file.window(9000, 10000)[:, 0], whole[9000:10000])
        assert np.array_equal(file.window(100, 1000)[:, 0], whole[100:1000])


def test_samples_on_another_scale_are_refused_with_their_peak(tmp_path):
    (tmp_path / "x.wav").write_bytes(encoded(TONE * 2**15, "WAV", "FLOAT"))
    with pytest.raises(AudiolmError, match=r"x.wav has samples up to 98\d\d.*, expected −1…1"):
        audio.convert(str(tmp_path / "x.wav"), {tmp_path / "y.flac": 0}, 16000)
    (tmp_path / "x.wav").write_bytes(encoded(TONE * 5, "WAV", "FLOAT"))  # a loud mix
    assert np.array_equal(audio.read(tmp_path / "x.wav"), (TONE * 5).clip(-1, 1))


def test_a_file_as_models_take_it(tmp_path):
    (tmp_path / "x.wav").write_bytes(encoded(TONE, "WAV", "FLOAT"))
    wav = audio.tensor(tmp_path / "x.wav", 8000)
    assert tuple(wav.shape) == (1, 1, 24000) and str(wav.dtype) == "torch.float32"
    assert np.array_equal(wav[0, 0].numpy(), audio.read(tmp_path / "x.wav", fs=8000))
