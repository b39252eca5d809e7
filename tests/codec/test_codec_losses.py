"""What the codec's system makes of its losses: weights, kinds of discriminators, odd batches, mistakes in configs."""

import pytest
import torch
from tiny_codecs import settings
from torch.nn import functional as F

from audiolm.codec.discriminators import DiscriminatorConfig
from audiolm.codec.discriminators.spectral import BandConfig, ComplexStftConfig, StftConfig
from audiolm.codec.discriminators.waveform import PeriodConfig, WaveConfig
from audiolm.codec.losses import MelLossConfig, StftLossConfig
from audiolm.codec.system import BalanceConfig, CodecSystem, CodecSystemConfig
from audiolm.errors import AudiolmError
from audiolm.train.config import OptimizerConfig
from audiolm.train.optim import make_optimizers
from audiolm.train.options import read_config

STFT = StftConfig(n_fft=[128], channels=4, dilations=[1])
KINDS = {
    "stft": STFT,
    "complex_stft": ComplexStftConfig(n_fft=64, channels=2, multipliers=[1, 2], strides=[(1, 2), (2, 2)]),
    "band": BandConfig(
        n_fft=[256], channels=4
    ),  # smaller ones end one bin wide, where oneDNN's bf16 convolution reads past its input on AMX
    "period": PeriodConfig(periods=[2, 3], channels=[4, 8], strides=[3, 1]),
    "wave": WaveConfig(scales=2, channels=[4, 8, 8], strides=[2, 4], groups=[2, 4]),
}


def config(**options):
    given = {
        "crop": 0.64,
        "mel": MelLossConfig(windows=[64, 256], bands=[8, 16]),
        "stft": StftLossConfig(windows=[128]),
        "discriminator": DiscriminatorConfig(stft=STFT),
    }
    return CodecSystemConfig(**settings(), train_dir="no", valid_dir="no", **{**given, **options})


def system_of(**options):
    torch.manual_seed(0)
    return CodecSystem(config(**options)).train()


def batch(wav=None):
    wav = 0.3 * torch.randn(4, 1, 5120) if wav is None else wav
    index = torch.arange(len(wav))
    return {"wav": wav, "index": index, "levels": torch.full_like(index, 2), "quantized": index % 2 == 0}


def test_losses_of_weight_zero_are_not_computed(monkeypatch):
    system = system_of(balance=BalanceConfig(mel=0.0, time=0.0, stft=1.0, adversarial=0.0))
    monkeypatch.setattr(system.mel, "forward", None)
    _, metrics = system.losses(batch(), 0)
    named = {"mel", "time", "stft", "adversarial", "features"} & metrics.keys()
    assert named == {"stft", "features"}


def test_adversarial_losses_alone_train(monkeypatch):
    system = system_of(balance=BalanceConfig(mel=0.0, time=0.0))
    losses, _ = system.losses(batch(), 0)
    losses["codec"].backward()
    assert all(torch.isfinite(p.grad).all() for p in system.codec.parameters())


