"""Discriminators of codec training, chosen and combined by one config."""

from dataclasses import dataclass, fields

from torch import Tensor, nn

from audiolm.codec.discriminators.layers import Judged
from audiolm.codec.discriminators.spectral import (
    BandConfig,
    ComplexStftConfig,
    ComplexStftDiscriminator,
    MultiScaleBandDiscriminator,
    MultiScaleStftDiscriminator,
    StftConfig,
)
from audiolm.codec.discriminators.waveform import (
    MultiPeriodDiscriminator,
    MultiScaleWaveDiscriminator,
    PeriodConfig,
    WaveConfig,
)
from audiolm.errors import AudiolmError

KINDS = {
    "stft": MultiScaleStftDiscriminator,
    "complex_stft": ComplexStftDiscriminator,
    "band": MultiScaleBandDiscriminator,
    "period": MultiPeriodDiscriminator,
    "wave": MultiScaleWaveDiscriminator,
}


@dataclass
class DiscriminatorConfig:
    """Which discriminators there are: at least one.

    EnCodec has stft; SoundStream complex_stft and wave; DAC band, period and normalize; HiFi-GAN period and wave.

    Attributes:
        stft: on the real and imaginary parts of spectrograms of several resolutions.
        complex_stft: complex throughout, on a spectrogram of one resolution.
        band: on bands of spectrograms of several resolutions.
        period: on every p-th sample, for several p.
        wave: on samples at several rates.
        normalize: whether all of them hear each clip without its mean and scaled to a peak of 0.8.
    """

    stft: StftConfig | None = None
    complex_stft: ComplexStftConfig | None = None
    band: BandConfig | None = None
    period: PeriodConfig | None = None
    wave: WaveConfig | None = None
    normalize: bool = False

    def __post_init__(self):
        if not self.parts:
            raise AudiolmError(f"a discriminator of no kind; give one or more of: {', '.join(KINDS)}")

    @property
    def parts(self) -> dict[str, StftConfig | ComplexStftConfig | BandConfig | PeriodConfig | WaveConfig]:
        """The sections that are there, by name."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name in KINDS}
        return {kind: part for kind, part in given.items() if part is not None}

    def check(self, samples: int, frame_size: int, sample_rate: int) -> None:
        """Raise an AudiolmError if crops of so many samples, whole frames, are shorter than what a part takes in."""
        for kind, part in self.parts.items():
            if samples < part.min_samples:
                enough = -(-part.min_samples // frame_size) * frame_size / sample_rate
                raise AudiolmError(
                    f"crop: {samples} samples are fewer than the {part.min_samples} that discriminator.{kind} takes in "
                    f"at once; set crop to {enough:g} s or more, or make discriminator.{kind} smaller"
                )


class Discriminators(nn.Module):
    """All of a config's, each by itself on the same samples."""

    PEAK = 0.8  # where normalised (DAC's release)
    QUIET = 1e-3  # clips of a lower peak are scaled no more than that: silence has a gradient of sane size

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.normalize = config.normalize
        self.kinds = nn.ModuleDict({kind: KINDS[kind](part) for kind, part in config.parts.items()})

    def forward(self, wav: Tensor) -> Judged:
        """Samples [B, 1, T] -> scores [B, ...], float32, and features: a tensor and a list for each discriminator."""
        if self.normalize:
            wav = self._normalized(wav)
        scores: list[Tensor] = []
        features: list[list[Tensor]] = []
        for kind in self.kinds.values():
            kind_scores, kind_features = kind(wav)
            scores += kind_scores
            features += kind_features
        return scores, features

    def _normalized(self, wav: Tensor) -> Tensor:
        wav = wav.float() - wav.float().mean(dim=-1, keepdim=True)
        return wav * (self.PEAK / wav.abs().amax(dim=-1, keepdim=True).clamp(min=self.QUIET))
