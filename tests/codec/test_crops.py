"""Training examples of codecs: where windows come from, how loud they are, and what is done about unreadable files."""

import numpy as np
import pytest
import soundfile

from audiolm.codec.crops import Crops, check_data
from audiolm.codec.quantize import QuantizerConfig
from audiolm.data.datadir import DataDir
from audiolm.data.loudness import loudness
from audiolm.errors import AudiolmError
from audiolm.train.randomness import Key

QUANTIZER = QuantizerConfig(n_q=4)


def wavs(crops, count):
    return [crops(Key(0, index))["wav"][0] for index in range(count)]


def corpus(folder, **recordings):
    """A data directory of recordings at 8 kHz; their durations stand in its tables."""
    folder.mkdir(exist_ok=True)
    for reco, wav in recordings.items():
        soundfile.write(folder / f"{reco}.wav", wav, 8000, subtype="FLOAT")
    wav = {reco: str(folder / f"{reco}.wav") for reco in recordings}
    DataDir(wav=wav, reco2dur={reco: len(wav) / 8000 for reco, wav in recordings.items()}).write(folder)
    return str(folder)


def test_crops_are_functions_of_the_key(data_dir):
    crops = Crops(data_dir, 640, 8000, 0.5, QUANTIZER)
    one, two = crops(Key(0, 5)), Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, 5))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert one["wav"].shape == (1, 640) and one["wav"].dtype == np.float32 and one["index"] == 5


@pytest.mark.parametrize(("speech", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.25, 0.5)])
def test_crops_favour_segments(data_dir, speech, low, high):
    crops = Crops(data_dir, 1600, 8000, speech, QUANTIZER)
    heard = np.mean([crops(Key(0, index))["wav"].any() for index in range(200)])
    assert low <= heard <= high


def test_crops_leave_out_what_is_heard_too_often(data_dir):
    before = [Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, index))["wav"] for index in range(60)]
    (data_dir / "frequent").write_text("long 1.90 3.10 12\n")
    after = [Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, index))["wav"] for index in range(60)]
    assert any((wav == 0.5).any() for wav in before) and not any((wav == 0.5).any() for wav in after)
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert any(same) and same == [not (wav == 0.5).any() for wav in before]


def test_recordings_shorter_than_a_crop_end_in_zeros(data_dir):
    crops = Crops(data_dir, 8000, 8000, 0.0, QUANTIZER)
    crops.sources[0].reco_ends[:] = [0.0, 0.5]  # only the short one
    wav = crops(Key(0, 0))["wav"][0]
    assert (wav[:4000] == 0.25).all() and not wav[4000:].any()


def test_draws_cover_levels_and_leave_half_unquantized(data_dir):
    drawn = [Crops(data_dir, 640, 8000, 0.0, QUANTIZER)(Key(0, index)) for index in range(300)]
    counts = np.bincount([example["levels"] for example in drawn])
    assert not counts[:2].any() and (counts[2:] > 70).all() and len(counts) == 5
    assert 0.4 < np.mean([example["quantized"] for example in drawn]) < 0.6
    all_levels = Crops(data_dir, 640, 8000, 0.0, QuantizerConfig(n_q=4, dropout=0.0, unquantized=0.0))
    assert {(e["levels"], e["quantized"]) for e in map(all_levels, (Key(0, i) for i in range(20)))} == {(4, True)}


def test_weights_share_the_windows_and_without_them_seconds_do(tmp_path):
    """Within a corpus every second is equally likely, whatever its weight."""
    one = corpus(tmp_path / "one", a=np.full(8000, 0.1), b=np.full(24000, 0.2))
    two = corpus(tmp_path / "two", c=np.full(16000, 0.3))
    for weights, expected in (((), [1 / 6, 3 / 6, 2 / 6]), ((1.0, 3.0), [1 / 16, 3 / 16, 12 / 16])):
        crops = Crops([one, two], 80, 8000, 0.0, QUANTIZER, weights=weights)
        drawn = np.round([10 * wav[0] for wav in wavs(crops, 800)])
        shares = [np.mean(drawn == level) for level in (1, 2, 3)]
        assert np.allclose(shares, expected, atol=0.05), (weights, shares)


