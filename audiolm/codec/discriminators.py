"""Discriminators on spectrograms of several resolutions."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from audiolm.codec.stft import centred_stft


@dataclass
class DiscriminatorConfig:
    """Defaults are EnCodec's (section 3.4, figure 2)."""

    n_fft: list[int] = field(default_factory=lambda: [2048, 1024, 512, 256, 128])  # one discriminator each
    channels: int = 32
    dilations: list[int] = field(default_factory=lambda: [1, 2, 4])  # over time, one convolution each


class STFTDiscriminator(nn.Module):
    """2-D convolutions on the complex STFT of one resolution, each dilated one halving the number of bins."""

    def __init__(self, n_fft: int, config: DiscriminatorConfig):
        super().__init__()
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        channels = config.channels
        layers = [nn.Conv2d(2, channels, (3, 9), padding=(1, 4))]
        layers += [
            nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), dilation=(dilation, 1), padding=(dilation, 4))
            for dilation in config.dilations
        ]
        layers += [nn.Conv2d(channels, channels, 3, padding=1)]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.last = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, 1, T] -> scores [B, 1, frames, bins] and the layers' features."""
        spectra = centred_stft(wav.squeeze(1).float(), self.window)
        x = torch.view_as_real(spectra).permute(0, 3, 1, 2)  # [B, 2, frames, n_fft // 2 + 1]
        features = []
        for layer in self.layers:
            x = self.activation(layer(x))
            features.append(x)
        return self.last(x).float(), features


class MultiScaleSTFTDiscriminator(nn.Module):
    """One `STFTDiscriminator` for each resolution (EnCodec, section 3.4)."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.scales = nn.ModuleList(STFTDiscriminator(n_fft, config) for n_fft in config.n_fft)

    def forward(self, wav: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Samples [B, 1, T] -> every scale's scores, and every scale's list of features."""
        scores, features = zip(*(scale(wav) for scale in self.scales), strict=True)
        return list(scores), list(features)
