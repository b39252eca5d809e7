"""Codec losses by hand."""

import math

import pytest
import torch

from audiolm.codec.discriminators.spectral import MultiScaleStftDiscriminator, StftConfig
from audiolm.codec.losses import (
    MelLoss,
    MelLossConfig,
    StftLoss,
    StftLossConfig,
    adversarial_loss,
    discriminator_loss,
    distillation_loss,
    feature_loss,
    pool_teacher,
)

MEL = MelLossConfig(windows=[64, 256], bands=[8, 32], floor=1e-5)


def test_mel_loss_is_zero_for_equal_sounds_and_one_for_a_tenth():
    mel = MelLoss(8000, MEL)
    wav = 0.1 * torch.randn(2, 1, 4000)
    assert mel(wav, wav) == 0
    assert mel(wav / 10, wav) == pytest.approx(1.0, abs=0.02)  # log10 of a tenth; a few bands touch the floor


def test_mel_loss_of_silence_has_finite_gradient():
    mel = MelLoss(8000, MEL)
    wav = torch.zeros(1, 1, 2000, requires_grad=True)
    mel(wav, 0.1 * torch.randn(1, 1, 2000)).backward()
    assert torch.isfinite(wav.grad).all()


def test_mel_loss_compares_with_a_sine_by_hand():
    mel = MelLoss(8000, MelLossConfig(windows=[256], bands=[16]))
    sine = torch.sin(2 * math.pi * 1000 * torch.arange(8000) / 8000)[None, None]
    silence = torch.zeros_like(sine)
    # A full-scale sine has magnitude 1/2 in its bin: its band lies 4 to 5 decades above the floor, far bands on it.
    assert 0.5 < mel(silence, sine) < 3.0


def test_hinge_losses_by_hand():
    real, fake = [torch.tensor([2.0, 0.5])], [torch.tensor([-3.0, 0.0])]
    assert discriminator_loss(real, fake) == pytest.approx(0.25 + 0.5)
    assert adversarial_loss(fake) == pytest.approx((4 + 1) / 2)


def test_feature_loss_is_relative_to_the_originals():
    real = [[torch.tensor([2.0, -2.0]), torch.tensor([10.0])]]
    fake = [[torch.tensor([1.0, -2.0]), torch.tensor([5.0])]]
    assert feature_loss(real, fake) == pytest.approx((0.5 / 2 + 5 / 10) / 2)


def test_absolute_feature_loss_is_not():
    real, fake = [[torch.tensor([2.0, -2.0]), torch.tensor([10.0])]], [[torch.tensor([1.0, -2.0]), torch.tensor([5.0])]]
    assert feature_loss(real, fake, "absolute") == pytest.approx((0.5 + 5) / 2)


def test_feature_loss_of_bf16_features_is_averaged_in_float32():
    real, fake = torch.rand(64, 1000), torch.rand(64, 1000)
    rounded = feature_loss([[real.bfloat16()]], [[fake.bfloat16()]])
    assert rounded.dtype == torch.float32
    assert rounded == pytest.approx(float(feature_loss([[real]], [[fake]])), rel=1e-3)


def test_least_squares_losses_by_hand():
    real, fake = [torch.tensor([2.0, 0.5])], [torch.tensor([-3.0, 0.0])]
    assert discriminator_loss(real, fake, "least_squares") == pytest.approx((1 + 0.25) / 2 + 9 / 2)
    assert adversarial_loss(fake, "least_squares") == pytest.approx((16 + 1) / 2)


def test_adversarial_losses_are_espnets():
    from espnet2.gan_tts.hifigan.loss import DiscriminatorAdversarialLoss, GeneratorAdversarialLoss

    real, fake = ([torch.randn(2, 1, 5), torch.randn(2, 1, 7)] for _ in range(2))
    for ours, theirs in (("hinge", "hinge"), ("least_squares", "mse")):
        expected = sum(DiscriminatorAdversarialLoss(loss_type=theirs)(fake, real))
        assert torch.allclose(discriminator_loss(real, fake, ours), expected)
    assert torch.allclose(adversarial_loss(fake, "least_squares"), GeneratorAdversarialLoss(loss_type="mse")(fake))


def silent_edges(*shape):
    """Noise between zeros: the spectra of torchaudio, which mirrors samples at the ends, are ours."""
    return torch.nn.functional.pad(torch.randn(shape), (200, 200))


