"""Encoder on a causal STFT and decoder to an inverse STFT (Vocos, Siuzdak 2023): far cheaper than convolving samples.

No look-ahead: analysis frame t ends at sample (t + 1) * hop, synthesis frame t begins at sample t * hop.
"""

from dataclasses import dataclass, field
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.stft import CausalSTFT
from audiolm.errors import AudiolmError
from audiolm.nn.conv import PaddedConv1d, PaddedConvTranspose1d


@dataclass
class SpectralConfig:
    """Shape of one side; defaults give 25 Hz of 8 kHz.

    Attributes:
        n_fft: samples of a window, a multiple of stft_hop.
        stft_hop: samples from one window to the next.
        ratios: strides from latents to windows; the encoder takes them backwards.
        channels: of all convolutions.
        blocks: residual blocks beside each stride.
        kernel_size: of the blocks' convolutions.
    """

    n_fft: int = 320
    stft_hop: int = 80
    ratios: list[int] = field(default_factory=lambda: [4])
    channels: int = 256
    blocks: int = 2
    kernel_size: int = 3

    def __post_init__(self):
        if self.n_fft % self.stft_hop:
            raise AudiolmError(f"n_fft {self.n_fft} is not a multiple of stft_hop {self.stft_hop}; change one of them")

    @property
    def hop(self) -> int:
        """Samples of one latent."""
        return self.stft_hop * prod(self.ratios)

    @property
    def streams(self) -> bool:
        """Whether no step depends on later ones."""
        return True


class SpectralBlock(nn.Module):
    """``x + conv1(gelu(conv(norm(x))))``: [B, C, T] -> [B, C, T], normalised over channels only."""

    def __init__(self, channels: int, kernel_size: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = PaddedConv1d(channels, channels, kernel_size)
        self.out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.out(F.gelu(self.conv(normed)))


class SpectralEncoder(nn.Module):
    """Samples [B, 1, T] -> latents [B, dim, ceil(T / hop)]; latent t depends on samples before (t + 1) * hop."""

    FLOOR = 1e-4  # of magnitudes, where a full-scale sine has 1: differences below it vanish, silence is zero

    def __init__(self, config: SpectralConfig, dim: int):
        super().__init__()
        self.window, self.window_hop = config.n_fft, config.stft_hop  # samples of the first layer's input and stride
        self.stft = CausalSTFT(config.n_fft, config.stft_hop)
        self.first = PaddedConv1d(config.n_fft // 2 + 1, config.channels, 1)
        layers: list[nn.Module] = []
        for ratio in reversed(config.ratios):
            layers += [SpectralBlock(config.channels, config.kernel_size) for _ in range(config.blocks)]
            layers += [PaddedConv1d(config.channels, config.channels, 2 * ratio, stride=ratio)]
        self.layers = nn.Sequential(*layers)
        self.last = PaddedConv1d(config.channels, dim, 1)

    def forward(self, wav: Tensor) -> Tensor:
        magnitude = self.stft(wav[:, 0].float()).abs() * 2 / self.stft.window.sum()
        x = torch.log10(1 + magnitude / self.FLOOR).transpose(1, 2)
        return self.last(self.layers(self.first(x)))


class SpectralDecoder(nn.Module):
    """Latents [B, dim, T] -> samples [B, 1, T * hop]; samples from t * hop on depend on latents up to t."""

    MAX_LOG_MAGNITUDE = 5.0  # e^5 = 148, beyond any window of samples in [-1, 1] of the sizes in use

    def __init__(self, config: SpectralConfig, dim: int):
        super().__init__()
        self.stft = CausalSTFT(config.n_fft, config.stft_hop)
        self.first = PaddedConv1d(dim, config.channels, 1)
        layers: list[nn.Module] = []
        for ratio in config.ratios:
            layers += [PaddedConvTranspose1d(config.channels, config.channels, 2 * ratio, stride=ratio)]
            layers += [SpectralBlock(config.channels, config.kernel_size) for _ in range(config.blocks)]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(config.channels)
        self.head = nn.Linear(config.channels, config.n_fft + 2)  # log magnitude and phase of every bin

    def forward(self, latents: Tensor) -> Tensor:
        x = self.layers(self.first(latents)).transpose(1, 2)
        log_magnitude, phase = self.head(self.norm(x)).float().chunk(2, dim=-1)  # [B, frames, n_fft // 2 + 1]
        magnitude = log_magnitude.clamp(max=self.MAX_LOG_MAGNITUDE).exp()
        return self.stft.inverse(torch.polar(magnitude, phase))[:, None]
