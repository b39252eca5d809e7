"""EnCodec as transformers' ``EncodecModel`` has it (facebook/encodec_24khz): one channel, whole recordings."""

from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Any

import torch
from torch import Tensor

from audiolm.codec.adapters.layout import OURS_HOLDS
from audiolm.codec.adapters.transformers_folder import TransformersFolder, named, picked
from audiolm.codec.codebook import EuclideanCodebook
from audiolm.codec.model import CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.errors import AudiolmError
from audiolm.interchange.files import check_fixed
from audiolm.interchange.rules import Rule

# Their key -> (field of ours, their default).
CODEC = {"sampling_rate": ("sample_rate", 24000), "hidden_size": ("dim", 128)}
SEANET = {
    "num_filters": ("channels", 32),
    "upsampling_ratios": ("ratios", [8, 5, 4, 2]),
    "kernel_size": ("kernel_size", 7),
    "last_kernel_size": ("last_kernel_size", 7),
    "residual_kernel_size": ("residual_kernel_size", 3),
    "num_residual_layers": ("residual_layers", 1),
    "dilation_growth_rate": ("dilation_base", 2),
    "compress": ("compress", 2),
    "num_lstm_layers": ("lstm", 2),
    "use_causal_conv": ("causal", True),
    "pad_mode": ("pad_mode", "reflect"),
}
SHORTCUT = {True: "conv", False: "identity"}  # use_conv_shortcut
# What our codecs have one value of.
FIXED = {
    "audio_channels": 1,
    "normalize": False,
    "chunk_length_s": None,
    "overlap": None,
    "norm_type": "weight_norm",
    "trim_right_ratio": 1.0,
}


class TransformersEncodec(TransformersFolder):
    """``EncodecModel``: SEANet with LSTMs, weights split into lengths and directions."""

    what = "transformers' EncodecModel"
    model_type = "encodec"
    architecture = "EncodecModel"
    extractor = "EncodecFeatureExtractor"

    def suits(self, config: CodecConfig) -> bool:
        return config.encoder.seanet is not None and config.encoder_transformer is None

    def load_config(self, theirs: Mapping[str, Any]) -> CodecConfig:
        codec = picked(theirs, CODEC)
        size = theirs.get("codebook_size", 1024)
        check_fixed(theirs, FIXED | {"codebook_dim": codec["dim"]}, self.what)
        shortcut = SHORTCUT[theirs.get("use_conv_shortcut", True)]
        seanet = SeanetConfig(**picked(theirs, SEANET), shortcut=shortcut)
        bandwidths = theirs.get("target_bandwidths", [1.5, 3.0, 6.0, 12.0, 24.0])
        levels = [int(1000 * bandwidth // _level_rate(codec["sample_rate"], seanet, size)) for bandwidth in bandwidths]
        return CodecConfig(
            encoder=EncoderConfig(seanet=seanet),
            decoder=DecoderConfig(seanet=seanet),
            frame_rate=codec["sample_rate"] / seanet.hop,
            encoder_transformer=None,
            decoder_transformer=None,
            quantizer=QuantizerConfig(
                n_q=levels[-1],
                codebook_size=size,
                codebook_dim=None,
                split=False,
                dropout_levels=levels,
                unquantized=0.0,
            ),
            **codec,
        )

    def save_config(self, config: CodecConfig) -> dict[str, Any]:
        seanet, quantizer = config.encoder.seanet, config.quantizer
        if not seanet.lstm:
            raise AudiolmError(f"{self.what} has LSTMs, this codec has none; {OURS_HOLDS}")
        counts = quantizer.dropout_levels or [2**power for power in range(quantizer.n_q.bit_length())]
        levels = sorted({*counts, quantizer.n_q})
        rate = _level_rate(config.sample_rate, seanet, quantizer.codebook_size)
        return {
            **self.header(),
            **FIXED,
            **named(config, CODEC),
            **named(seanet, SEANET),
            "use_conv_shortcut": seanet.shortcut == "conv",
            "codebook_size": quantizer.codebook_size,
            "codebook_dim": config.dim,
            "target_bandwidths": [count * rate / 1000 for count in levels],
        }

    def rename(self, name: str) -> str:
        for old, new in ((".weight_g", ".original0"), (".weight_v", ".original1")):
            if name.endswith(old):
                return f"{name.removesuffix(old)}.parametrizations.weight{new}"
        return name

    def rules(self, config: CodecConfig) -> Sequence[Rule]:
        level = "quantizer.layers.{}.codebook."
        return [
            Rule(
                (level + "embed_sum", level + "cluster_usage"),
                (level + "embed", level + "embed_avg", level + "cluster_size"),
                _load_entries,
                _save_entries,
            ),
            Rule(level + "initialized", level + "inited"),
            Rule(level + "updates", ()),  # what only training counts
            Rule(level + "idle", ()),
            Rule(
                "{}.conv.weight", tuple(f"{{}}.conv.parametrizations.weight.original{k}" for k in "01"), _fold, _split
            ),
            Rule("{}.conv.bias", "{}.conv.bias"),
            Rule("{}.lstm.{}", "{}.lstm.{}"),
        ]


def _level_rate(sample_rate: int, seanet: SeanetConfig, codebook_size: int) -> int:
    """Bits a second of one level, as transformers rounds them."""
    return ceil(sample_rate / seanet.hop) * ceil(log2(codebook_size))


def _load_entries(embed: Tensor, embed_avg: Tensor, cluster_size: Tensor) -> list[Tensor]:
    """What is heard is ``embed``; their average divided by smoothed counts is not quite the same."""
    return [embed * cluster_size.clamp(min=EuclideanCodebook.EPSILON)[:, None], cluster_size]


def _save_entries(embed_sum: Tensor, cluster_usage: Tensor) -> list[Tensor]:
    return [embed_sum / cluster_usage.clamp(min=EuclideanCodebook.EPSILON)[:, None], embed_sum, cluster_usage]


def _fold(length: Tensor, direction: Tensor) -> list[Tensor]:
    return [torch._weight_norm(direction, length, 0)]


def _split(weight: Tensor) -> list[Tensor]:
    return [weight.flatten(1).norm(dim=1)[:, None, None], weight]