def test_fixed_weights_give_the_gradient_of_the_weighted_sum():
    balance = BalanceConfig(mel=3.0, stft=2.0, time=0.5, adversarial=0.7, features=1.3)
    system = system_of(balance=balance, balancer=False, adversarial="least_squares", feature_distance="absolute")
    given = batch()
    wav = given["wav"]
    seen = []
    system.codec.decoder.register_forward_hook(lambda module, inputs, output: seen.append(output))
    losses, metrics = system.losses(given, 0)
    losses["codec"].backward(retain_graph=True)
    ours = [p.grad.clone() for p in system.codec.decoder.parameters()]
    assert all(p.grad is None for p in system.discriminator.parameters())

    system.zero_grad()
    (_, real), (scores, fake) = system.discriminator(wav), system.discriminator(seen[0])
    adversarial = sum((1 - score).square().mean() for score in scores) / len(scores)
    pairs = [pair for scales in zip(real, fake, strict=True) for pair in zip(*scales, strict=True)]
    features = sum((r - f).abs().mean() for r, f in pairs) / len(pairs)
    total = 3 * system.mel(seen[0], wav) + 2 * system.stft(seen[0], wav) + 0.5 * F.l1_loss(seen[0], wav)
    total = total + 0.7 * adversarial + 1.3 * features
    commitment = system.config.commitment * metrics["commitment"]
    assert torch.allclose(losses["codec"], total + commitment, rtol=1e-4)
    total.backward()
    for gradient, p in zip(ours, system.codec.decoder.parameters(), strict=True):
        assert torch.allclose(gradient, p.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sound", "balancer"), [("silence", True), ("silence", False), ("loud", True), ("noise", False)]
)
def test_every_discriminator_trains_in_bf16_on_any_sound(kind, sound, balancer):
    loudness = {"silence": 0.0, "noise": 0.3, "loud": 100.0}[sound]
    system = system_of(
        discriminator=DiscriminatorConfig(**{kind: KINDS[kind]}, normalize=kind in ("band", "period")),
        balance=BalanceConfig(stft=1.0),
        balancer=balancer,
        adversarial="hinge" if balancer else "least_squares",
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses, metrics = system.losses(batch(loudness * torch.randn(2, 1, 5120)), 0)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(value) for value in metrics.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in system.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in system.discriminator.parameters())


def test_a_codec_without_discriminators_trains_and_saves():
    system = system_of(discriminator=None)
    losses, metrics = system.losses(batch(), 0)
    assert losses.keys() == {"codec"} and "adversarial" not in metrics
    losses["codec"].backward()
    optimizers = make_optimizers(system, {"codec": OptimizerConfig(), "discriminator": OptimizerConfig()}, 10)
    optimizers["codec"].step(0)
    optimizers["discriminator"].load(optimizers["discriminator"].state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 0.08, "discriminator": DiscriminatorConfig(stft=StftConfig(n_fft=[1024]))}, "640 samples .* 0.16 s"),
        ({"balance": BalanceConfig(adversarial=0.0, features=0.0)}, "balance.adversarial and balance.features are 0"),
        ({"balance": BalanceConfig(mel=0.0, time=0.0), "adversarial_start": 5}, "discriminators come at step 5"),
        ({"balance": BalanceConfig(mel=0.0, time=0.0), "discriminator": None}, "there is no discriminator"),
    ],
)
def test_mistakes_are_told_when_the_config_is_made(options, message):
    with pytest.raises(AudiolmError, match=message):
        config(**options)


def test_negative_weights_are_refused():
    with pytest.raises(AudiolmError, match="time is -1, expected 0 or more"):
        BalanceConfig(time=-1.0)


def test_sections_are_read_from_yaml(tmp_path):
    (tmp_path / "codec.yaml").write_text(
        """
system: codec
train_dir: data/train
valid_dir: data/valid
sample_rate: 16000
frame_rate: 50
dim: 16
encoder: {seanet: {channels: 4, ratios: [8, 5, 4, 2]}}
decoder: {seanet: {channels: 4, ratios: [8, 5, 4, 2]}}
encoder_transformer: null
decoder_transformer: null
crop: 1.0
adversarial: least_squares
balancer: false
discriminator: {band: {bands: [[0, 0.5], [0.5, 1]]}, period: {}, normalize: true}
teacher: {path: some/folder, backend: transformers, layer: mean, loss: feature_axis}
"""
    )
    made = read_config([tmp_path / "codec.yaml"]).config
    assert set(made.discriminator.parts) == {"band", "period"} and made.discriminator.normalize
    assert made.discriminator.band.bins(64) == [(0, 16), (16, 33)]
    assert made.teacher.layer == "mean" and made.teacher.loss == "feature_axis" and not made.balancer
    with pytest.raises(AudiolmError, match="discriminator.*no kind"):
        read_config([tmp_path / "codec.yaml"], [("discriminator.band", "null"), ("discriminator.period", "null")])
