import numpy as np
import pytest

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.score import codebooks, pad_share, signal_quality
from audiolm.score.lm_loss import unigram_loss
from audiolm.score.signal_quality import mel_distance, pesq, si_sdr, stoi
from audiolm.text.tokenizer import EPAD, PAD


def test_codebook_use_by_hand(tmp_path):
    with TokenWriter(tmp_path / "codes", "codes", meta=Meta(12.5, (4, 16), "f" * 16)) as writer:
        writer.write("a", np.array([[0, 5], [1, 5], [0, 5]]))
        writer.write("b", np.array([[1, 5]]))
    scores = {score.metric: score for score in codebooks.score(tmp_path, "test")}
    assert scores["codebook_perplexity_1"].value == pytest.approx(2)  # two entries, equally often
    assert scores["codebook_perplexity_2"].value == pytest.approx(1)
    assert scores["codebook_perplexity_1"].details == {"entries chosen at least once, %": 50.0}
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
        writer.write("a", np.array([[1]]))  # BOS
    with pytest.raises(AudiolmError, match="'a' has 1 frames, but 0 PAD"):
        pad_share.score(tmp_path, "test")


def test_unigram_loss_leaves_out_what_is_no_token():
    log_probs = np.log([0.5, 0.25, 0.25])
    assert unigram_loss(np.array([0, 1, -1, 3, 0]), log_probs) == pytest.approx(2 * np.log(2) + np.log(4))


def test_si_sdr_by_hand():
    original = np.array([1, -1, 1, -1], np.float32)
    error = np.array([1, 1, -1, -1], np.float32)  # orthogonal
    assert si_sdr(original, 3 * original + 0.3 * error) == pytest.approx(20)  # 10 log10(9 · 4 / (0.09 · 4))
    assert si_sdr(original, -0.1 * original) == pytest.approx(si_sdr(original, original), abs=25)  # no sign, no level


def test_mel_distance_of_a_level_change_is_that_change():
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    assert mel_distance(noise, noise, 8000) == 0
    assert mel_distance(noise, noise / 2, 8000) == pytest.approx(6.02, abs=0.05)


def test_scores_of_a_set_stand_beside_the_semantic_level_alone(tmp_path):
    """Three noises of a second; the copy is at half the level, the semantic one at a quarter, and one is silent."""
    rng, sets = np.random.default_rng(0), {}
    wavs = {f"u{i}": rng.normal(0, 0.1, 8000).astype(np.float32) * (rng.random(8000) < 0.5) for i in range(3)}
    for name, gain in (("original", 1), ("copy", 1 / 2), ("semantic", 1 / 4)):
        data = DataDir(reco2dur={utt: 1.0 for utt in wavs}, path=tmp_path / name)
        for utt, wav in wavs.items():
            data.wav[utt] = str(tmp_path / name / f"{utt}.wav")
            audio.write(data.wav[utt], wav * gain * (utt != "u2" or name == "original"), 8000)
        data.write(tmp_path / name)
        sets[name] = DataDir.read(tmp_path / name)
    scores = {
        score.metric: score
        for score in signal_quality.score(*sets.values(), list(signal_quality.MEASURES), 8000, "test", "0" * 16)
    }
    assert set(scores) == {"codec_mel_distance", "codec_si_sdr", "codec_stoi", "codec_pesq"}
    mel = scores["codec_mel_distance"]
    assert mel.count == 3 and mel.baseline > mel.value > 0
    by_hand = [mel_distance(wavs[utt], wavs[utt] / 2 * (utt != "u2"), 8000) for utt in wavs]
    assert mel.value == pytest.approx(np.mean(by_hand), abs=0.05)
    heard = scores["codec_pesq"]
    assert heard.count + heard.details["no speech found"] == 3


def test_speech_in_noise_is_worse_speech(shared_data):
    wav = audio.read(str(next((shared_data / "librispeech_train_clean_100").rglob("*.flac"))), fs=8000)[: 4 * 8000]
    noise = np.random.default_rng(0).normal(0, 1, len(wav)).astype(np.float32)
    noisy = [wav + level * noise for level in (0.003, 0.03)]
    for measure in (lambda a, b: pesq(a, b, 8000), lambda a, b: stoi(a, b, 8000)):
        assert measure(wav, wav) > measure(wav, noisy[0]) > measure(wav, noisy[1])
    assert stoi(wav, wav, 8000) == pytest.approx(1, abs=1e-3)
    assert pesq(wav, wav, 8000) == pytest.approx(4.55, abs=0.01)
