"""A neural codec composed from a config: encoder, transformer, quantizer, transformer, decoder."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.dac import DacConfig, DacDecoder, DacEncoder
from audiolm.codec.prepared import Prepared
from audiolm.codec.quantize import Draws, Quantized, QuantizerConfig
from audiolm.codec.seanet import SeanetConfig, SeanetDecoder, SeanetEncoder
from audiolm.codec.spectral import SpectralConfig, SpectralDecoder, SpectralEncoder
from audiolm.codec.stft import CausalSTFT
from audiolm.codec.streaming import CodecStream
from audiolm.errors import AudiolmError
from audiolm.nn.conv import PaddedConv1d, PaddedConvTranspose1d, SkippedLSTM, init_conv
from audiolm.nn.packed import Precision
from audiolm.nn.transformer import Transformer, TransformerConfig


def mimi_transformer() -> TransformerConfig:
    """The transformer on either side of Mimi's quantizer, at 25 Hz (Moshi, section 3.3.1)."""
    return TransformerConfig(
        dim=512, layers=8, heads=8, ffn_dim=2048, ffn="gelu", norm="layer", layer_scale=0.01, context=250
    )


@dataclass
class EncoderConfig:
    """One of the encoders.

    Attributes:
        seanet: convolutions on samples (SoundStream, EnCodec, SpeechTokenizer, Mimi).
        dac: the same with Snakes, seeing before and after (DAC).
        stft: convolutions on a causal spectrogram; cheaper, and learns in minutes.
    """

    seanet: SeanetConfig | None = None
    dac: DacConfig | None = None
    stft: SpectralConfig | None = None

    def __post_init__(self):
        _one_of(self, "encoder")

    @property
    def chosen(self) -> SeanetConfig | DacConfig | SpectralConfig:
        """The section that is given."""
        return self.seanet or self.dac or self.stft

    def build(self, dim: int) -> nn.Module:
        """The encoder, to `dim` channels."""
        if self.seanet:
            return SeanetEncoder(self.seanet, dim)
        return DacEncoder(self.dac, dim) if self.dac else SpectralEncoder(self.stft, dim)


@dataclass
class DecoderConfig:
    """One of the decoders.

    Attributes:
        seanet: transposed convolutions to samples (SoundStream, EnCodec, SpeechTokenizer, Mimi).
        dac: the same with Snakes, seeing before and after (DAC).
        istft: convolutions to a spectrogram's magnitudes and phases, then its inverse transform (Vocos).
    """

    seanet: SeanetConfig | None = None
    dac: DacConfig | None = None
    istft: SpectralConfig | None = None

    def __post_init__(self):
        _one_of(self, "decoder")

    @property
    def chosen(self) -> SeanetConfig | DacConfig | SpectralConfig:
        """The section that is given."""
        return self.seanet or self.dac or self.istft

    def build(self, dim: int) -> nn.Module:
        """The decoder, from `dim` channels."""
        if self.seanet:
            return SeanetDecoder(self.seanet, dim)
        return DacDecoder(self.dac, dim) if self.dac else SpectralDecoder(self.istft, dim)


@dataclass
class CodecConfig:
    """Architecture of a codec; defaults beside encoder and decoder are Mimi's (Moshi, section 3.3).

    Attributes:
        encoder: from samples to latents, at a multiple of the frame rate.
        decoder: from latents to samples, at the same multiple.
        sample_rate: Hz.
        frame_rate: frames of codes a second.
        dim: channels of latents.
        encoder_transformer: at the encoder's rate; null: none.
        quantizer: latents <-> codes.
        decoder_transformer: at the decoder's rate; null: none.
    """

    encoder: EncoderConfig
    decoder: DecoderConfig
    sample_rate: int = 24000
    frame_rate: float = 12.5
    dim: int = 512
    encoder_transformer: TransformerConfig | None = field(default_factory=mimi_transformer)
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    decoder_transformer: TransformerConfig | None = field(default_factory=mimi_transformer)

    def __post_init__(self):
        hop, decoder_hop = self.hop, self.decoder.chosen.hop
        if hop != decoder_hop:
            raise AudiolmError(
                f"encoder takes {hop} samples a step, decoder gives {decoder_hop}; make the products of their hops and "
                "ratios equal"
            )
        if self.frame_size * self.frame_rate != self.sample_rate or self.frame_size % hop:
            raise AudiolmError(
                f"a frame of {self.sample_rate / self.frame_rate:g} samples (sample_rate {self.sample_rate}, "
                f"frame_rate {self.frame_rate:g}) is not a whole number of the encoder's steps of {hop} samples; "
                "change one of them"
            )
        for name in ("encoder_transformer", "decoder_transformer"):
            transformer = getattr(self, name)
            if transformer is None:
                continue
            if transformer.dim != self.dim:
                raise AudiolmError(f"{name}.dim is {transformer.dim}, dim is {self.dim}; make them equal")
            if not transformer.causal or transformer.context is None:
                raise AudiolmError(f"{name} must be causal with a context of some frames: a codec streams")

    @property
    def hop(self) -> int:
        """Samples of one step of the transformers."""
        return self.encoder.chosen.hop

    @property
    def frame_size(self) -> int:
        """Samples of one frame."""
        return int(self.sample_rate / self.frame_rate)


