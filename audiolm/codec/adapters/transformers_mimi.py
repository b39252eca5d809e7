"""Mimi as transformers' ``MimiModel`` has it (kyutai/mimi)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from audiolm.codec.adapters.layout import OURS_HOLDS, check_parts
from audiolm.codec.adapters.transformers_folder import TransformersFolder, named, picked
from audiolm.codec.model import CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.errors import AudiolmError
from audiolm.interchange.files import check_fixed
from audiolm.interchange.rules import Rule
from audiolm.nn.transformer import TransformerConfig

# Their key -> (field of ours, their default).
CODEC = {"sampling_rate": ("sample_rate", 24000), "hidden_size": ("dim", 512)}
SEANET = {
    "num_filters": ("channels", 64),
    "upsampling_ratios": ("ratios", [8, 6, 5, 4]),
    "kernel_size": ("kernel_size", 7),
    "last_kernel_size": ("last_kernel_size", 3),
    "residual_kernel_size": ("residual_kernel_size", 3),
    "num_residual_layers": ("residual_layers", 1),
    "dilation_growth_rate": ("dilation_base", 2),
    "compress": ("compress", 2),
}
TRANSFORMER = {
    "hidden_size": ("dim", 512),
    "num_hidden_layers": ("layers", 8),
    "num_attention_heads": ("heads", 8),
    "intermediate_size": ("ffn_dim", 2048),
    "layer_scale_initial_scale": ("layer_scale", 0.01),
    "sliding_window": ("context", 250),
}
QUANTIZER = {
    "num_quantizers": ("n_q", 32),
    "codebook_size": ("codebook_size", 2048),
    "codebook_dim": ("codebook_dim", 256),
}
# What our codecs have one value of.
FIXED = {
    "audio_channels": 1,
    "use_causal_conv": True,
    "pad_mode": "constant",
    "trim_right_ratio": 1.0,
    "use_conv_shortcut": False,
    "num_semantic_quantizers": 1,
    "hidden_act": "gelu",
    "norm_eps": 1e-5,
    "attention_bias": False,
}


class TransformersMimi(TransformersFolder):
    """``MimiModel``: one shape for both sides, frames of two of the transformers' steps."""

    what = "transformers' MimiModel"
    model_type = "mimi"
    architecture = "MimiModel"
    extractor = "EncodecFeatureExtractor"

    def suits(self, config: CodecConfig) -> bool:
        return config.encoder.seanet is not None and config.encoder_transformer is not None

    def load_config(self, theirs: Mapping[str, Any]) -> CodecConfig:
        rope = theirs.get("rope_parameters") or {"rope_theta": theirs.get("rope_theta", 10000.0)}
        codec, transformer = picked(theirs, CODEC), picked(theirs, TRANSFORMER)
        seanet, quantizer = SeanetConfig(**picked(theirs, SEANET)), QuantizerConfig(**picked(theirs, QUANTIZER))
        steps = 2 * seanet.hop  # samples of a frame
        only = {
            "upsample_groups": codec["dim"],
            "vector_quantization_hidden_dimension": quantizer.codebook_dim,
            "head_dim": codec["dim"] // transformer["heads"],
            "frame_rate": codec["sample_rate"] / steps,
        }
        check_fixed({key: value for key, value in theirs.items() if value is not None}, FIXED | only, self.what)
        check_fixed(rope, {"rope_type": "default"}, self.what)
        kv_heads = theirs.get("num_key_value_heads", transformer["heads"])
        side = TransformerConfig(
            **transformer,
            kv_heads=None if kv_heads == transformer["heads"] else kv_heads,
            ffn="gelu",
            norm="layer",
            rope_base=rope["rope_theta"],
        )
        return CodecConfig(
            encoder=EncoderConfig(seanet=seanet),
            decoder=DecoderConfig(seanet=seanet),
            frame_rate=codec["sample_rate"] / steps,
            encoder_transformer=side,
            decoder_transformer=side,
            quantizer=quantizer,
            **codec,
        )

    def save_config(self, config: CodecConfig) -> dict[str, Any]:
        check_parts(config, self.what)
        seanet, transformer, quantizer = config.encoder.seanet, config.encoder_transformer, config.quantizer
        heads = transformer.kv_heads or transformer.heads
        if lacks := [key for key in ("rope_base", "layer_scale") if getattr(transformer, key) is None]:
            raise AudiolmError(f"{self.what} always has a {lacks[0]}, this codec has none; {OURS_HOLDS}")
        return {
            **self.header(),
            **FIXED,
            **named(config, CODEC),
            **named(seanet, SEANET),
            **named(transformer, TRANSFORMER),
            **named(quantizer, QUANTIZER),
            "frame_rate": config.sample_rate / (2 * seanet.hop),
            "head_dim": config.dim // transformer.heads,
            "num_key_value_heads": heads,
            "rope_parameters": {"rope_theta": transformer.rope_base, "rope_type": "default"},
            "rope_theta": transformer.rope_base,  # where versions before 5 look for it
            "upsample_groups": config.dim,
            "vector_quantization_hidden_dimension": quantizer.codebook_dim,
        }

    def rules(self, config: CodecConfig) -> Sequence[Rule]:
        return [
            Rule("encoder.{}", "encoder.{}"),
            *side_rules("encoder_transformer", config.encoder_transformer),
            Rule("downsample.{}", "downsample.{}"),
            *quantizer_rules("semantic"),
            *quantizer_rules("acoustic"),
            Rule("upsample.{}", "upsample.{}"),
            *side_rules("decoder_transformer", config.decoder_transformer),
            Rule("decoder.{}", "decoder.{}"),
        ]


def side_rules(side: str, config: TransformerConfig) -> list[Rule]:
    """A transformer: queries, keys and values are one matrix of ours and three of theirs."""
    sizes = [(heads * config.dim) // config.heads for heads in (config.heads, *[config.kv_heads or config.heads] * 2)]

    def join(*parts: Tensor) -> list[Tensor]:
        return [torch.cat(parts)]

    def split(joined: Tensor) -> Sequence[Tensor]:
        return joined.split(sizes)

    ours = f"{side}.layers.{{}}."
    theirs = {
        "attention.in_proj.weight": tuple(f"self_attn.{part}_proj.weight" for part in "qkv"),
        "attention.out_proj.weight": "self_attn.o_proj.weight",
        "norm1.{}": "input_layernorm.{}",
        "norm2.{}": "post_attention_layernorm.{}",
        "feedforward.linear_in.weight": "mlp.fc1.weight",
        "feedforward.linear_out.weight": "mlp.fc2.weight",
        "scale1": "self_attn_layer_scale.scale",
        "scale2": "mlp_layer_scale.scale",
    }
    return [
        Rule(ours + mine, tuple(ours + name for name in other), join, split)
        if isinstance(other, tuple)
        else Rule(ours + mine, ours + other)
        for mine, other in theirs.items()
    ]


def quantizer_rules(branch: str) -> list[Rule]:
    """One branch of the quantizer; what only training counts is not kept."""
    ours, theirs = f"quantizer.{branch}.", f"quantizer.{branch}_residual_vector_quantizer."
    return [
        Rule(ours + "layers.{}.codebook.updates", ()),
        Rule(ours + "layers.{}.codebook.idle", ()),
        Rule(ours + "{}", theirs + "{}"),
    ]
