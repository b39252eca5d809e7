"""Losses of codec training, each a float32 scalar."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from audiolm.codec.ranks import mean_ranks
from audiolm.codec.stft import power_spectrogram


@dataclass
class MelLossConfig:
    """Scales of the mel loss: sizes of the windows in samples, mel bands of each, and the floor of magnitudes."""

    windows: list[int] = field(default_factory=lambda: [32, 64, 128, 256, 512, 1024, 2048])
    bands: list[int] = field(default_factory=lambda: [5, 10, 20, 40, 80, 160, 320])
    floor: float = 1e-5


class MelLoss(nn.Module):
    """Mean over scales of the L1 distance of log-mel spectra, log10(max(mel power, floor^2)) / 2, four hops a window.

    Several scales as in SoundStream (section III-E), log only and with few bands for short windows as in DAC (Kumar et
    al. 2023, section 3.5). A full-scale sine has magnitude 1/2.
    """

    def __init__(self, sample_rate: int, config: MelLossConfig):
        super().__init__()
        self.config = config
        for size, bands in zip(config.windows, config.bands, strict=True):
            filters = torchaudio.functional.melscale_fbanks(size // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"filters{size}", filters, persistent=False)
            window = torch.hann_window(size)
            self.register_buffer(f"window{size}", window / window.sum(), persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """[B, 1, T] each, gradient to `output` only -> scalar."""
        with torch.autocast(output.device.type, enabled=False):
            distances = []
            for size in self.config.windows:
                with torch.no_grad():
                    wanted = self._log_mel(target, size)
                distances.append(F.l1_loss(self._log_mel(output, size), wanted))
            return sum(distances) / len(distances)

    def _log_mel(self, wav: Tensor, size: int) -> Tensor:  # [B, frames, bands]
        window, filters = getattr(self, f"window{size}"), getattr(self, f"filters{size}")
        power = power_spectrogram(wav.squeeze(1).float(), window) @ filters
        return power.clamp(min=self.config.floor**2).log10() / 2


def adversarial_loss(fake: list[Tensor]) -> Tensor:
    """Of the codec: hinge, mean over scales of ``max(0, 1 - D(resynthesis))`` (EnCodec, eq. 3)."""
    return sum(F.relu(1 - scores).mean() for scores in fake) / len(fake)


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge, mean over scales of ``max(0, 1 - D(original)) + max(0, 1 + D(resynthesis))`` (EnCodec, section 3.4)."""
    return sum(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)) / len(real)


def feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Mean over the discriminators' layers of their features' L1 distance, relative to the originals' size (EnCodec,
    eq. 2)."""
    pairs = [pair for scales in zip(real, fake, strict=True) for pair in zip(*scales, strict=True)]
    return sum(F.l1_loss(f, r.detach()) / mean_ranks(r.detach().abs().mean()) for r, f in pairs) / len(pairs)


def pool_teacher(hidden: Tensor, ratio: int) -> Tensor:
    """Average hidden states [B, T, D] at ``ratio`` times the codec's frame rate -> [B, ceil(T / ratio), D].

    Windows of 2 * ratio states, centred on the frame, so half of one lies in the past and half in the future (Moshi,
    section 3.3.3, kernel 8 and stride 4).
    """
    before, fill = ratio // 2, -hidden.shape[1] % ratio
    x = F.pad(hidden.transpose(1, 2), (before, fill + ratio - before), mode="replicate")
    return F.avg_pool1d(x, 2 * ratio, ratio).transpose(1, 2)


def distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine similarity of [B, F, D] with [B, F, D], mean over frames (Moshi, section 3.3.3)."""
    return (1 - F.cosine_similarity(student.float(), teacher.float(), dim=-1)).mean()