def test_a_second_corpus_leaves_the_windows_of_the_first_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    one = corpus(tmp_path / "one", a=rng.uniform(-0.1, 0.1, 8000))
    two = corpus(tmp_path / "two", b=np.full(8000, 0.3))
    alone = wavs(Crops(one, 80, 8000, 0.0, QUANTIZER), 40)
    both = wavs(Crops([one, two], 80, 8000, 0.0, QUANTIZER, weights=[1, 1]), 40)
    same = [np.array_equal(a, b) for a, b in zip(alone, both, strict=True)]
    assert 10 < sum(same) < 30 and all(same[i] or (both[i] > 0.29).all() for i in range(40))


@pytest.mark.parametrize(
    ("paths", "weights", "ranges", "message"),
    [
        ([], [], {}, "train_dir: found \\[\\]"),
        (["a", "a"], [], {}, "each once"),
        (["a", "b"], [1.0], {}, "weights: found \\[1.0\\], expected 2 positive numbers"),
        (["a", "b"], [1.0, 0.0], {}, "expected 2 positive numbers"),
        (["a"], [-1.0], {}, "expected 1 positive numbers"),
        (["a", "b"], [1.0, float("nan")], {}, "expected 2 positive numbers"),
        (["a"], [], {"gain": (3.0, -3.0)}, "gain: found \\[3.0, -3.0\\]"),
        (["a"], [], {"loudness": (float("-inf"), 0.0)}, "loudness: found"),
    ],
)
def test_what_makes_no_sense_is_refused(paths, weights, ranges, message):
    with pytest.raises(AudiolmError, match=message):
        check_data(paths, weights, **ranges)


def test_gain_and_loudness_are_drawn_and_nothing_clips(tmp_path):
    quiet = 0.01 * np.sin(np.arange(16000))  # −43 dB
    path = corpus(tmp_path / "quiet", a=quiet, b=0.9 * np.sign(np.sin(np.arange(16000) / 9)))
    plain = wavs(Crops(path, 4000, 8000, 0.0, QUANTIZER), 60)
    louder = wavs(Crops(path, 4000, 8000, 0.0, QUANTIZER, gain=(-12.0, 6.0)), 60)
    gains = [20 * np.log10(np.abs(a).max() / np.abs(b).max()) for a, b in zip(louder, plain, strict=True)]
    assert -12.01 < min(gains) < -9 and 3 < max(gains) < 6.01 and len(set(gains)) > 50
    assert max(np.abs(wav).max() for wav in louder) <= 1.0
    levelled = wavs(Crops(path, 4000, 8000, 0.0, QUANTIZER, level=(-26.0, -20.0)), 60)
    levels = [loudness(wav, 8000) for wav in levelled]
    assert min(levels) > -26.01 and max(levels) < -19.99 and np.std(levels) > 1


def test_silence_stays_silence(tmp_path):
    path = corpus(tmp_path / "silent", a=np.zeros(16000))
    for wav in wavs(Crops(path, 4000, 8000, 0.0, QUANTIZER, gain=(-3, 3), level=(-20, -20)), 5):
        assert not wav.any()


def test_an_unreadable_recording_is_named_and_another_window_drawn(tmp_path, caplog):
    """Whoever draws, whenever: the example of a key is the same, and the file names each recording once."""
    broken = np.full(8000, 0.5)
    broken[::10] = np.nan
    sound = {f"r{i}": np.full(8000, (i + 1) / 100) for i in range(8)}
    path = corpus(tmp_path / "data", broken=broken, gone=np.full(8000, 0.5), **sound)
    (tmp_path / "data/gone.wav").unlink()
    options = {"exp_dir": tmp_path, "max_rejected": 0.2}
    crops = Crops(path, 80, 8000, 0.0, QUANTIZER, **options)
    first = wavs(crops, 60)
    assert all(np.isfinite(wav).all() and 0 < wav[0] < 0.1 for wav in first)
    again = Crops(path, 80, 8000, 0.0, QUANTIZER, **options)
    assert all(np.array_equal(first[i], again(Key(0, i))["wav"][0]) for i in reversed(range(60)))
    lines = sorted((tmp_path / "rejected.tsv").read_text().splitlines())
    assert [line.partition("\t")[0] for line in lines] == [f"{path}/broken", f"{path}/gone"]
    assert "has NaN or infinite samples" in lines[0] and "cannot read audio" in lines[1]
    assert len(caplog.records) == 2