def _one_of(side: EncoderConfig | DecoderConfig, name: str) -> None:
    kinds = [kind.name for kind in fields(side)]
    given = [kind for kind in kinds if getattr(side, kind) is not None]
    if len(given) != 1:
        raise AudiolmError(f"{name} has {' and '.join(given) or 'no section'}; give exactly one of: {', '.join(kinds)}")


class Codec(nn.Module):
    """Waveform <-> codes. Samples are float in [-1, 1] at `sample_rate`.

    Where ``causal``, there is no look-ahead: codes of frame t depend on samples before (t + 1) * frame_size, and not on
    what follows a recording in a padded batch. In evaluation mode `encode` and `decode` are deterministic.
    """

    def __init__(self, config: CodecConfig):
        super().__init__()
        self.config = config
        self.sample_rate = config.sample_rate
        self.frame_rate = config.frame_rate
        self.frame_size = config.frame_size
        self.n_q = config.quantizer.n_q
        self.codebook_sizes = [config.quantizer.codebook_size] * self.n_q
        self.causal = config.encoder.chosen.streams and config.decoder.chosen.streams
        stride = config.frame_size // config.hop
        self.encoder = config.encoder.build(config.dim)
        self.encoder_transformer = _transformer(config.encoder_transformer)
        self.downsample = self.upsample = None
        if stride > 1:
            self.downsample = PaddedConv1d(
                config.dim, config.dim, 2 * stride, stride=stride, bias=False, pad_mode="replicate"
            )
        self.quantizer = config.quantizer.build(config.dim, getattr(config.encoder.chosen, "norm", "none"))
        if stride > 1:
            self.upsample = PaddedConvTranspose1d(
                config.dim, config.dim, 2 * stride, stride=stride, groups=config.dim, bias=False
            )
        self.decoder_transformer = _transformer(config.decoder_transformer)
        self.decoder = config.decoder.build(config.dim)
        for layer in (self.downsample, self.upsample):
            if layer is not None:
                init_conv(layer)
        self.prepared: Prepared | None = None

    @torch.inference_mode()
    def encode(self, wav: Tensor) -> Tensor:
        """Samples [B, 1, T] -> codes int64 [B, n_q, ceil(T / frame_size)]; the last frame is filled up.

        The samples must be at ``sample_rate``, as ``audiolm.data.audio.tensor(path, codec.sample_rate)`` gives them:
        another rate cannot be noticed here.

        Raises:
            AudiolmError: another shape, no samples, NaN or infinite samples.
        """
        if wav.ndim != 3 or wav.shape[1] != 1 or wav.numel() == 0:
            raise AudiolmError(
                f"samples of shape {list(wav.shape)}, expected [batch, 1, samples], at least one of them"
            )
        if not wav.isfinite().all():
            raise AudiolmError("NaN or infinite samples, expected numbers in -1 … 1; mend the audio")
        if self.prepared is not None:
            return self.prepared.encode(F.pad(wav, (0, -wav.shape[-1] % self.frame_size)))
        return self.quantizer.encode(self.to_latents(wav))

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, F] of the first K <= n_q levels -> samples [B, 1, F * frame_size].

        Raises:
            AudiolmError: another shape, no codes, more levels than there are, codes that no codebook has.
        """
        if codes.ndim != 3 or codes.is_floating_point() or codes.numel() == 0:
            raise AudiolmError(
                f"codes of shape {list(codes.shape)} and {codes.dtype}, expected integers [batch, levels, frames], at "
                "least one of them"
            )
        if codes.shape[1] > self.n_q or codes.min() < 0 or codes.max() >= self.config.quantizer.codebook_size:
            raise AudiolmError(
                f"codes of {codes.shape[1]} levels with values {int(codes.min())} … {int(codes.max())}; this codec has "
                f"{self.n_q} levels of {self.config.quantizer.codebook_size} entries: use the codec that made them"
            )
        if self.prepared is not None:
            return self.prepared.decode(codes)
        return self.to_wav(self.quantizer.decode(codes))

    def prepare(self, precision: Precision = "fp32") -> "Codec":
        """Encode and decode from now on with packed weights, on CPUs at a multiple of the speed; returns the codec.

        The copy does not follow later training or loading. Codecs that are not causal stay as they are.

        Args:
            precision: of the products, see :class:`audiolm.nn.packed.PackedLinear`.
        """
        self.prepared = Prepared(self, precision) if self.causal else None
        return self

    def streaming(self, batch: int, max_frames: int = 1, graphs: bool = False) -> CodecStream:
        """Encode and decode ``batch`` live sequences, at most ``max_frames`` frames a call: see :class:`CodecStream`.

        Raises:
            AudiolmError: the codec sees what comes later.
        """
        if not self.causal:
            raise AudiolmError(
                "this codec sees what comes later (causal false, bidirectional true, pad_mode reflect, or DAC), so it "
                "cannot stream; train one with a causal encoder and decoder"
            )
        return CodecStream(self.prepared or Prepared(self), batch, max_frames, graphs)

    def forward(self, wav: Tensor, draws: Draws) -> tuple[Tensor, Quantized]:
        """Resynthesis [B, 1, T] of samples [B, 1, T], T a multiple of the frame size, and what the quantizer did."""
        quantized = self.quantizer(self.to_latents(wav), draws)
        return self.to_wav(quantized.latents), quantized

    def to_latents(self, wav: Tensor) -> Tensor:
        """[B, 1, T] -> [B, dim, ceil(T / frame_size)], before quantization."""
        if self.causal or self.config.encoder.dac:  # EnCodec's layers fill up their last windows themselves
            wav = F.pad(wav, (0, -wav.shape[-1] % self.frame_size))
        latents = _over_time(self.encoder_transformer, self.encoder(wav))
        return latents if self.downsample is None else self.downsample(latents)

    def to_wav(self, latents: Tensor) -> Tensor:
        """[B, dim, F] -> [B, 1, F * frame_size]"""
        if self.upsample is not None:
            latents = self.upsample(latents)
        return self.decoder(_over_time(self.decoder_transformer, latents))

    @cached_property
    def past(self) -> int | None:
        """Frames before a frame that can bear on its codes: a window that begins so much earlier gives the same.

        None where all that came before does, or what comes after: such codecs take whole recordings.
        """
        if not self.causal or any(isinstance(part, SkippedLSTM) for part in self.encoder.modules()):
            return None
        samples, step = self.encoder.window, self.encoder.window_hop
        for layer in self.encoder.modules():
            if isinstance(layer, PaddedConv1d):
                samples += layer.padding * step
                step *= layer.stride
        steps = 0 if self.downsample is None else self.downsample.padding
        if self.encoder_transformer is not None:
            transformer = self.config.encoder_transformer
            steps += transformer.layers * (transformer.context - 1)
        return -(-(samples + steps * self.config.hop) // self.frame_size)

    @cached_property
    def decoder_past(self) -> int | None:
        """Frames before a frame that can bear on its samples; None as for `past`."""
        if not self.causal or any(isinstance(part, SkippedLSTM) for part in self.decoder.modules()):
            return None
        frames, rate = 0.0, self.frame_size // self.config.hop  # steps a frame
        if self.upsample is not None:
            frames += self.upsample.past
        if self.decoder_transformer is not None:
            transformer = self.config.decoder_transformer
            frames += transformer.layers * (transformer.context - 1) / rate
        for layer in self.decoder.modules():
            if isinstance(layer, PaddedConv1d):
                frames += layer.padding / rate
            elif isinstance(layer, PaddedConvTranspose1d):
                frames += layer.past / rate
                rate *= layer.stride
            elif isinstance(layer, CausalSTFT):
                frames += (layer.n_fft // layer.hop - 1) / rate
        return ceil(frames)


def _transformer(config: TransformerConfig | None) -> Transformer | None:
    return None if config is None else Transformer(config)


def _over_time(transformer: Transformer | None, latents: Tensor) -> Tensor:  # [B, D, T] -> [B, D, T]
    return latents if transformer is None else transformer(latents.transpose(1, 2)).transpose(1, 2)
