"""Codecs small enough for tests: 8 kHz, frames of 640 samples."""

from pathlib import Path

import torch
from torch import Tensor

from audiolm.codec.dac import DacConfig
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.codec.spectral import SpectralConfig
from audiolm.codec.system import CodecSystem
from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.nn.transformer import TransformerConfig
from audiolm.train.checkpoint import write_model
from audiolm.train.options import read_config

STFT = SpectralConfig(n_fft=320, stft_hop=160, ratios=[2], channels=16, blocks=1)
SEANET = SeanetConfig(channels=4, ratios=[8, 8, 5], residual_kernel_size=3)


def sides(kind: str) -> dict:
    """The encoder and decoder of a kind, stft or seanet."""
    if kind == "stft":
        return {"encoder": EncoderConfig(stft=STFT), "decoder": DecoderConfig(istft=STFT)}
    return {"encoder": EncoderConfig(seanet=SEANET), "decoder": DecoderConfig(seanet=SEANET)}


def settings(kind: str = "stft") -> dict:
    """Fields of a tiny codec's config."""
    transformer = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=32, ffn="gelu", norm="layer", context=6)
    return {
        **sides(kind),
        "sample_rate": 8000,
        "frame_rate": 12.5,
        "dim": 16,
        "encoder_transformer": transformer,
        "quantizer": QuantizerConfig(n_q=3, codebook_size=16, codebook_dim=8),
        "decoder_transformer": transformer,
    }


def relative(name: str) -> dict:
    """Fields of a tiny encodec, soundstream, speechtokenizer or dac, in frames of 320 samples."""
    shape = {"channels": 4, "ratios": [8, 8, 5]}
    encodec = {"last_kernel_size": 7, "shortcut": "conv", "lstm": 1, "pad_mode": "reflect"}
    kinds = {
        "encodec": SeanetConfig(**shape, **encodec),
        "soundstream": SeanetConfig(**shape, compress=1, residual_layers=3, dilation_base=3, residual_kernel_size=7),
        "speechtokenizer": SeanetConfig(**shape, **encodec, bidirectional=True, causal=False),
        "dac": DacConfig(**shape),
    }
    section = {"dac" if name == "dac" else "seanet": kinds[name]}
    factorised = {"kind": "factorised", "codebook_dim": 4} if name == "dac" else {"codebook_dim": None}
    return {
        "encoder": EncoderConfig(**section),
        "decoder": DecoderConfig(**section),
        "sample_rate": 8000,
        "frame_rate": 25.0,
        "dim": 16,
        "encoder_transformer": None,
        "quantizer": QuantizerConfig(n_q=3, codebook_size=16, split=False, unquantized=0.0, **factorised),
        "decoder_transformer": None,
    }


def tiny_codec(kind: str = "stft") -> Codec:
    """A codec in evaluation mode whose codebooks hold entries around latents of noise (dac: any)."""
    codec = Codec(CodecConfig(**(settings(kind) if kind in ("stft", "seanet") else relative(kind)))).eval()
    if kind == "dac":
        for codebook in codec.quantizer.codebooks():
            codebook.embed.data.normal_()
    else:
        fit_codebooks(codec, torch.randn(4, 1, 8000))
    return codec


@torch.no_grad()
def fit_codebooks(codec: Codec, wav: Tensor) -> None:
    """Entries around the latents of ``wav`` [B, 1, T], level by level, so that codes vary; for moving averages."""
    latents, quantizer = codec.to_latents(wav), codec.quantizer
    for branch in (quantizer.semantic, quantizer.acoustic) if codec.config.quantizer.split else (quantizer,):
        residual = branch._project(latents).flatten(0, 1)
        for layer in branch.layers:
            book = layer.codebook
            chosen = residual[torch.randint(len(residual), (book.size,))]
            entries = chosen + 0.7 * residual.std(dim=0) * torch.randn_like(chosen)
            book.initialized.fill_(1)
            book.embed_sum.copy_(entries * book.cluster_usage[:, None])
            residual = residual - book.decode(book.encode(residual))


def write_experiment(path: Path, kind: str = "stft", seed: int = 0) -> CodecSystem:
    """Leave an experiment directory of random weights as training does; return its system."""
    torch.manual_seed(seed)
    path.mkdir(exist_ok=True)
    given = {name: plain(value) for name, value in settings(kind).items()}
    write_yaml(path / "config.yaml", {"system": "codec", "train_dir": "no", "valid_dir": "no", **given})
    run = read_config([path / "config.yaml"])
    system = CodecSystem(run.config).eval()
    fit_codebooks(system.codec, 0.1 * torch.randn(4, 1, 8000))
    write_yaml(path / "config.yaml", run.complete)
    write_model(path, system.export_state())
    return system
