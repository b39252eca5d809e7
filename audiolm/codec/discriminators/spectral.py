"""Discriminators on complex spectrograms: of several resolutions (EnCodec), in bands (DAC), and complex throughout
(SoundStream)."""

from dataclasses import dataclass, field
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.discriminators.layers import Judged, Stack, hidden, normed
from audiolm.codec.stft import centred_stft
from audiolm.errors import AudiolmError

TINY = 1e-12  # added to squared magnitudes, whose roots have no gradient at zero


@dataclass
class StftConfig:
    """Defaults are EnCodec's (section 3.4, figure 2).

    Attributes:
        n_fft: windows in samples, one discriminator each.
        channels: of all layers.
        dilations: over time, one layer each.
    """

    n_fft: list[int] = field(default_factory=lambda: [2048, 1024, 512, 256, 128])
    channels: int = 32
    dilations: list[int] = field(default_factory=lambda: [1, 2, 4])

    @property
    def min_samples(self) -> int:
        """The longest window."""
        return max(self.n_fft)


class StftDiscriminator(nn.Module):
    """2-D convolutions on the complex STFT of one resolution, each dilated one halving the number of bins.

    That of EnCodec's release but for two things: windows are centred, with zeros outside, where its begin and end with
    the samples; the first convolution is weight-normalised as the others are.
    """

    def __init__(self, n_fft: int, config: StftConfig):
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
        self.stack = Stack(layers, nn.Conv2d(channels, 1, 3, padding=1), slope=0.2)

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, 1, T] -> scores [B, 1, frames, bins] and the layers' features."""
        return self.stack(real_and_imaginary(wav, self.window))


class MultiScaleStftDiscriminator(nn.Module):
    """One `StftDiscriminator` for each resolution (EnCodec, section 3.4)."""

    def __init__(self, config: StftConfig):
        super().__init__()
        self.parts = nn.ModuleList(StftDiscriminator(n_fft, config) for n_fft in config.n_fft)

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> every scale's scores, and every scale's list of features."""
        scores, features = zip(*(part(wav) for part in self.parts), strict=True)
        return list(scores), list(features)


@dataclass
class BandConfig:
    """Defaults are DAC's (Kumar et al. 2023, section 3.4).

    Attributes:
        n_fft: windows in samples, one discriminator each.
        bands: first and last frequency of each band, in shares of half the sample rate.
        channels: of all layers.
    """

    n_fft: list[int] = field(default_factory=lambda: [2048, 1024, 512])
    bands: list[tuple[float, float]] = field(
        default_factory=lambda: [(0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    )
    channels: int = 32

    def __post_init__(self):
        for n_fft in self.n_fft:
            for band, (first, last) in zip(self.bands, self.bins(n_fft), strict=True):
                if first >= last:
                    raise AudiolmError(f"band {list(band)} has no bin of n_fft {n_fft}; widen it or the window")

    @property
    def min_samples(self) -> int:
        """The longest window."""
        return max(self.n_fft)

    def bins(self, n_fft: int) -> list[tuple[int, int]]:
        """First and last (exclusive) bin of each band, rounded down: the last bin is in none, as in DAC's release."""
        bins = n_fft // 2 + 1
        return [(int(first * bins), int(last * bins)) for first, last in self.bands]


