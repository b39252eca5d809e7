"""SEANet: the convolutional encoder and decoder of SoundStream, EnCodec and Mimi, from samples and back.

Causal, without normalisation over time: EnCodec, section 3.1; Moshi, section 3.3.1. Modules stand in the order of the
released checkpoints (`layers.0` … of transformers' MimiEncoder and MimiDecoder).
"""

from dataclasses import dataclass, field
from math import prod

from torch import Tensor, nn

from audiolm.nn.conv import CausalConv1d, CausalConvTranspose1d, Norm


@dataclass
class SeanetConfig:
    """Shape of one side; defaults are Mimi's (24 kHz, 25 Hz).

    Attributes:
        channels: at the sample rate; doubled at every stride.
        ratios: strides from latents to samples; the encoder takes them backwards.
        kernel_size: of the convolution on samples (encoder) or latents (decoder).
        last_kernel_size: of the convolution at the other end.
        residual_kernel_size: of the residual blocks.
        residual_layers: residual blocks beside each stride.
        dilation_base: block j beside a stride has dilation dilation_base ** j.
        compress: inner width of a block is its width divided by this.
        norm: of all convolutions in training.
    """

    channels: int = 64
    ratios: list[int] = field(default_factory=lambda: [8, 6, 5, 4])
    kernel_size: int = 7
    last_kernel_size: int = 3
    residual_kernel_size: int = 3
    residual_layers: int = 1
    dilation_base: int = 2
    compress: int = 2
    norm: Norm = "weight_norm"

    @property
    def hop(self) -> int:
        """Samples of one output frame."""
        return prod(self.ratios)


class SeanetBlock(nn.Module):
    """``x + conv1(elu(conv(elu(x))))``: [B, C, T] -> [B, C, T]."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, compress: int, norm: Norm):
        super().__init__()
        hidden = channels // compress
        self.block = nn.Sequential(
            nn.ELU(),
            CausalConv1d(channels, hidden, kernel_size, dilation=dilation, norm=norm),
            nn.ELU(),
            CausalConv1d(hidden, channels, 1, norm=norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class SeanetEncoder(nn.Module):
    """Samples [B, 1, T] -> latents [B, dim, ceil(T / hop)]; latent t depends on samples before (t + 1) * hop."""

    def __init__(self, config: SeanetConfig, dim: int):
        super().__init__()
        self.window, self.window_hop = 0, 1  # samples of the first layer's input beside its kernel, and its stride
        channels = config.channels
        layers: list[nn.Module] = [CausalConv1d(1, channels, config.kernel_size, norm=config.norm)]
        for ratio in reversed(config.ratios):
            layers += _blocks(config, channels)
            layers += [nn.ELU(), CausalConv1d(channels, channels * 2, ratio * 2, stride=ratio, norm=config.norm)]
            channels *= 2
        layers += [nn.ELU(), CausalConv1d(channels, dim, config.last_kernel_size, norm=config.norm)]
        self.layers = nn.Sequential(*layers)

    def forward(self, wav: Tensor) -> Tensor:
        return self.layers(wav)


class SeanetDecoder(nn.Module):
    """Latents [B, dim, T] -> samples [B, 1, T * hop]; samples from t * hop on depend on latents up to t."""

    def __init__(self, config: SeanetConfig, dim: int):
        super().__init__()
        channels = config.channels * 2 ** len(config.ratios)
        layers: list[nn.Module] = [CausalConv1d(dim, channels, config.kernel_size, norm=config.norm)]
        for ratio in config.ratios:
            layers += [
                nn.ELU(),
                CausalConvTranspose1d(channels, channels // 2, ratio * 2, stride=ratio, norm=config.norm),
            ]
            channels //= 2
            layers += _blocks(config, channels)
        layers += [nn.ELU(), CausalConv1d(channels, 1, config.last_kernel_size, norm=config.norm)]
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)


def _blocks(config: SeanetConfig, channels: int) -> list[nn.Module]:
    return [
        SeanetBlock(channels, config.residual_kernel_size, config.dilation_base**j, config.compress, config.norm)
        for j in range(config.residual_layers)
    ]