def test_encodec_mel_loss_is_that_of_audiocrafts_settings():
    from torchaudio.transforms import MelSpectrogram

    output, target = silent_edges(2, 1, 3000), silent_edges(2, 1, 3000)
    windows, bands, distances = [64, 256], [4, 16], []
    for size, count in zip(windows, bands, strict=True):
        mel = MelSpectrogram(24000, size, hop_length=size // 4, n_mels=count, normalized=True)
        a, b = mel(output), mel(target)
        log = (torch.log10(1e-5 + a) - torch.log10(1e-5 + b)).square().mean()
        distances += [(a - b).abs().mean(), log]
    ours = MelLoss(24000, MelLossConfig(kind="encodec", windows=windows, bands=bands))(output, target)
    assert torch.allclose(ours, sum(distances) / 4, rtol=1e-4)


def test_soundstream_mel_loss_is_its_equation():
    from torchaudio.transforms import MelSpectrogram

    output, target = silent_edges(2, 1, 3000), silent_edges(2, 1, 3000)
    windows, distances = [64, 256], []
    for size in windows:
        mel = MelSpectrogram(24000, size, hop_length=size // 4, n_mels=4, normalized=True)
        a, b = (mel(wav).sqrt().clamp(min=1e-5)[:, 0] for wav in (output, target))  # [B, bands, frames]
        linear = (a - b).abs().sum(1)
        distances.append((linear + math.sqrt(size / 2) * (a.log() - b.log()).square().sum(1).sqrt()).mean())
    ours = MelLoss(24000, MelLossConfig(kind="soundstream", windows=windows, bands=[4, 4]))(output, target)
    assert torch.allclose(ours, sum(distances) / 2, rtol=1e-4)


def test_stft_loss_is_dacs():
    output, target = torch.randn(2, 1, 3000), torch.randn(2, 1, 3000)
    distances = []
    for size in (256, 64):
        window = torch.hann_window(size)
        a, b = (
            torch.stft(wav[:, 0], size, size // 4, window=window, pad_mode="constant", return_complex=True).abs()
            for wav in (output, target)
        )
        a, b = a.clamp(min=1e-5), b.clamp(min=1e-5)
        distances.append((a - b).abs().mean() + (a.square().log10() - b.square().log10()).abs().mean())
    ours = StftLoss(StftLossConfig(windows=[256, 64]))(output, target)
    assert torch.allclose(ours, sum(distances) / 2, rtol=1e-4)


@pytest.mark.parametrize("loudness", [0.0, 1e-9, 1e3])
@pytest.mark.parametrize("kind", ["log", "encodec", "soundstream", "stft"])
def test_spectral_losses_of_silence_and_loud_sounds_have_finite_gradients(kind, loudness):
    torch.manual_seed(0)
    if kind == "stft":
        loss = StftLoss(StftLossConfig(windows=[256]))
    else:  # 64 bands of 17 bins: some are empty
        loss = MelLoss(24000, MelLossConfig(kind=kind, windows=[32, 256], bands=[64, 64]))
    output = (loudness * torch.randn(2, 1, 1000)).requires_grad_()
    for target in (torch.zeros(2, 1, 1000), torch.randn(2, 1, 1000), output.detach()):
        value = loss(output, target)
        assert torch.isfinite(value) and (value == 0 or not torch.equal(output, target))
        assert torch.isfinite(torch.autograd.grad(value, output)[0]).all()


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_teacher_windows_are_centred_on_the_frames(ratio):
    frames = 6
    times = torch.arange(frames * ratio, dtype=torch.float32)[None, :, None] + 0.5  # middles of the teacher's states
    pooled = pool_teacher(times, ratio)
    assert pooled.shape == (1, frames, 1)
    middles = (torch.arange(frames) + 0.5) * ratio
    if ratio % 2:
        middles = middles + 0.5  # an even window of an odd ratio leans to the future by half a state
    assert torch.allclose(pooled[0, 1:-1, 0], middles[1:-1])


def test_a_teacher_at_the_frame_rate_is_not_pooled():
    states = torch.randn(2, 5, 3)
    assert torch.equal(pool_teacher(states, 1), states)


def test_distillation_is_one_minus_the_cosine():
    a = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    b = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])
    assert distillation_loss(a, b) == pytest.approx(0.5)


def test_feature_axis_distillation_compares_dimensions_over_time():
    a = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])  # [1, F, D]
    b = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]])
    expected = -(math.log(1 / (1 + math.exp(-1))) + math.log(0.5)) / 2  # cosines 1 and 0
    assert distillation_loss(a, b, "feature_axis") == pytest.approx(expected)


def test_discriminators_give_scores_and_features_of_every_scale():
    model = MultiScaleStftDiscriminator(StftConfig(n_fft=[128, 64], channels=4, dilations=[1, 2]))
    scores, features = model(torch.randn(2, 1, 1000))
    assert [s.shape[:2] for s in scores] == [(2, 1), (2, 1)]
    assert [len(f) for f in features] == [4, 4]
    assert scores[0].shape[2] == 1 + 1000 // 32  # frames
    assert scores[0].shape[3] == 17  # of 65 bins, halved twice