class BandDiscriminator(nn.Module):
    """2-D convolutions on the complex STFT of one resolution: a stack of them for each band, one last layer for all.

    DAC's release mirrors the samples at the ends; here they end in zeros.
    """

    SLOPE = 0.1  # of the leaky ReLUs

    def __init__(self, n_fft: int, config: BandConfig):
        super().__init__()
        self.bins = config.bins(n_fft)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        channels = config.channels
        self.bands = nn.ModuleList()
        for _ in self.bins:
            layers = [nn.Conv2d(2, channels, (3, 9), padding=(1, 4))]
            layers += [nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), padding=(1, 4)) for _ in range(3)]
            layers += [nn.Conv2d(channels, channels, 3, padding=1)]
            self.bands.append(nn.ModuleList(normed(layer, self.SLOPE) for layer in layers))
        self.last = normed(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Samples [B, 1, T] -> scores [B, 1, frames, bins] and all bands' features."""
        spectra = real_and_imaginary(wav, self.window)
        features = [
            hidden(layers, spectra[..., first:last], self.SLOPE)
            for layers, (first, last) in zip(self.bands, self.bins, strict=True)
        ]
        scores = self.last(torch.cat([outputs[-1] for outputs in features], dim=-1)).float()
        return scores, [output for outputs in features for output in outputs]


class MultiScaleBandDiscriminator(nn.Module):
    """One `BandDiscriminator` for each resolution (DAC, section 3.4)."""

    def __init__(self, config: BandConfig):
        super().__init__()
        self.parts = nn.ModuleList(BandDiscriminator(n_fft, config) for n_fft in config.n_fft)

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> every scale's scores, and every scale's list of features."""
        scores, features = zip(*(part(wav) for part in self.parts), strict=True)
        return list(scores), list(features)


@dataclass
class ComplexStftConfig:
    """Defaults are SoundStream's (section III-D, figure 4), n_fft and hop in samples at 24 kHz.

    Attributes:
        n_fft: window in samples; four hops a window.
        channels: complex ones, of the first layer.
        multipliers: channels of each unit, in those of the first layer.
        strides: of each unit, over frames and bins.
    """

    n_fft: int = 1024
    channels: int = 32
    multipliers: list[int] = field(default_factory=lambda: [1, 2, 4, 4, 8, 8])
    strides: list[tuple[int, int]] = field(default_factory=lambda: [(1, 2), (2, 2), (1, 2), (2, 2), (1, 2), (2, 2)])

    def __post_init__(self):
        if len(self.multipliers) != len(self.strides):
            raise AudiolmError(
                f"{len(self.multipliers)} multipliers, {len(self.strides)} strides; give one of each for each unit"
            )

    @property
    def min_samples(self) -> int:
        """A window, or as many hops as one step of the scores has."""
        return max(self.n_fft, prod(frames for frames, _ in self.strides) * self.n_fft // 4)


class ComplexConv2d(nn.Module):
    """A convolution with complex weights as one real convolution: ``[B, 2 C_in, T, F] -> [B, 2 C_out, T', F']``.

    The first half of the channels is the real part. ``weight`` [C_out, C_in, kernel, 2] and ``bias`` [C_out, 2] hold
    the real and imaginary parts last, with the initial values of torch's complex convolution.
    """

    def __init__(self, in_channels: int, channels: int, kernel: tuple[int, int], stride=(1, 1), padding=(0, 0)):
        super().__init__()
        initial = nn.Conv2d(in_channels, channels, kernel, dtype=torch.complex64)
        self.weight = nn.Parameter(torch.view_as_real(initial.weight.detach()).clone())
        self.bias = nn.Parameter(torch.view_as_real(initial.bias.detach()).clone())
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        real, imaginary = self.weight.unbind(-1)
        weight = torch.cat([torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)])
        return F.conv2d(x, weight, self.bias.T.flatten(), self.stride, self.padding)


class ModReLU(nn.Module):
    """``z -> relu(|z| + b) z / |z|`` of complex channels ``[B, 2 C, T, F]``, b learned (Arjovsky et al. 2016)."""

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return _ModReLU.apply(x, self.b)


class _ModReLU(torch.autograd.Function):
    """With its own gradient, since autograd's sums over pairs take five times as long on CPUs.

    With m = relu(1 + b / |z|), the gradient g of m z gives m g - b [m > 0] (z . g) / |z|^3 z, and the sum of
    [m > 0] (z . g) / |z| to b, where z . g is the product of two pairs of numbers.
    """

    @staticmethod
    def forward(ctx, x: Tensor, b: Tensor) -> Tensor:
        real, imaginary = _pairs(x.float()).unbind(1)
        inverse = (real * real).addcmul_(imaginary, imaginary).add_(TINY).rsqrt_()  # 1 / |z|
        gate = F.relu(1 + b * inverse).to(x.dtype)
        ctx.save_for_backward(x, b, inverse, gate)
        return (_pairs(x) * gate.unsqueeze(1)).flatten(1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        x, b, inverse, gate = ctx.saved_tensors
        z, g = _pairs(x), _pairs(gradient)
        along = (z[:, 0] * g[:, 0]).addcmul_(z[:, 1], g[:, 1]).float().mul_(inverse).mul_(gate > 0)
        to_b = along.sum() if ctx.needs_input_grad[1] else None
        turn = (along * inverse * inverse * -b).to(x.dtype)
        return (g * gate.unsqueeze(1)).addcmul_(z, turn.unsqueeze(1)).flatten(1, 2), to_b


def _pairs(x: Tensor) -> Tensor:
    """[B, 2 C, T, F] -> [B, 2, C, T, F]"""
    return x.unflatten(1, (2, -1))


class ComplexStftDiscriminator(nn.Module):
    """Complex convolutions on the STFT of one resolution; scores are magnitudes (SoundStream, section III-D).

    As in espnet's SoundStream: complex weights without weight norm, one ModReLU inside each unit, no skip connection,
    and no last layer over the bins. espnet's differs in four things:

    - it has no window function;
    - it mirrors the samples at both ends, where ours adds zeros;
    - its axis of bins stands before that of frames, so that the paper's strides (frames, bins) halve bins three times
      and frames six; strides [[2, 1], [2, 2], …] do so here;
    - only its last layer counts as a feature.
    """

    def __init__(self, config: ComplexStftConfig):
        super().__init__()
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        channels = config.channels
        self.first = ComplexConv2d(1, channels, (7, 7), padding=(3, 3))
        self.units = nn.ModuleList()
        for multiplier, stride in zip(config.multipliers, config.strides, strict=True):
            kernel = (stride[0] + 2, stride[1] + 2)
            out = multiplier * config.channels
            self.units.append(
                nn.Sequential(
                    ComplexConv2d(channels, channels, (3, 3), padding=(1, 1)),
                    ModReLU(),
                    ComplexConv2d(channels, out, kernel, stride, (kernel[0] // 2, kernel[1] // 2)),
                )
            )
            channels = out

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> [scores [B, C, frames, bins]], [features of every unit, [B, 2 C, frames, bins]]."""
        x = self.first(real_and_imaginary(wav, self.window))
        features = [x]
        for unit in self.units:
            x = unit(x)
            features.append(x)
        real, imaginary = x.float().chunk(2, dim=1)
        return [(real.square() + imaginary.square() + TINY).sqrt()], [features]


def real_and_imaginary(wav: Tensor, window: Tensor) -> Tensor:
    """Samples [B, 1, T] -> STFT [B, 2, frames, bins], four hops a window.

    The two parts of a bin lie side by side in memory (channels last), and so do the channels of all convolutions that
    follow: half as long a bf16 step on CPUs.
    """
    return torch.view_as_real(centred_stft(wav.squeeze(1).float(), window)).permute(0, 3, 1, 2)
