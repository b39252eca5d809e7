import os
import signal

import numpy as np
import pytest
import torch

from audiolm.codec.load import load_codec
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.models.moshi.likelihood import unigram_loss
from audiolm.score import codebooks, idempotence, pad_share, signal_quality, speech_models
from audiolm.score.parallel import on_all_cores
from audiolm.score.signal_quality import measure, mel_distance, pesq, si_sdr, stoi, visqol
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD
from audiolm.train.checkpoint import checksum
from tests.codec.tiny_codecs import write_experiment


def test_codebook_use_by_hand(tmp_path):
    with TokenWriter(tmp_path / "codes", "codes", meta=Meta(12.5, (4, 16), "f" * 16)) as writer:
        writer.write("a", np.array([[0, 5], [1, 5], [0, 5]]))
        writer.write("b", np.array([[1, 5]]))
    scores = {score.metric: score for score in codebooks.score(tmp_path, "test")}
    assert scores["codebook_perplexity_1"].value == pytest.approx(2)  # two entries, equally often
    assert scores["codebook_perplexity_2"].value == pytest.approx(1)
    assert scores["codebook_perplexity_1"].details == {"entries chosen at least once, %": 50.0}
    assert scores["codebook_use"].value == pytest.approx((100 * 2 / 4 + 100 * 1 / 16) / 2)
    assert scores["token_rate"].value == pytest.approx(12.5 * 2)
    assert scores["bitrate"].value == pytest.approx(12.5 * (2 + 4))
    assert scores["bitrate"].count == 4


def test_pad_share_by_hand(tmp_path):
    with TokenWriter(tmp_path / "text", "text", meta=Meta(12.5, (8,), "f" * 16)) as writer:
        writer.write("a", np.array([[PAD], [EPAD], [4], [5], [PAD]]))
        writer.write("b", np.array([[PAD], [PAD], [PAD]]))
    [score] = pad_share.score(tmp_path, "test")
    assert score.value == pytest.approx(100 * 6 / 8)
    assert score.details == {"epad": 1, "pieces": 2, "frames": 8}
    with TokenWriter(tmp_path / "text", "text", meta=Meta(12.5, (8,), "f" * 16)) as writer:
        writer.write("a", np.array([[BOS], [4], [EOS], [PAD]]))  # of two speakers
    [score] = pad_share.score(tmp_path, "test")
    assert (score.value, score.details["pieces"]) == (25, 3)


def test_unigram_loss_leaves_out_what_is_no_token():
    log_probs = np.log([0.5, 0.25, 0.25])
    assert unigram_loss(np.array([0, 1, -1, 3, 0]), log_probs) == pytest.approx(2 * np.log(2) + np.log(4))


def test_si_sdr_by_hand():
    original = np.array([1, -1, 1, -1], np.float32)
    error = np.array([1, 1, -1, -1], np.float32)  # orthogonal
    assert si_sdr(original, 3 * original + 0.3 * error) == pytest.approx(20)  # 10 log10(9 · 4 / (0.09 · 4))
    assert si_sdr(original, -0.1 * original) == pytest.approx(si_sdr(original, original), abs=25)  # no sign, no level


def test_si_sdr_of_silence_is_the_worst_and_of_two_silences_none():
    wav = np.sin(np.arange(800, dtype=np.float32))
    assert measure((wav, np.zeros_like(wav)), ["si_sdr"], 8000) == [signal_quality.WORST_SI_SDR]
    assert measure((np.zeros_like(wav), np.zeros_like(wav)), ["si_sdr"], 8000) == ["both silent"]