def test_too_many_unreadable_recordings_end_the_run(tmp_path):
    sound = {f"r{i}": np.full(8000, 0.1) for i in range(20)}
    path = corpus(tmp_path / "data", **sound)
    for number in range(3):
        (tmp_path / f"data/r{number}.wav").unlink()
    one_may_be = Crops(path, 80, 8000, 0.0, QUANTIZER, exp_dir=tmp_path, max_rejected=0.01)
    with pytest.raises(AudiolmError, match="2 of 20 recordings cannot be used, at most 1.0% may be; the last: cannot"):
        wavs(one_may_be, 200)
    with pytest.raises(AudiolmError, match="cannot read audio"):
        wavs(Crops(path, 80, 8000, 0.0, QUANTIZER), 200)


def test_a_corpus_of_which_nothing_is_left_ends_the_run(tmp_path):
    path = corpus(tmp_path / "data", a=np.full(8000, 0.1))
    (tmp_path / "data/a.wav").unlink()
    with pytest.raises(AudiolmError, match="10 draws in a row of .*data cannot be read; the last: cannot read audio"):
        wavs(Crops(path, 80, 8000, 0.0, QUANTIZER, exp_dir=tmp_path), 1)
    (tmp_path / "data/reco2dur").unlink()
    with pytest.raises(AudiolmError, match="nothing of .*data can be used: cannot read audio .*No such file"):
        Crops(path, 80, 8000, 0.0, QUANTIZER, exp_dir=tmp_path)
    (tmp_path / "data/wav.scp").write_text("")
    with pytest.raises(AudiolmError, match="wav.scp is empty"):
        Crops(path, 80, 8000, 0.0, QUANTIZER)


def test_recordings_whose_header_cannot_be_read_are_named_at_the_start(tmp_path):
    path = corpus(tmp_path / "data", a=np.full(8000, 0.1), b=np.full(8000, 0.2))
    (tmp_path / "data/reco2dur").unlink()
    (tmp_path / "data/a.wav").write_bytes(b"")
    crops = Crops(path, 80, 8000, 0.0, QUANTIZER, exp_dir=tmp_path)
    assert "a.wav is empty (0 bytes)" in (tmp_path / "rejected.tsv").read_text()
    assert all((wav > 0.15).all() for wav in wavs(crops, 20))


def test_channels_are_those_that_the_tables_name(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([np.full(8000, 0.1), np.full(8000, 0.2)], axis=1), 8000)
    wav = {reco: str(tmp_path / "stereo.wav") for reco in ("call-A", "call-B")}
    DataDir(wav=wav, reco2file_and_channel={"call-A": ("call", "A"), "call-B": ("call", "B")}).write(tmp_path)
    heard = {round(float(wav[0]), 2) for wav in wavs(Crops(tmp_path, 80, 8000, 0.0, QUANTIZER), 30)}
    assert heard == {0.1, 0.2}
    DataDir(wav={"call": wav["call-A"]}, reco2dur={"call": 1.0}).write(tmp_path)
    with pytest.raises(AudiolmError, match="has 2 channels, expected one, or a line in reco2file_and_channel"):
        wavs(Crops(tmp_path, 80, 8000, 0.0, QUANTIZER), 1)


def test_other_rates_are_resampled(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)
    crops = Crops(corpus(tmp_path / "tone", a=tone), 2400, 24000, 0.0, QUANTIZER)
    for wav in wavs(crops, 5):
        peak = np.abs(np.fft.rfft(wav * np.hanning(2400))).argmax() * 10
        assert peak == 440 and len(wav) == 2400
