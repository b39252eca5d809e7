"""Training windows, the recogniser's losses, and a training from audio to transcripts."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from audiolm.config.yaml_files import write_yaml
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment
from audiolm.errors import AudiolmError
from audiolm.recognizer.examples import AugmentConfig, Utterances, Windows, change_speed, coloured_noise
from audiolm.recognizer.load import load_recognizer
from audiolm.recognizer.model import RecognizerModelConfig
from audiolm.recognizer.system import RecognizerConfig, RecognizerSystem, ctc_loss
from audiolm.train.loop import train
from audiolm.train.options import read_config
from audiolm.train.randomness import Key

FS = 8000
PLAIN = AugmentConfig(speed=(1.0, 1.0), gain=(0.0, 0.0), noise=0.0, time_masks=0, mel_masks=0)
TONES = {"ab": 400, "cd": 900, "ef": 1700}  # words of one tone each


@pytest.fixture
def data(tmp_path):
    """A data directory of two recordings in which every word is a tone of 0.4 s."""
    directory = DataDir()
    for reco in ("r1", "r2"):
        wav = np.zeros(6 * FS, np.float32)
        for number in range(10):
            word = list(TONES)[(number + len(reco) + (reco == "r2")) % 3]
            start = round((0.1 + 0.6 * number) * FS)
            time = np.arange(round(0.4 * FS)) / FS
            wav[start : start + len(time)] = 0.3 * np.sin(2 * np.pi * TONES[word] * time)
            utt = f"{reco}-{number:02d}"
            directory.segments[utt] = Segment(reco, start / FS, start / FS + 0.4)
            directory.text[utt] = word.upper() + "!"
            directory.utt2spk[utt] = reco
        audio.write(tmp_path / f"{reco}.flac", wav, FS)
        directory.wav[reco] = str(tmp_path / f"{reco}.flac")
    directory.write(tmp_path / "set")
    return str(tmp_path / "set")


def config(data: str, **changes) -> RecognizerConfig:
    model = RecognizerModelConfig(
        sample_rate=FS,
        n_mels=24,
        dim=32,
        layers=2,
        heads=2,
        ffn_dim=64,
        kernel_size=7,
        dropout=0.0,
        window=2.0,
        context=0.5,
    )
    return RecognizerConfig(**({"model": model, "augment": PLAIN, "train_data": data, "valid_data": data} | changes))


def encode(text: str) -> list[int]:
    return [ord(c) for c in text]


def test_a_window_is_a_function_of_its_key(data):
    windows = Windows(Utterances(data, FS, encode), 2.0, 32, AugmentConfig())
    first, again, other = windows(Key(0, 5)), windows(Key(0, 5)), windows(Key(0, 6))
    assert np.array_equal(first["wav"], again["wav"]) and np.array_equal(first["ids"], again["ids"])
    assert not np.array_equal(first["wav"], other["wav"])
    assert first["wav"].shape == (2 * FS,) and first["wav"].dtype == np.float32


def test_windows_hold_whole_utterances_in_the_order_of_their_text(data):
    windows = Windows(Utterances(data, FS, encode), 2.0, 32, PLAIN)
    for index in range(20):
        example = windows(Key(0, index))
        words = "".join(map(chr, example["ids"])).split()
        loud = np.abs(example["wav"]).reshape(-1, 80).max(1) > 0.05  # frames of 10 ms
        starts = np.flatnonzero(np.diff(loud.astype(int), prepend=0) == 1)
        assert len(words) >= 1 and np.abs(example["wav"]).max() == pytest.approx(0.3, abs=0.01)
        assert loud.sum() == pytest.approx(40 * len(words), abs=2 * len(words))
        for word, start in zip(words, _separate(starts, loud), strict=False):
            cycle = example["wav"][start * 80 + 400 : start * 80 + 2000]
            crossings = np.count_nonzero(np.diff(np.signbit(cycle)))
            assert crossings == pytest.approx(2 * TONES[word] * 0.2, abs=4)


def _separate(starts, loud):
    """Starts of words, as long as each stands alone."""
    for first, second in zip(starts, [*starts[1:], len(loud)], strict=True):
        if loud[first:second].sum() > 42:  # two words without a gap
            return
        yield first


@pytest.mark.parametrize("edge", [0.0, 0.5, 1.0])
def test_a_share_of_the_windows_begins_or_ends_with_speech(data, edge):
    augment = replace(PLAIN, gap=(0.2, 0.3), edge=edge)
    windows = Windows(Utterances(data, FS, encode), 2.0, 32, augment)
    loud = np.stack([np.abs(windows(Key(0, index))["wav"]) > 0 for index in range(100)])
    begins, ends = loud[:, :40].any(1), loud[:, -40:].any(1) & ~loud[:, :40].any(1)  # in the first or last 5 ms
    assert begins.mean() == pytest.approx(edge, abs=0.15)
    # A fifth of the others is full, and so ends with speech too.
    assert ends.sum() == pytest.approx((0.2 + 0.8 * edge) * (~begins).sum(), abs=15)


def test_every_utterance_comes_first_once_an_epoch(data):
    utterances = Utterances(data, FS, encode)
    first = [utterances.names[Key(0, index).item(20)] for index in range(20)]
    assert sorted(first) == utterances.names and len(first) == 20


def test_audio_beyond_the_cache_is_read_again(data):
    small, large = Utterances(data, FS, encode, cache=2 * 2 * 3200), Utterances(data, FS, encode)
    for _ in range(2):
        for utt in large.names:
            assert np.array_equal(small.wav(utt), large.wav(utt))
    assert len(small._kept) == 2 and len(large._kept) == 20


def test_text_is_normalised_and_short_batches_are_padded(data):
    utterances = Utterances(data, FS, encode)
    assert "".join(map(chr, utterances.ids["r1-00"])) == "ef"
    batches = list(utterances.batches(3, 7))
    assert [len(batch["wav"]) for batch in batches] == [3, 3, 1]
    assert batches[0]["lengths"].tolist() == [3200] * 3


def test_utterances_longer_than_a_window_stop_the_training_beyond_a_share(data):
    system = RecognizerSystem(config(data))
    system.config.model.window = 0.3
    told = "20 of 20 utterances .* longer than a window of 0.3 s at 1.0 times their speed .* to ([0-9.]+) or more"
    with pytest.raises(AudiolmError, match=told) as error:
        system.examples()
    system.config.model.window = float(re.search(told, str(error.value)).group(1))
    assert system.examples().too_long == 0


def test_a_set_without_text_is_refused(tmp_path, data):
    bare = DataDir.read(data)
    bare.text = {}
    bare.write(tmp_path / "bare")
    with pytest.raises(AudiolmError, match="no transcribed utterance"):
        Utterances(str(tmp_path / "bare"), FS, encode)


def test_ctc_loss_by_hand():
    # Two frames, symbols {blank, a}, all equally likely: "a" is a a, a -, or - a: 3 of 4 paths.
    loss = ctc_loss(torch.zeros(1, 2, 2), torch.tensor([2]), torch.tensor([[1]]), torch.tensor([1]))
    assert loss.item() == pytest.approx(-np.log(3 / 4))
    # "aa" needs a blank between, so three frames: impossible in two, and left out.
    assert ctc_loss(torch.zeros(1, 2, 2), torch.tensor([2]), torch.tensor([[1, 1]]), torch.tensor([2])).item() == 0


def test_spec_augment_zeroes_spans(data):
    augment = AugmentConfig(time_masks=1, time_width=0.2, mel_masks=1, mel_width=6)
    mask = RecognizerSystem(config(data, augment=augment))._mel_mask(torch.zeros(50, 2 * FS))
    assert mask.shape == (50, 200, 24)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert 0 < (mask.amax(2) == 0).sum(1).float().mean() <= 20
    assert 0 < (mask.amax(1) == 0).sum(1).float().mean() <= 6


def test_speed_and_noise():
    ramp = (np.arange(8000) * 4).astype(np.int16)
    faster = change_speed(ramp, 1.25)
    assert len(faster) == 6400
    assert np.allclose(faster[:100] * 32768, np.arange(100) * 5, atol=0.01)
    power = [np.abs(np.fft.rfft(coloured_noise(80000, tilt))) ** 2 for tilt in (0.0, 6.0)]
    octaves = [[p[a:b].mean() for a, b in ((4000, 8000), (8000, 16000), (16000, 32000))] for p in power]
    assert np.allclose(np.diff(10 * np.log10(octaves[0])), 0, atol=0.3)
    assert np.allclose(np.diff(10 * np.log10(octaves[1])), -6, atol=0.5)


def test_training_learns_the_tones(tmp_path, data):
    """The whole way: config file, loop, weights, loaded recogniser, transcript."""
    write_yaml(
        tmp_path / "recognizer.yaml",
        {
            "system": "recognizer",
            "model": vars(config(data).model),
            "augment": {"noise": 0.0, "time_masks": 0, "mel_masks": 0, "gap": [0.1, 0.5], "speed": [1.0, 1.0]},
            "train_data": data,
            "valid_data": data,
            "trainer": {"max_steps": 150, "batch_size": 8, "precision": "fp32", "save_every": 0, "valid_every": 0},
            "optimizers": {"main": {"lr": 5.0e-3, "warmup": 10}},
        },
    )
    train(read_config([tmp_path / "recognizer.yaml"]), tmp_path / "exp")
    model = load_recognizer(tmp_path / "exp")
    data = DataDir.read(data)
    wav = data.audio("r1", 0.0, 1.8, fs=FS)
    assert model.transcribe([wav]) == [" ".join(normal(data.text[f"r1-{i:02d}"]) for i in range(3))]


def normal(text: str) -> str:
    return text.lower().strip("!")
