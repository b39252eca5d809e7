"""Codecs of other projects, small enough for tests, with random weights that show every difference."""

import copy

import torch
from torch import Tensor, nn

from audiolm.codec.adapters.moshi_mimi import PAPER
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.nn.conv import fold_weight_norm
from audiolm.nn.transformer import TransformerConfig
from tests.codec.tiny_codecs import fit_codebooks


def transformers_model(kind: str) -> nn.Module:
    """A model of transformers in evaluation mode: mimi (24 kHz, frames of 48 samples), encodec (10 samples, reflected
    padding) or dac (8 samples)."""
    import transformers

    torch.manual_seed(0)
    if kind == "mimi":
        settings = {"num_filters": 4, "upsampling_ratios": [4, 3, 2], "hidden_size": 16, "upsample_groups": 16}
        attention = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "sliding_window": 6}
        levels = {"num_quantizers": 3, "codebook_size": 16, "codebook_dim": 8, "intermediate_size": 32}
        config = transformers.MimiConfig(
            **settings, **attention, **levels, vector_quantization_hidden_dimension=8, num_residual_layers=2
        )
        model = transformers.MimiModel(config)
    elif kind == "encodec":
        settings = {"num_filters": 4, "upsampling_ratios": [5, 2], "hidden_size": 16, "codebook_size": 16}
        config = transformers.EncodecConfig(**settings, sampling_rate=10000, target_bandwidths=[4.0, 8.0, 16.0])
        model = transformers.EncodecModel(config)
    else:
        settings = {"encoder_hidden_size": 4, "downsampling_ratios": [2, 4], "decoder_hidden_size": 24}
        model = transformers.DacModel(transformers.DacConfig(**settings, n_codebooks=3, codebook_size=16))
    randomize(model)
    return model.eval()


@torch.no_grad()
def randomize(model: nn.Module) -> None:
    """Random values for what begins as ones, zeros or small numbers: scales, biases, norms, alphas, codebooks."""
    for name, parameter in model.named_parameters():
        if "alpha" in name or "scale" in name or "original0" in name:
            parameter.uniform_(0.5, 1.5)
        elif "codebook" in name:
            parameter.normal_()
        elif parameter.ndim < 2:
            parameter.copy_(("norm" in name and "weight" in name) + 0.1 * torch.randn_like(parameter))
        else:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
    for name, buffer in model.named_buffers():
        if name.endswith(("cluster_usage", "cluster_size")):
            buffer.uniform_(0.5, 2)
        elif name.endswith(("embed_sum", "embed", "embed_avg")):
            buffer.normal_()


def transformers_codes(model: nn.Module, wav: Tensor) -> Tensor:
    """[B, 1, T] -> codes of all levels [B, K, F]."""
    with torch.no_grad():
        if model.config.model_type == "encodec":
            return model.encode(wav, bandwidth=model.config.target_bandwidths[-1]).audio_codes[0]
        return model.encode(wav).audio_codes


def transformers_wav(model: nn.Module, codes: Tensor) -> Tensor:
    """Codes [B, K, F] -> [B, 1, T]."""
    with torch.no_grad():
        if model.config.model_type == "encodec":
            return model.decode(codes[None], [None]).audio_values
        wav = model.decode(audio_codes=codes).audio_values
        return wav if wav.ndim == 3 else wav[:, None]


def mimi(small: bool = True, levels: int = 3) -> Codec:
    """A Mimi of ours in evaluation mode with codebooks that fit its latents: small (frames of 48 samples of 24 kHz, a
    context of 6 steps) or of the paper's shape."""
    torch.manual_seed(0)
    if small:
        side = TransformerConfig(
            dim=16, layers=2, heads=2, ffn_dim=32, ffn="gelu", norm="layer", layer_scale=0.1, context=6
        )
        seanet = SeanetConfig(channels=4, ratios=[4, 3, 2], residual_layers=2)
        config = CodecConfig(
            EncoderConfig(seanet=seanet),
            DecoderConfig(seanet=seanet),
            frame_rate=500.0,
            dim=16,
            encoder_transformer=side,
            decoder_transformer=side,
            quantizer=QuantizerConfig(n_q=levels, codebook_size=16, codebook_dim=8),
        )
    else:
        config = copy.deepcopy(PAPER)
        config.quantizer.n_q = levels
    codec = Codec(config)
    fold_weight_norm(codec)
    randomize(codec)
    codec = codec.eval().requires_grad_(False)
    fit_codebooks(codec, sound(codec, 60))
    return codec


def sound(codec: Codec, frames: int) -> Tensor:
    """Noise that swells and falls over a gliding tone, [1, 1, frames * frame_size]."""
    time = torch.arange(frames * codec.frame_size) / (codec.frame_size * 12.5)  # seconds of a codec of 12.5 Hz
    tone = torch.sin(1250 * time + 100 * torch.sin(3 * time)) * torch.sin(1.7 * time)
    return (0.3 * tone + 0.5 * torch.randn(len(time)) * torch.sin(4 * time).abs())[None, None]
