"""Discriminators against espnet's with the same weights, their config, and odd input."""

import pytest
import torch
from torch import nn
from torch.nn.utils import remove_weight_norm

from audiolm.codec.discriminators import DiscriminatorConfig, Discriminators
from audiolm.codec.discriminators.layers import LongConv1d
from audiolm.codec.discriminators.spectral import (
    BandConfig,
    ComplexConv2d,
    ComplexStftConfig,
    ComplexStftDiscriminator,
    ModReLU,
    MultiScaleBandDiscriminator,
    MultiScaleStftDiscriminator,
    StftConfig,
)
from audiolm.codec.discriminators.waveform import (
    MultiPeriodDiscriminator,
    MultiScaleWaveDiscriminator,
    PeriodConfig,
    WaveConfig,
)
from audiolm.errors import AudiolmError

SMALL = {
    "stft": StftConfig(n_fft=[128, 64], channels=4, dilations=[1, 2]),
    "complex_stft": ComplexStftConfig(n_fft=64, channels=2, multipliers=[1, 2], strides=[(1, 2), (2, 2)]),
    "band": BandConfig(
        n_fft=[512, 256], channels=4
    ),  # smaller ones end one bin wide, where oneDNN's bf16 convolution reads past its input on AMX
    "period": PeriodConfig(periods=[2, 3], channels=[4, 8], strides=[3, 1]),
    "wave": WaveConfig(scales=2, channels=[4, 8, 8], strides=[2, 4], groups=[2, 4]),
}


def convolutions(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, (nn.Conv1d, nn.Conv2d))]


@pytest.mark.parametrize("kind", ["stft", "band", "period", "wave"])
@torch.no_grad()
def test_at_first_no_layer_loses_the_sound(kind):
    """With torch's own weights nothing of it is left beside the biases."""
    torch.manual_seed(0)
    wide = {
        "stft": StftConfig(n_fft=[128], channels=64),
        "band": BandConfig(n_fft=[256], channels=64),
        "period": PeriodConfig(periods=[2], channels=[64] * 5),
        "wave": WaveConfig(scales=1, channels=[64] * 6, groups=[4] * 5),
    }
    quiet = 0.01 * torch.randn(4, 1, 8192)
    discriminators = Discriminators(DiscriminatorConfig(**{kind: wide[kind]}))
    assert not any(part.bias.any() for part in convolutions(discriminators))
    _, [features] = discriminators(quiet)
    first, last = features[0].square().mean().sqrt(), features[4].square().mean().sqrt()
    assert 0.25 < last / first < 2  # zeros beside narrow bands take some


@torch.no_grad()
def copy_convolutions(ours: nn.Module, theirs: nn.Module, transposed: bool = False) -> None:
    """Set the weights of our convolutions, in order, from theirs."""
    pairs = list(zip(convolutions(ours), convolutions(theirs), strict=True))
    for mine, other in pairs:
        weight = other.weight.transpose(-1, -2) if transposed else other.weight
        mine.weight = weight.detach().clone()
        mine.bias.copy_(other.bias)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=1e-5)


def quiet_edges(samples: int, zeros: int) -> torch.Tensor:
    """Noise of zero mean between zeros: mirrored at its ends, it ends in zeros."""
    noise = torch.randn(2, 1, samples - 2 * zeros)
    return nn.functional.pad(noise - noise.mean(dim=-1, keepdim=True), (zeros, zeros))


