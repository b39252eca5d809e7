"""Discriminators that hear samples: every p-th of them (HiFi-GAN), and all of them at several rates (MelGAN)."""

from dataclasses import dataclass, field
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.discriminators.layers import Judged, LongConv1d, Stack
from audiolm.errors import AudiolmError

SLOPE = 0.1  # of the leaky ReLUs, HiFi-GAN's


@dataclass
class PeriodConfig:
    """Defaults are HiFi-GAN's (Kong et al. 2020, section 2.3) and DAC's.

    Attributes:
        periods: one discriminator each, in samples.
        channels: of each layer.
        strides: of each layer, over time.
    """

    periods: list[int] = field(default_factory=lambda: [2, 3, 5, 7, 11])
    channels: list[int] = field(default_factory=lambda: [32, 128, 512, 1024, 1024])
    strides: list[int] = field(default_factory=lambda: [3, 3, 3, 3, 1])

    def __post_init__(self):
        _same_length("channels", self.channels, "strides", self.strides)

    @property
    def min_samples(self) -> int:
        """The fewest samples in which the longest period has a full stride."""
        return max(self.periods) * prod(self.strides)


class PeriodDiscriminator(nn.Module):
    """2-D convolutions of kernel 1 × 5 on samples [B, 1, period, T / period]: along time, each phase by itself.

    The reference has time on the third axis; on the last, where samples of a phase lie together, it is faster.
    """

    def __init__(self, period: int, config: PeriodConfig):
        super().__init__()
        self.period = period
        sizes = zip([1, *config.channels], config.channels, config.strides, strict=False)
        layers = [nn.Conv2d(size, out, (1, 5), (1, stride), padding=(0, 2)) for size, out, stride in sizes]
        self.stack = Stack(layers, nn.Conv2d(config.channels[-1], 1, (1, 3), padding=(0, 1)), SLOPE)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, 1, T] -> scores [B, 1, period, steps] and the layers' features; a last period is mirrored."""
        wav = F.pad(wav, (0, -wav.shape[-1] % self.period), mode="reflect")
        return self.stack(wav.unflatten(2, (-1, self.period)).transpose(2, 3).contiguous())


class MultiPeriodDiscriminator(nn.Module):
    """One `PeriodDiscriminator` a period (HiFi-GAN, section 2.3; the last kernel is 3, as in its released code)."""

    def __init__(self, config: PeriodConfig):
        super().__init__()
        self.parts = nn.ModuleList(PeriodDiscriminator(period, config) for period in config.periods)

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> every period's scores, and every period's list of features."""
        scores, features = zip(*(part(wav) for part in self.parts), strict=True)
        return list(scores), list(features)


@dataclass
class WaveConfig:
    """Defaults are HiFi-GAN's (Kong et al. 2020, section 2.3, released code), which espnet's SoundStream shares.

    MelGAN's (Kumar et al. 2019, figure 1) and SoundStream's (section III-D): channels [16, 64, 256, 1024, 1024],
    strides [4, 4, 4, 4], groups [4, 16, 64, 256].

    Attributes:
        scales: discriminators; each hears half the rate of the one before.
        channels: of the first layer and of the strided ones; the last layer but one keeps the last of them.
        strides: of the strided layers, of kernel 41.
        groups: of the strided layers.
    """

    scales: int = 3
    channels: list[int] = field(default_factory=lambda: [128, 128, 256, 512, 1024, 1024])
    strides: list[int] = field(default_factory=lambda: [2, 2, 4, 4, 1])
    groups: list[int] = field(default_factory=lambda: [4, 16, 16, 16, 16])

    def __post_init__(self):
        _same_length("groups", self.groups, "strides", self.strides)
        _same_length("channels after the first", self.channels[1:], "strides", self.strides)

    @property
    def min_samples(self) -> int:
        """Samples of a step of the scores at the lowest rate."""
        return 2 ** (self.scales - 1) * prod(self.strides)


class WaveDiscriminator(nn.Module):
    """Grouped, strided convolutions on samples."""

    def __init__(self, config: WaveConfig):
        super().__init__()
        channels = config.channels
        sizes = zip(channels, channels[1:], config.strides, config.groups, strict=False)
        layers = [nn.Conv1d(1, channels[0], 15, padding=7)]
        layers += [LongConv1d(size, out, 41, stride, padding=20, groups=groups) for size, out, stride, groups in sizes]
        layers += [nn.Conv1d(channels[-1], channels[-1], 5, padding=2)]
        self.stack = Stack(layers, nn.Conv1d(channels[-1], 1, 3, padding=1), SLOPE)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, 1, T] -> scores [B, 1, steps] and the layers' features."""
        return self.stack(wav)


class MultiScaleWaveDiscriminator(nn.Module):
    """`WaveDiscriminator`s on samples and on averages of them at halved rates (MelGAN, section 2.2)."""

    def __init__(self, config: WaveConfig):
        super().__init__()
        self.parts = nn.ModuleList(WaveDiscriminator(config) for _ in range(config.scales))

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> every scale's scores, and every scale's list of features."""
        scores, features = [], []
        for part in self.parts:
            score, outputs = part(wav)
            scores.append(score)
            features.append(outputs)
            wav = F.avg_pool1d(wav, 4, 2, padding=2)
        return scores, features


def _same_length(name: str, values: list, other: str, others: list) -> None:
    if len(values) != len(others):
        raise AudiolmError(f"{len(values)} {name}, {len(others)} {other}; give one for each layer")