def _dies_of_two(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


@pytest.mark.slow
def test_an_item_whose_process_dies_takes_no_other_with_it():
    assert on_all_cores(_dies_of_two, [1, 2, 3, 4], lambda number: -number) == [10, -2, 30, 40]
    with pytest.raises(AudiolmError, match="worked on item 2 of 4 died"):
        on_all_cores(_dies_of_two, [1, 2, 3, 4])


def test_a_fault_of_a_library_is_the_reason_of_one_measure(monkeypatch):
    def fails(original, copy, fs):
        raise IndexError("inside")

    monkeypatch.setitem(signal_quality.MEASURES, "broken", signal_quality.Measure(fails, "", "higher", ""))
    wav = np.sin(np.arange(800, dtype=np.float32))
    values = measure((wav, wav / 2), ["broken", "si_sdr"], 8000)
    assert values[0] == "broken: IndexError: inside" and values[1] > 60


@pytest.mark.slow
def test_pesq_of_what_is_long_is_the_mean_of_its_pieces(monkeypatch, shared_data):
    wav = audio.read(next((shared_data / "ljspeech").rglob("*.flac")), fs=8000)
    noisy = wav + 0.01 * np.random.default_rng(0).normal(size=wav.shape).astype(np.float32)
    monkeypatch.setattr(signal_quality, "PESQ_SECONDS", len(wav) / 8000 / 2)
    halves = zip(np.array_split(wav, 2), np.array_split(noisy, 2), strict=True)
    whole = pesq(wav, noisy, 8000)
    monkeypatch.setattr(signal_quality, "PESQ_SECONDS", 60.0)
    assert whole == pytest.approx(np.mean([pesq(a, b, 8000) for a, b in halves]))


def test_mel_distance_of_a_level_change_is_that_change():
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    assert mel_distance(noise, noise, 8000) == 0
    assert mel_distance(noise, noise / 2, 8000) == pytest.approx(6.02, abs=0.05)


def test_scores_of_a_set_stand_beside_the_semantic_level_alone(tmp_path, monkeypatch):
    """Three noises of a second; the copy is at half the level, the semantic one at a quarter, and one is silent."""
    rng, sets = np.random.default_rng(0), {}
    wavs = {f"u{i}": rng.normal(0, 0.1, 8000).astype(np.float32) * (rng.random(8000) < 0.5) for i in range(3)}
    for name, gain in (("original", 1), ("copy", 1 / 2), ("semantic", 1 / 4)):
        data = DataDir(reco2dur=dict.fromkeys(wavs, 1.0), path=tmp_path / name)
        for utt, wav in wavs.items():
            data.wav[utt] = str(tmp_path / name / f"{utt}.wav")
            audio.write(data.wav[utt], wav * gain * (utt != "u2" or name == "original"), 8000)
        data.write(tmp_path / name)
        sets[name] = DataDir.read(tmp_path / name)
    scores = {
        score.metric: score
        for score in signal_quality.score(
            *sets.values(), ["mel_distance", "si_sdr", "stoi", "pesq"], 8000, "test", "0" * 16
        )
    }
    assert set(scores) == {"codec_mel_distance", "codec_si_sdr", "codec_stoi", "codec_pesq"}
    mel = scores["codec_mel_distance"]
    assert mel.count == 3 and mel.baseline > mel.value > 0
    by_hand = [mel_distance(wavs[utt], wavs[utt] / 2 * (utt != "u2"), 8000) for utt in wavs]
    assert mel.value == pytest.approx(np.mean(by_hand), abs=0.05)
    heard = scores["codec_pesq"]
    assert heard.details["left out: resynthesis silent"] == 1
    assert heard.count + sum(heard.details.values()) == 3
    assert scores["codec_si_sdr"].count == 3  # a silent resynthesis is as far as can be, not left out


def test_speech_in_noise_is_worse_speech(shared_data):
    wav = audio.read(str(next((shared_data / "librispeech_train_clean_100").rglob("*.flac"))), fs=8000)[: 4 * 8000]
    noise = np.random.default_rng(0).normal(0, 1, len(wav)).astype(np.float32)
    noisy = [wav + level * noise for level in (0.003, 0.03)]
    for heard in (lambda a, b: pesq(a, b, 8000), lambda a, b: stoi(a, b, 8000)):
        assert heard(wav, wav) > heard(wav, noisy[0]) > heard(wav, noisy[1])
    assert stoi(wav, wav, 8000) == pytest.approx(1, abs=1e-3)
    assert pesq(wav, wav, 8000) == pytest.approx(4.55, abs=0.01)


def test_wide_band_pesq_of_24_khz_is_that_at_16_khz(shared_data):
    wav = audio.read(str(next((shared_data / "librispeech_train_clean_100").rglob("*.flac"))))[: 3 * 16000]
    noisy = wav + np.random.default_rng(0).normal(0, 0.01, len(wav)).astype(np.float32)
    at_16 = pesq(wav, noisy, 16000)
    assert pesq(audio.resample(wav, 16000, 24000), audio.resample(noisy, 16000, 24000), 24000) == pytest.approx(
        at_16, abs=0.1
    )


@pytest.mark.parametrize("mode, best", [("audio", 4.732), ("speech", 5.0)])
def test_visqol_of_equal_audio_and_of_noise(shared_data, mode, best):
    pytest.importorskip("visqol", reason="visqol-python is not installed")
    wav = audio.read(str(next((shared_data / "librispeech_train_clean_100").rglob("*.flac"))))[16000 : 16000 * 5 // 2]
    noises = np.random.default_rng(0).normal(0, 1, len(wav)).astype(np.float32)
    values = [visqol(wav, wav + level * noises, 16000, mode) for level in (0, 0.001, 0.03)]
    assert values[0] == pytest.approx(best, abs=0.01) and values[0] > values[1] > values[2] >= 1


ALL = list(signal_quality.MEASURES)


@pytest.mark.parametrize(
    "samples, expected",
    [
        (np.zeros(8000), {name: "resynthesis silent" for name in ALL if name not in ("mel_distance", "si_sdr")}),
        (np.full(8000, np.nan), dict.fromkeys(ALL, "resynthesis not finite")),
        (np.zeros(0), {"stoi": "resynthesis silent"}),
    ],
)
def test_what_cannot_be_measured_has_a_reason(samples, expected):
    original = np.random.default_rng(0).normal(0, 0.1, len(samples)).astype(np.float32)
    original = original if len(original) else np.ones(8000, np.float32)
    names = list(expected)
    assert dict(zip(names, measure((original, samples.astype(np.float32)), names, 8000), strict=True)) == expected
    assert measure((np.ones(8000, np.float32), np.zeros(8000, np.float32)), ["mel_distance"], 8000)[0] > 1


def test_a_clip_too_short_for_a_measure_says_so():
    pytest.importorskip("visqol", reason="visqol-python is not installed")
    noise = np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)  # 0.2 s
    values = measure((noise, noise), ["stoi", "pesq", "visqol", "visqol_speech"], 8000)
    assert set(values) <= {"too short", "no speech found"} and values[0] == values[2] == "too short"


def test_a_measure_without_any_value_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(signal_quality, "on_all_cores", lambda function, items, lost: list(map(function, items)))
    data = {}
    for name, level in (("original", 0.1), ("copy", 0.0), ("semantic", 0.0)):
        wav = level * np.random.default_rng(0).normal(size=8000).astype(np.float32)
        audio.write(tmp_path / f"{name}.wav", wav, 8000)
        data[name] = DataDir(wav={"u": str(tmp_path / f"{name}.wav")}, reco2dur={"u": 1.0}, path=tmp_path / name)
    found = signal_quality.score(*data.values(), ["stoi", "mel_distance"], 8000, "test", "0" * 16)
    assert [score.metric for score in found] == ["codec_mel_distance"]
    assert "codec_stoi left out, no utterance of test has a value: resynthesis silent (1)" in capsys.readouterr().out
    assert speech_models.speaker_similarity(data["original"], data["copy"], 8000, "test") == []
    assert "codec_speaker_similarity left out" in capsys.readouterr().out


def test_voices_of_originals_stand_beside_the_resynthesis(shared_data, tmp_path):
    """The copy is the original itself: as like as can be, and liker than another utterance of its speaker."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    speakers = sorted(set(data.utt2spk.values()))[:2]
    keep = [utt for speaker in speakers for utt in data.utts if data.utt2spk[utt] == speaker][:9]
    some = DataDir({utt: data.wav_path(utt) for utt in keep}, utt2spk=data.utt2spk, path=tmp_path)
    [score] = speech_models.speaker_similarity(some, some, 16000, "test")
    assert score.value == pytest.approx(1, abs=1e-4)
    assert 0.5 < score.details["originals of different speakers"] < score.baseline < 1
    one = DataDir({keep[0]: data.wav_path(keep[0])}, utt2spk=data.utt2spk, path=tmp_path)
    [score] = speech_models.speaker_similarity(one, one, 16000, "test")
    assert score.baseline is None and not score.details  # one speaker, one utterance: nothing to read it against


def test_codes_that_come_back(tmp_path):
    write_experiment(tmp_path / "exp")
    wav = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    audio.write(tmp_path / "u.wav", wav, 8000)
    codec = load_codec(tmp_path / "exp")
    codes = codec.encode(torch.from_numpy(wav)[None, None])
    with TokenWriter(tmp_path / "codes", "codes", meta=Meta(12.5, (16, 16, 16), checksum(tmp_path / "exp"))) as writer:
        writer.write("u", codes[0].T.numpy())
    first, mean = idempotence.score(tmp_path / "exp", tmp_path, "test")
    again = (codec.encode(codec.decode(codes)) == codes)[0].float().mean(dim=1)
    assert first.value == pytest.approx(100 * float(again[0])) and first.count == 25
    assert mean.value == pytest.approx(100 * float(again.mean())) and set(mean.details) == {
        f"level {k}, %" for k in (1, 2, 3)
    }
    share = np.bincount(codes[0, 0].numpy()) / 25
    assert first.baseline == pytest.approx(100 * np.square(share).sum())


def test_dnsmos_hears_noise_and_names_its_weights(shared_data, tmp_path):
    data = DataDir.read(shared_data / "librispeech_clean_misc")
    [utt, *_] = data.utts
    clean = DataDir({utt: data.wav_path(utt)}, path=tmp_path)
    wav = clean.audio(utt)
    noisy = 0.5 * wav + 0.05 * np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    audio.write(tmp_path / "noisy.flac", noisy.clip(-1, 1), 16000)
    [score] = speech_models.dnsmos(clean, DataDir({utt: str(tmp_path / "noisy.flac")}, path=tmp_path), 16000, "test")
    assert 1 <= score.value < score.baseline - 0.3 and score.count == 1
    assert score.checksum == "269fbebdb513aa23"
