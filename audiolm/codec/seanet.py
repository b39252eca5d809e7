"""SEANet: the convolutional encoder and decoder of SoundStream, EnCodec, SpeechTokenizer and Mimi.

Without normalisation over time (SoundStream, section III-B; EnCodec, section 3.1; Moshi, section 3.3.1). Modules stand
in the order of the released checkpoints (`layers.0` … of transformers' MimiEncoder and EncodecDecoder).
"""

from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Literal

from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.nn.conv import Norm, PaddedConv1d, PaddedConvTranspose1d, PadMode, SkippedLSTM, init_conv

LOUDNESS = 0.1  # samples' root mean square at which latents begin with about 1: that of loud speech


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
        shortcut: what a residual block adds to: its input (identity) or a convolution of one step of it (conv).
        lstm: layers of the LSTM beside the latents; 0: none.
        bidirectional: the LSTM runs in both directions (SpeechTokenizer's encoder).
        causal: nothing depends on later input.
        pad_mode: what convolutions see beyond the ends. A start that is reflected is known some steps later only.
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
    shortcut: Literal["identity", "conv"] = "identity"
    lstm: int = 0
    bidirectional: bool = False
    causal: bool = True
    pad_mode: PadMode = "constant"
    norm: Norm = "weight_norm"

    def __post_init__(self):
        if self.bidirectional and not self.lstm:
            raise AudiolmError("bidirectional is true and lstm 0: there is no LSTM to run in both directions; set lstm")

    @property
    def hop(self) -> int:
        """Samples of one output frame."""
        return prod(self.ratios)

    @property
    def streams(self) -> bool:
        """Whether no step depends on later ones."""
        return self.causal and not self.bidirectional and self.pad_mode != "reflect"

    def conv(self, *args, **kwargs) -> PaddedConv1d:
        """A convolution with this padding and norm."""
        return PaddedConv1d(*args, **kwargs, pad_mode=self.pad_mode, norm=self.norm, causal=self.causal)

    def blocks(self, channels: int) -> list[nn.Module]:
        """The residual blocks beside a stride."""
        return [SeanetBlock(self, channels, self.dilation_base**j) for j in range(self.residual_layers)]

    def memory(self, channels: int, bidirectional: bool) -> list[nn.Module]:
        """The LSTM, if there is one."""
        return [SkippedLSTM(channels, self.lstm, bidirectional)] if self.lstm else []


class SeanetBlock(nn.Module):
    """``shortcut(x) + conv1(elu(conv(elu(x))))``: [B, C, T] -> [B, C, T]."""

    def __init__(self, config: SeanetConfig, channels: int, dilation: int):
        super().__init__()
        hidden = channels // config.compress
        self.block = nn.Sequential(
            nn.ELU(),
            config.conv(channels, hidden, config.residual_kernel_size, dilation=dilation),
            nn.ELU(),
            config.conv(hidden, channels, 1),
        )
        self.shortcut = nn.Identity() if config.shortcut == "identity" else config.conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.block(x)


class SeanetEncoder(nn.Module):
    """Samples [B, 1, T] -> latents [B, dim, ceil(T / hop)]; if causal, latent t is of samples before (t + 1) * hop."""

    def __init__(self, config: SeanetConfig, dim: int):
        super().__init__()
        self.window, self.window_hop = 0, 1  # samples of the first layer's input beside its kernel, and its stride
        channels = config.channels
        layers: list[nn.Module] = [config.conv(1, channels, config.kernel_size)]
        for ratio in reversed(config.ratios):
            layers += config.blocks(channels)
            layers += [nn.ELU(), config.conv(channels, channels * 2, ratio * 2, stride=ratio)]
            channels *= 2
        layers += config.memory(channels, config.bidirectional)
        if config.bidirectional:
            channels *= 2
        layers += [nn.ELU(), config.conv(channels, dim, config.last_kernel_size)]
        self.layers = nn.Sequential(*layers)
        init_side(self.layers, SeanetBlock, first=1 / LOUDNESS)

    def forward(self, wav: Tensor) -> Tensor:
        return self.layers(wav)


class SeanetDecoder(nn.Module):
    """Latents [B, dim, T] -> samples [B, 1, T * hop]; if causal, samples from t * hop on depend on latents up to t.

    Its LSTM runs forwards, also where the encoder's runs in both directions (SpeechTokenizer).
    """

    def __init__(self, config: SeanetConfig, dim: int):
        super().__init__()
        upsample = partial(PaddedConvTranspose1d, norm=config.norm, causal=config.causal)
        channels = config.channels * 2 ** len(config.ratios)
        layers: list[nn.Module] = [config.conv(dim, channels, config.kernel_size)]
        layers += config.memory(channels, bidirectional=False)
        for ratio in config.ratios:
            layers += [nn.ELU(), upsample(channels, channels // 2, ratio * 2, stride=ratio)]
            channels //= 2
            layers += config.blocks(channels)
        layers += [nn.ELU(), config.conv(channels, 1, config.last_kernel_size)]
        self.layers = nn.Sequential(*layers)
        init_side(self.layers, SeanetBlock, last=LOUDNESS)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)


def init_side(layers: nn.Sequential, block: type[nn.Module], first: float = 1.0, last: float = 1.0) -> None:
    """Initial weights of an encoder or decoder that neither lose nor blow up the signal (:func:`init_conv`).

    Args:
        layers: all of it; residual blocks have their convolutions in ``block``.
        block: class of the residual blocks, whose N branches begin with 1 / N of the power each.
        first, last: gains of the first and the last convolution.
    """
    convs = [part for part in layers.modules() if isinstance(part, PaddedConv1d | PaddedConvTranspose1d)]
    blocks = [part for part in layers.modules() if isinstance(part, block)]
    gains = {convs[0]: first, convs[-1]: last, **{part.block[-1]: len(blocks) ** -0.5 for part in blocks}}
    for conv in convs:
        init_conv(conv, gains.get(conv, 1.0))
