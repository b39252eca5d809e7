"""The encoder and decoder of the Descript Audio Codec (Kumar et al. 2023, section 3.1): residual units with Snakes.

Convolutions see as much after a step as before it.
"""

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from audiolm.codec.seanet import LOUDNESS, init_side
from audiolm.nn.conv import Norm, PaddedConv1d, PaddedConvTranspose1d


@dataclass
class DacConfig:
    """Shape of one side; defaults give 75 Hz of 24 kHz.

    Attributes:
        channels: at the sample rate; doubled at every stride.
        ratios: strides from latents to samples; the encoder takes them backwards.
        dilations: of the residual units beside each stride.
        norm: of all convolutions in training.
    """

    channels: int = 64
    ratios: list[int] = field(default_factory=lambda: [8, 5, 4, 2])
    dilations: list[int] = field(default_factory=lambda: [1, 3, 9])
    norm: Norm = "weight_norm"

    @property
    def hop(self) -> int:
        """Samples of one output frame."""
        return prod(self.ratios)

    @property
    def streams(self) -> bool:
        """Whether no step depends on later ones."""
        return False

    def conv(self, *args, **kwargs) -> PaddedConv1d:
        """A convolution with this norm."""
        return PaddedConv1d(*args, **kwargs, norm=self.norm, causal=False)

    def units(self, channels: int) -> list[nn.Module]:
        """The residual units beside a stride."""
        return [ResidualUnit(self, channels, dilation) for dilation in self.dilations]


class Snake(nn.Module):
    """``x + sin(alpha x)^2 / alpha`` with an alpha for every channel (Liu et al. 2020, equation 3)."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:  # [B, C, T] -> [B, C, T]
        return x + (self.alpha * x).sin().square() / (self.alpha + 1e-9)


class ResidualUnit(nn.Module):
    """``x + conv1(snake(conv7(snake(x))))``: [B, C, T] -> [B, C, T]."""

    def __init__(self, config: DacConfig, channels: int, dilation: int):
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            config.conv(channels, channels, 7, dilation=dilation),
            Snake(channels),
            config.conv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class DacEncoder(nn.Module):
    """Samples [B, 1, T] -> latents [B, dim, ceil(T / hop)]."""

    def __init__(self, config: DacConfig, dim: int):
        super().__init__()
        self.window, self.window_hop = 0, 1  # samples of the first layer's input beside its kernel, and its stride
        channels = config.channels
        layers: list[nn.Module] = [config.conv(1, channels, 7)]
        for ratio in reversed(config.ratios):
            layers += [*config.units(channels), Snake(channels)]
            layers += [config.conv(channels, channels * 2, ratio * 2, stride=ratio)]
            channels *= 2
        self.layers = nn.Sequential(*layers, Snake(channels), config.conv(channels, dim, 3))
        init_side(self.layers, ResidualUnit, first=1 / LOUDNESS)

    def forward(self, wav: Tensor) -> Tensor:
        return self.layers(wav)


class DacDecoder(nn.Module):
    """Latents [B, dim, T] -> samples [B, 1, T * hop] in [-1, 1]."""

    def __init__(self, config: DacConfig, dim: int):
        super().__init__()
        channels = config.channels * 2 ** len(config.ratios)
        layers: list[nn.Module] = [config.conv(dim, channels, 7)]
        for ratio in config.ratios:
            upsample = PaddedConvTranspose1d(
                channels, channels // 2, ratio * 2, stride=ratio, norm=config.norm, causal=False
            )
            channels //= 2
            layers += [Snake(channels * 2), upsample, *config.units(channels)]
        self.layers = nn.Sequential(*layers, Snake(channels), config.conv(channels, 1, 7), nn.Tanh())
        init_side(self.layers, ResidualUnit, last=LOUDNESS)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)
