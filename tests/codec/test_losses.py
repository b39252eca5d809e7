"""Codec losses by hand."""

import math

import pytest
import torch

from audiolm.codec.discriminators import DiscriminatorConfig, MultiScaleSTFTDiscriminator
from audiolm.codec.losses import (
    MelLoss,
    MelLossConfig,
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


@pytest.mark.parametrize("ratio", [1, 2, 3, 4])
def test_teacher_windows_are_centred_on_the_frames(ratio):
    frames = 6
    times = torch.arange(frames * ratio, dtype=torch.float32)[None, :, None] + 0.5  # middles of the teacher's states
    pooled = pool_teacher(times, ratio)
    assert pooled.shape == (1, frames, 1)
    middles = (torch.arange(frames) + 0.5) * ratio
    if ratio % 2:
        middles = middles + 0.5  # an even window of an odd ratio leans to the future by half a state
    assert torch.allclose(pooled[0, 1:-1, 0], middles[1:-1])


def test_distillation_is_one_minus_the_cosine():
    a = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    b = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])
    assert distillation_loss(a, b) == pytest.approx(0.5)


def test_discriminators_give_scores_and_features_of_every_scale():
    model = MultiScaleSTFTDiscriminator(DiscriminatorConfig(n_fft=[128, 64], channels=4, dilations=[1, 2]))
    scores, features = model(torch.randn(2, 1, 1000))
    assert [s.shape[:2] for s in scores] == [(2, 1), (2, 1)]
    assert [len(f) for f in features] == [4, 4]
    assert scores[0].shape[2] == 1 + 1000 // 32  # frames
    assert scores[0].shape[3] == 17  # of 65 bins, halved twice
