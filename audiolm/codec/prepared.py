"""A codec's inference form: packed weights, and convolutions that go through a recording in tiles or in steps.

Offline, a CPU spends most of its time between a convolution's products: on activations that do not fit its caches. In
tiles of a second they do. A tile is a step of streaming, so that both are the same computation.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.codebook import Codebook, CosineCodebook
from audiolm.codec.quantize import Quantizer
from audiolm.codec.seanet import SeanetBlock, SeanetDecoder, SeanetEncoder
from audiolm.codec.spectral import SpectralBlock, SpectralDecoder, SpectralEncoder
from audiolm.nn.conv import PaddedConv1d
from audiolm.nn.packed import PackedLinear, Precision, pack_linears
from audiolm.nn.processor import never_slower
from audiolm.nn.steps import (
    Attending,
    Chain,
    Conv,
    ConvTranspose,
    Layer,
    Past,
    Residual,
    Slots,
    Step,
    plain_layer,
    windows,
)

SECONDS = 4.0  # of audio in all rows of a batch together, from layer to layer
TILE = 2**18  # numbers in an activation of all rows together, within a layer: it stays in a core's cache


class Prepared:
    """The inference form of a causal codec in evaluation mode; its weights are those of the moment of preparation.

    Args:
        codec: an :class:`audiolm.codec.model.Codec`.
        precision: of the products, but for those of the quantizer, which are float32. "bf16" also rounds what goes
            from convolution to convolution. A device that only emulates bf16 computes in fp32, and a warning says so.
    """

    def __init__(self, codec, precision: Precision = "fp32"):
        self.codec = codec
        self.precision = precision = never_slower(precision, self.device)
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    @property
    def device(self) -> torch.device:
        return next(self.codec.encoder.parameters()).device

    @cached_property
    def quantizer(self) -> Quantizer:
        quantizer = deepcopy(self.codec.quantizer)
        for part in list(quantizer.modules()):
            if isinstance(getattr(part, "codebook", None), Codebook):
                part.codebook = FixedCodebook(part.codebook)
        return pack_linears(quantizer, "fp32")

    @cached_property
    def encoder(self) -> Layer:
        """Samples [B, T, 1] -> [B, T / hop, dim]"""
        return _side(self.codec.encoder, self.precision)

    @cached_property
    def decoder(self) -> Layer:
        """[B, T, dim] -> samples [B, T * hop, 1]"""
        return _side(self.codec.decoder, self.precision)

    @cached_property
    def downsample(self) -> Layer:
        return self._resample(self.codec.downsample)

    @cached_property
    def upsample(self) -> Layer:
        return self._resample(self.codec.upsample)

    def _resample(self, module: nn.Module | None) -> Layer:
        return Chain([] if module is None else [plain_layer(module, self.precision)])

    @cached_property
    def encoder_transformer(self) -> Attending | Chain:
        return self._attending(self.codec.encoder_transformer)

    @cached_property
    def decoder_transformer(self) -> Attending | Chain:
        return self._attending(self.codec.decoder_transformer)

    def _attending(self, transformer: nn.Module | None) -> Attending | Chain:
        return Chain([]) if transformer is None else Attending(transformer, self.precision)

    def slots(self, batch: int, max_frames: int = 1) -> Slots:
        """State for ``batch`` sequences in chunks of at most ``max_frames``."""
        config = self.codec.config
        return Slots(batch, max_frames * (config.frame_size // config.hop), self.device, self.dtype)

    def encode(self, wav: Tensor) -> Tensor:
        """Whole recordings [B, 1, T], T a multiple of the frame size -> codes int64 [B, n_q, T / frame_size]."""
        latents = self._tiles(self.encoder, wav.transpose(1, 2), self.codec.frame_size)
        latents = _attend(self.encoder_transformer, latents)
        return self.to_codes(self.downsample.open(self.slots(len(wav)))(latents.to(self.dtype)))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, F] -> whole recordings [B, 1, F * frame_size]."""
        latents = self.upsample.open(self.slots(len(codes)))(self.from_codes(codes))
        latents = _attend(self.decoder_transformer, latents)
        return self._tiles(self.decoder, latents, latents.shape[1] // codes.shape[-1]).transpose(1, 2)

    def to_codes(self, latents: Tensor) -> Tensor:
        """[B, F, dim] -> codes int64 [B, n_q, F]"""
        return self.quantizer.encode(latents.transpose(1, 2))

    def from_codes(self, codes: Tensor) -> Tensor:
        """Codes [B, K, F] -> [B, F, dim]"""
        return self.quantizer.decode(codes).transpose(1, 2).to(self.dtype)

    def _tiles(self, side: Chain, x: Tensor, frame: int) -> Tensor:
        """Whole recordings [B, F * frame, C] through an encoder or decoder; the result is float32."""
        slots = self.slots(len(x))
        stages = [(Chain(stage.layers).open(slots), stage.tile(len(x))) for stage in _stages(side)]
        frames = max(1, round(SECONDS * self.codec.frame_rate / len(x)))
        parts = []
        for part in x.split(frames * frame, dim=1):
            part = part.to(self.dtype)
            for step, tile in stages:
                part = torch.cat([step(piece) for piece in part.split(tile, dim=1)], dim=1)
            parts.append(part.float())
        return torch.cat(parts, dim=1)


class FixedCodebook(nn.Module):
    """A codebook whose entries no longer move: what a search needs of them is computed once."""

    def __init__(self, codebook: Codebook):
        super().__init__()
        self.entries = codebook.entries.detach()
        self.cosine = isinstance(codebook, CosineCodebook)
        keys = F.normalize(self.entries) if self.cosine else self.entries
        self.distance = PackedLinear(-2 * keys, keys.square().sum(1))  # |e|² - 2 x e

    def encode(self, x: Tensor) -> Tensor:
        """[..., dim] -> int64 [...]; of equally near entries, the first."""
        return self.distance(F.normalize(x, dim=-1) if self.cosine else x).argmin(dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """int64 [...] -> [..., dim]"""
        return F.embedding(codes, self.entries)


class SpectralInput:
    """What a :class:`SpectralEncoder` puts into its first convolution: samples [B, T, 1] -> [B, T / hop, bins]."""

    def __init__(self, encoder: SpectralEncoder):
        self.stft, self.floor = encoder.stft, encoder.FLOOR
        self.stride, self.channels, self.outputs = self.stft.hop, 1, self.stft.n_fft // 2 + 1

    def open(self, slots: Slots) -> Step:
        n_fft, hop, window = self.stft.n_fft, self.stft.hop, self.stft.window
        past = Past(slots, n_fft - hop, 1)

        def step(wav: Tensor) -> Tensor:
            frames = windows(past.join(wav), n_fft, hop, 1).float() * window
            magnitude = torch.fft.rfft(frames).abs() * 2 / window.sum()
            return torch.log10(1 + magnitude / self.floor).to(wav.dtype)

        return step


class SpectralOutput:
    """What a :class:`SpectralDecoder` makes of its last layer: [B, T, C] -> samples [B, T * hop, 1]."""

    def __init__(self, decoder: SpectralDecoder, precision: Precision):
        self.stft, self.most = decoder.stft, decoder.MAX_LOG_MAGNITUDE
        self.norm, self.head = decoder.norm, PackedLinear(decoder.head.weight, decoder.head.bias, precision)

    def open(self, slots: Slots) -> Step:
        n_fft, hop = self.stft.n_fft, self.stft.hop
        parts = n_fft // hop  # frames that sound in a hop
        past = Past(slots, parts - 1, n_fft)

        def step(x: Tensor) -> Tensor:
            log_magnitude, phase = self.head(self.norm(x.float())).chunk(2, dim=-1)
            spectra = torch.polar(log_magnitude.clamp(max=self.most).exp(), phase)
            frames = torch.fft.irfft(spectra, n_fft) * self.stft.synthesis_window
            joined = past.join(frames).unflatten(2, (parts, hop))
            newest = parts - 1
            sounds = [joined[:, newest - j : newest - j + x.shape[1], j] for j in range(parts)]
            return sum(sounds).flatten(1)[..., None].to(x.dtype)

        return step


class SpectralBranch:
    """The branch of a :class:`SpectralBlock`."""

    def __init__(self, block: SpectralBlock, precision: Precision):
        self.norm, self.conv = block.norm, Conv(block.conv, precision)
        self.out = PackedLinear(block.out.weight[..., 0], block.out.bias, precision)

    def open(self, slots: Slots) -> Step:
        conv = self.conv.open(slots)
        return lambda x: self.out(F.gelu(conv(self.norm(x.float()).to(x.dtype))))


@dataclass
class Stage:
    """Layers of an encoder or decoder from one change of rate to the next.

    Attributes:
        layers: in order.
        width: numbers that the widest activation holds for one step of the input.
        unit: steps of the input that give one of the output.
    """

    layers: list[Layer] = field(default_factory=list)
    width: int = 1
    unit: int = 1

    def tile(self, batch: int) -> int:
        """Steps of the input at a time, in whole units."""
        return max(1, TILE // (batch * self.width * self.unit)) * self.unit


def _stages(side: Chain) -> list[Stage]:
    stages = [Stage()]
    rate = 1  # steps for one of the stage's input
    for layer in side.layers:
        if isinstance(layer, ConvTranspose):
            stages.append(Stage())
            rate = layer.stride
        stage = stages[-1]
        stage.layers.append(layer)
        if isinstance(layer, ConvTranspose):
            stage.width = max(layer.channels, layer.outputs * rate)
        elif isinstance(layer, Conv | SpectralInput):
            stage.width = max(stage.width, rate * layer.channels, rate * layer.outputs // layer.stride)
            if layer.stride > 1:
                stage.unit, rate = layer.stride, 1
                stages.append(Stage())
    return stages


def _attend(layer: Attending | Chain, latents: Tensor) -> Tensor:
    """A transformer on whole sequences [B, T, dim]; an empty chain stands for none."""
    return layer.transformer(latents.float()) if isinstance(layer, Attending) else latents


def _side(module: nn.Module, precision: Precision) -> Chain:
    """A causal encoder or decoder."""
    if isinstance(module, SeanetEncoder | SeanetDecoder):
        return _chain(module.layers, precision)
    inner = [module.first, *module.layers]
    if isinstance(module, SpectralEncoder):
        return Chain([SpectralInput(module), *_chain([*inner, module.last], precision).layers])
    if isinstance(module, SpectralDecoder):
        return Chain([*_chain(inner, precision).layers, SpectralOutput(module, precision)])
    raise TypeError(f"no steps for {type(module).__name__}")


def _chain(modules: nn.Sequential | list[nn.Module], precision: Precision) -> Chain:
    layers: list[Layer] = []
    elu = False  # what the next convolution has before it
    for module in modules:
        if isinstance(module, nn.ELU):
            elu = True
            continue
        if isinstance(module, SeanetBlock):
            shortcut = module.shortcut
            shortcut = plain_layer(shortcut, precision) if isinstance(shortcut, PaddedConv1d) else None
            layers.append(Residual(shortcut, _chain(module.block, precision)))
        elif isinstance(module, SpectralBlock):
            layers.append(Residual(None, SpectralBranch(module, precision)))
        else:
            layers.append(plain_layer(module, precision, elu))
            elu = False
    return Chain(layers)
