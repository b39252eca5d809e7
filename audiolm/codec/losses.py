"""Losses of codec training, each a float32 scalar."""

import warnings
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.stft import power_spectrogram
from audiolm.train.ranks import mean_ranks

Adversarial = Literal["hinge", "least_squares"]
FeatureDistance = Literal["relative", "absolute"]
Distillation = Literal["cosine", "feature_axis"]


@dataclass
class MelLossConfig:
    """Scales of the mel loss; defaults are DAC's (Kumar et al. 2023, section 3.5).

    EnCodec's (section 3.4): kind encodec, 64 bands for each of the same windows; its release has windows of 64 to 1024.
    SoundStream's (section III-E): kind soundstream, 64 bands for each of the windows 64 to 2048.

    Attributes:
        kind: what is compared, see `MelLoss`.
        windows: in samples.
        bands: mel bands of each window.
        floor: of magnitudes (log, soundstream) or power (encodec).
    """

    kind: Literal["log", "encodec", "soundstream"] = "log"
    windows: list[int] = field(default_factory=lambda: [32, 64, 128, 256, 512, 1024, 2048])
    bands: list[int] = field(default_factory=lambda: [5, 10, 20, 40, 80, 160, 320])
    floor: float = 1e-5


class MelLoss(nn.Module):
    """Mean over scales of a distance of mel spectra, four hops a window. With mel power P and magnitude M = sqrt(P):

    ``log``: mean |L(x) - L(y)|, L = log10(max(M, floor)); M of a full-scale sine is 1/2. As DAC's, but that its
    mel bands add magnitudes, not powers, and that its windows are not scaled, which puts its floor far lower.

    ``encodec``: (mean |P(x) - P(y)| + mean (log10(floor + P(x)) - log10(floor + P(y)))^2) / 2, as in audiocraft's
    release; white noise has the same P in all windows.

    ``soundstream``: mean over frames of |M(x) - M(y)|_1 + sqrt(s / 2) |L(x) - L(y)|_2 for a window of s samples, M at
    least floor, L = ln M (SoundStream, eq. 4 and 5, which add frames and scales and leave the scale of M open: here
    white noise has the same M in all windows).
    """

    def __init__(self, sample_rate: int, config: MelLossConfig):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.config = config
        for size, bands in zip(config.windows, config.bands, strict=True):
            with warnings.catch_warnings():  # of bands narrower than a bin, which are part of the published losses
                warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
                filters = melscale_fbanks(size // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"filters{size}", filters, persistent=False)
            window = torch.hann_window(size)
            scale = window.sum() if config.kind == "log" else window.square().sum().sqrt()
            self.register_buffer(f"window{size}", window / scale, persistent=False)
        self.distance = {"log": _log_distance, "encodec": _encodec_distance, "soundstream": _soundstream_distance}[
            config.kind
        ]

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """[B, 1, T] each, gradient to `output` only -> scalar."""
        with torch.autocast(output.device.type, enabled=False):
            distances = []
            for size in self.config.windows:
                with torch.no_grad():
                    wanted = self._mel_power(target, size)
                distances.append(self.distance(self._mel_power(output, size), wanted, self.config.floor, size))
            return sum(distances) / len(distances)

    def _mel_power(self, wav: Tensor, size: int) -> Tensor:  # [B, frames, bands]
        window, filters = getattr(self, f"window{size}"), getattr(self, f"filters{size}")
        return power_spectrogram(wav.squeeze(1).float(), window) @ filters


def _log_distance(output: Tensor, target: Tensor, floor: float, size: int) -> Tensor:
    """Of mel powers, as the two below."""
    return F.l1_loss(output.clamp(min=floor**2).log10(), target.clamp(min=floor**2).log10()) / 2


def _encodec_distance(output: Tensor, target: Tensor, floor: float, size: int) -> Tensor:
    return (F.l1_loss(output, target) + F.mse_loss((floor + output).log10(), (floor + target).log10())) / 2


def _soundstream_distance(output: Tensor, target: Tensor, floor: float, size: int) -> Tensor:
    output, target = output.clamp(min=floor**2).sqrt(), target.clamp(min=floor**2).sqrt()
    linear = (output - target).abs().sum(-1)  # [B, frames]
    return (linear + (size / 2) ** 0.5 * torch.linalg.vector_norm(output.log() - target.log(), dim=-1)).mean()


@dataclass
class StftLossConfig:
    """Scales of the STFT loss; defaults are DAC's.

    Attributes:
        windows: in samples.
        floor: of magnitudes.
    """

    windows: list[int] = field(default_factory=lambda: [2048, 512])
    floor: float = 1e-5


class StftLoss(nn.Module):
    """Mean over scales of ``mean |log10 M(x)^2 - log10 M(y)^2| + mean |M(x) - M(y)|``, M = max(magnitude, floor).

    DAC's multi-scale STFT loss (released code; after Engel et al. 2020, section 4.2.1): Hann windows that are not
    scaled, four hops a window.
    """

    def __init__(self, config: StftLossConfig):
        super().__init__()
        self.config = config
        for size in config.windows:
            self.register_buffer(f"window{size}", torch.hann_window(size), persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """[B, 1, T] each, gradient to `output` only -> scalar."""
        with torch.autocast(output.device.type, enabled=False):
            distances = []
            for size in self.config.windows:
                with torch.no_grad():
                    wanted = self._power(target, size)
                power = self._power(output, size)
                distances.append(F.l1_loss(power.log10(), wanted.log10()) + F.l1_loss(power.sqrt(), wanted.sqrt()))
            return sum(distances) / len(distances)

    def _power(self, wav: Tensor, size: int) -> Tensor:  # [B, frames, bins]
        power = power_spectrogram(wav.squeeze(1).float(), getattr(self, f"window{size}"))
        return power.clamp(min=self.config.floor**2)


def adversarial_loss(fake: list[Tensor], kind: Adversarial = "hinge") -> Tensor:
    """Of the codec, mean over discriminators, whose scores D of the resynthesis are ``fake``.

    ``hinge``: mean max(0, 1 - D) (EnCodec, eq. 3; SoundStream, eq. 2); ``least_squares``: mean (1 - D)^2 (HiFi-GAN,
    eq. 2; DAC).
    """
    if kind == "hinge":
        return sum(F.relu(1 - scores).mean() for scores in fake) / len(fake)
    return sum((1 - scores).square().mean() for scores in fake) / len(fake)


def discriminator_loss(real: list[Tensor], fake: list[Tensor], kind: Adversarial = "hinge") -> Tensor:
    """Mean over discriminators, whose scores of the original are ``real`` R and of the resynthesis ``fake`` D.

    ``hinge``: mean max(0, 1 - R) + mean max(0, 1 + D) (EnCodec, section 3.4; SoundStream, eq. 1); ``least_squares``:
    mean (1 - R)^2 + mean D^2 (HiFi-GAN, eq. 1; DAC).
    """
    pairs = list(zip(real, fake, strict=True))
    if kind == "hinge":
        return sum(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in pairs) / len(pairs)
    return sum((1 - r).square().mean() + f.square().mean() for r, f in pairs) / len(pairs)


def feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]], distance: FeatureDistance = "relative") -> Tensor:
    """Mean over the discriminators' layers of their features' L1 distance: ``relative`` to the size of the originals'
    (EnCodec, eq. 2), or ``absolute`` (SoundStream, eq. 3; HiFi-GAN, eq. 4, and DAC, which add the layers)."""
    distances = []
    for r, f in (pair for scales in zip(real, fake, strict=True) for pair in zip(*scales, strict=True)):
        r = r.detach()
        apart = (f - r).abs().mean(dtype=torch.float32)  # features in bf16 are not copied to be averaged in float32
        if distance == "relative":
            apart = apart / mean_ranks(r.abs().mean(dtype=torch.float32)).clamp(min=1e-8)
        distances.append(apart)
    return sum(distances) / len(distances)