def test_stft_is_espnets_on_centred_windows():
    from espnet2.gan_codec.shared.discriminator.msstft_discriminator import MultiScaleSTFTDiscriminator

    torch.manual_seed(0)
    sizes = [128, 64]
    theirs = MultiScaleSTFTDiscriminator(4, n_ffts=sizes, hop_lengths=[32, 16], win_lengths=sizes, dilations=[1, 2, 4])
    ours = MultiScaleStftDiscriminator(StftConfig(n_fft=sizes, channels=4))
    copy_convolutions(ours, theirs)
    wav = torch.randn(2, 1, 1000)
    scores, features = ours(wav)
    for i, size in enumerate(sizes):
        expected_scores, expected = theirs.discriminators[i](nn.functional.pad(wav, (size // 2, size // 2)))
        assert close(scores[i], expected_scores)
        assert all(map(close, features[i], expected)) and len(features[i]) == len(expected)


def test_band_is_espnets_dac():
    from espnet2.gan_codec.shared.discriminator.msmpmb_discriminator import MultiBandDiscriminator

    torch.manual_seed(0)
    ours = MultiScaleBandDiscriminator(BandConfig(n_fft=[128, 64], channels=4))
    wav = quiet_edges(1000, 80)
    theirs = [MultiBandDiscriminator(size, channel=4) for size in (128, 64)]
    for part, other in zip(ours.parts, theirs, strict=True):
        copy_convolutions(part, other)
    scores, features = ours(wav)
    for i, other in enumerate(theirs):
        *expected, expected_scores = other(wav)
        assert close(scores[i], expected_scores)
        assert all(map(close, features[i], expected)) and len(features[i]) == len(expected) == 25


def test_normalisation_is_espnets_dac_and_spares_silence():
    from espnet2.gan_codec.shared.discriminator.msmpmb_discriminator import MultiScaleMultiPeriodMultiBandDiscriminator

    heard = []
    discriminators = Discriminators(DiscriminatorConfig(wave=SMALL["wave"], normalize=True))
    discriminators.kinds["wave"].register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    wav = 0.1 + torch.randn(2, 1, 500) * torch.tensor([0.01, 3.0])[:, None, None]
    discriminators(wav)
    expected = MultiScaleMultiPeriodMultiBandDiscriminator.preprocess(None, wav)
    assert torch.allclose(heard[0], expected, atol=1e-5)
    assert heard[0].abs().amax(-1).flatten().tolist() == pytest.approx([0.8, 0.8], abs=1e-5)
    discriminators(torch.full((1, 1, 500), 0.5))
    assert heard[1].abs().max() < 1e-3


def test_period_is_espnets_with_hifigans_last_kernel():
    from espnet2.gan_tts.hifigan.hifigan import HiFiGANPeriodDiscriminator

    torch.manual_seed(0)
    config = PeriodConfig(periods=[2, 3], channels=[4, 16, 32], strides=[3, 3, 1])
    ours = MultiPeriodDiscriminator(config)
    wav = torch.randn(2, 1, 301)  # no multiple of either
    scores, features = ours(wav)
    for i, period in enumerate(config.periods):
        theirs = HiFiGANPeriodDiscriminator(
            period=period, channels=4, downsample_scales=[3, 3, 1], max_downsample_channels=32, use_weight_norm=False
        )
        theirs.output_conv = nn.Conv2d(32, 1, (3, 1), padding=(1, 0))
        copy_convolutions(ours.parts[i], theirs, transposed=True)
        score, outputs = ours.parts[i](wav)
        *expected, expected_score = theirs(wav)
        assert close(score.transpose(2, 3).flatten(1), expected_score)
        assert all(close(mine.transpose(2, 3), other) for mine, other in zip(outputs, expected, strict=True))
        assert scores[i].shape == score.shape and len(features[i]) == len(expected)


def test_wave_is_espnets_soundstream():
    from espnet2.gan_tts.hifigan.hifigan import HiFiGANMultiScaleDiscriminator

    torch.manual_seed(0)
    params = {"channels": 8, "max_downsample_channels": 32, "max_groups": 8, "downsample_scales": [2, 4, 1]}
    theirs = HiFiGANMultiScaleDiscriminator(scales=3, discriminator_params=params)
    ours = MultiScaleWaveDiscriminator(WaveConfig(channels=[8, 8, 16, 32], strides=[2, 4, 1], groups=[4, 8, 8]))
    for module in convolutions(theirs):
        remove_weight_norm(module)
    copy_convolutions(ours, theirs)
    wav = torch.randn(2, 1, 1000)
    scores, features = ours(wav)
    for score, outputs, (*expected, expected_score) in zip(scores, features, theirs(wav), strict=True):
        assert close(score, expected_score)
        assert all(map(close, outputs, expected)) and len(outputs) == len(expected)


def test_defaults_have_the_parameters_of_espnets():
    from espnet2.gan_tts.hifigan.hifigan import HiFiGANMultiScaleDiscriminator

    ours, theirs = MultiScaleWaveDiscriminator(WaveConfig()), HiFiGANMultiScaleDiscriminator()
    assert [c.weight.shape for c in convolutions(ours)] == [c.weight.shape for c in convolutions(theirs)]
    assert [c.stride for c in convolutions(ours)] == [c.stride for c in convolutions(theirs)]


def test_complex_stft_is_espnets_but_for_window_and_axes():
    from espnet2.gan_codec.shared.discriminator.stft_discriminator import ComplexSTFTDiscriminator

    torch.manual_seed(0)
    strides = [(1, 2), (2, 2), (1, 2)]
    theirs = ComplexSTFTDiscriminator(
        channels=2, strides=strides, chan_mults=[1, 2, 4], n_fft=64, hop_length=16, win_length=64
    )
    config = ComplexStftConfig(64, channels=2, multipliers=[1, 2, 4], strides=[pair[::-1] for pair in strides])
    ours = ComplexStftDiscriminator(config)
    ours.window.fill_(1.0)
    mine = [part for part in ours.modules() if isinstance(part, (ComplexConv2d, ModReLU))]
    others = [part for part in theirs.modules() if hasattr(part, "bias") or hasattr(part, "b")]
    with torch.no_grad():
        for part, other in zip(mine, others, strict=True):
            if isinstance(part, ModReLU):
                other.b.normal_(std=0.1)
                part.b.copy_(other.b)
            else:
                part.weight.copy_(other.weight.transpose(2, 3))
                part.bias.copy_(other.bias)
    wav = quiet_edges(1000, 40)
    (score,), (features,) = ours(wav)
    ((expected,),) = theirs(wav)
    assert close(score.transpose(2, 3), expected)
    assert [f.shape[1] for f in features] == [4, 4, 8, 16]


@pytest.mark.parametrize("kind", SMALL)
def test_bf16_silence_and_loud_sounds_give_finite_scores_and_gradients(kind):
    torch.manual_seed(0)
    discriminators = Discriminators(DiscriminatorConfig(**{kind: SMALL[kind]}))
    for wav in (torch.zeros(2, 1, 700), 1e3 * torch.randn(2, 1, 700)):
        wav.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            scores, features = discriminators(wav)
        assert all(score.dtype == torch.float32 and len(score) == 2 for score in scores)
        assert len(scores) == len(features)
        sum(score.mean() for score in scores).backward()
        assert torch.isfinite(wav.grad).all()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in discriminators.parameters())
        discriminators.zero_grad()


@pytest.mark.parametrize("sizes", [(41, 1, 20), (41, 2, 20), (41, 4, 20), (15, 1, 0), (5, 3, 2)])
def test_long_kernels_are_plain_ones(sizes):
    kernel, stride, padding = sizes
    torch.manual_seed(0)
    conv = LongConv1d(4, 6, kernel, stride, padding=padding, groups=2)
    for samples in range(60, 65):
        x = torch.randn(2, 4, samples, requires_grad=True)
        expected = nn.functional.conv1d(x, conv.weight, conv.bias, stride, padding, groups=2)
        output = conv(x)
        assert close(output, expected)
        gradient, inputs = torch.randn_like(output), (x, conv.weight, conv.bias)
        for mine, other in zip(
            torch.autograd.grad(output, inputs, gradient), torch.autograd.grad(expected, inputs, gradient), strict=True
        ):
            assert torch.allclose(mine, other, atol=1e-4)


def test_modrelu_is_its_formula_and_has_its_gradient():
    torch.manual_seed(0)
    layer = ModReLU()
    nn.init.constant_(layer.b, -0.5)
    x = torch.randn(2, 6, 5, 7, requires_grad=True)
    z = torch.complex(*x.chunk(2, dim=1))
    expected = torch.polar(torch.relu(z.abs() + layer.b), z.angle())
    expected = torch.cat([expected.real, expected.imag], dim=1)
    output = layer(x)
    assert close(output, expected)
    gradient = torch.randn_like(output)
    for mine, other in zip(
        torch.autograd.grad(output, (x, layer.b), gradient),
        torch.autograd.grad(expected, (x, layer.b), gradient),
        strict=True,
    ):
        assert torch.allclose(mine, other, atol=1e-4)


def test_kinds_are_combined_in_one_list():
    discriminators = Discriminators(DiscriminatorConfig(**SMALL))
    scores, features = discriminators(torch.randn(3, 1, 1000))
    assert len(scores) == len(features) == 2 + 1 + 2 + 2 + 2
    assert all(len(score) == 3 for score in scores)


def test_config_is_checked():
    with pytest.raises(AudiolmError, match="no kind; give one or more of: stft, complex_stft, band, period, wave"):
        DiscriminatorConfig(normalize=True)
    with pytest.raises(AudiolmError, match="3 groups, 2 strides"):
        WaveConfig(channels=[4, 4, 4], strides=[2, 2], groups=[1, 1, 1])
    with pytest.raises(AudiolmError, match=r"band \[0.0, 0.1\] has no bin of n_fft 8"):
        BandConfig(n_fft=[8])


@pytest.mark.parametrize(
    ("kind", "needed"), [("stft", 2048), ("complex_stft", 2048), ("band", 2048), ("period", 891), ("wave", 256)]
)
def test_crops_must_fill_what_a_discriminator_takes_in(kind, needed):
    config = DiscriminatorConfig(**{kind: type(SMALL[kind])()})
    config.check(needed, 320, 16000)
    enough = -(-needed // 320) * 0.02
    with pytest.raises(AudiolmError, match=rf"{needed - 1} samples .* {needed} .* crop to {enough:g} s") as error:
        config.check(needed - 1, 320, 16000)
    assert f"discriminator.{kind}" in str(error.value)