def pool_teacher(hidden: Tensor, ratio: int) -> Tensor:
    """Average hidden states [B, T, D] at ``ratio`` times the codec's frame rate -> [B, ceil(T / ratio), D].

    Windows of 2 * ratio states, centred on the frame, so half of one lies in the past and half in the future (Moshi,
    section 3.3.2: from 50 Hz to 12.5 Hz, kernel 8 and stride 4, not causal). States at the frame rate stay as they are.
    """
    if ratio == 1:
        return hidden
    before, fill = ratio // 2, -hidden.shape[1] % ratio
    x = F.pad(hidden.transpose(1, 2), (before, fill + ratio - before), mode="replicate")
    return F.avg_pool1d(x, 2 * ratio, ratio).transpose(1, 2)


def distillation_loss(student: Tensor, teacher: Tensor, kind: Distillation = "cosine") -> Tensor:
    """Of [B, F, D] and [B, F, D].

    ``cosine``: 1 - cosine similarity of the D values of a frame, mean over frames (Moshi, section 3.3.2).
    ``feature_axis``: -ln sigmoid(cosine similarity of the F values of a dimension), mean over dimensions
    (SpeechTokenizer, Zhang et al. 2024, eq. 1).
    """
    student, teacher = student.float(), teacher.float()
    if kind == "cosine":
        return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()
    return -F.logsigmoid(F.cosine_similarity(student, teacher, dim=1)).mean()
