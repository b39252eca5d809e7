"""Mimi as the moshi package and rustymimi read it: one safetensors file (tokenizer-e351c8d8-checkpoint125.safetensors).

The file alone says nothing of its config: moshi takes the paper's shape with 32 levels unless it is given another
(``mimi_config`` of ``moshi.models.loaders.get_mimi``, ``mimi_config_name`` in a repository's config.json); such a
config is read and written beside the file. rustymimi reads the paper's shape only, of any number of levels.

Ours equals moshi offline. Beyond the context of 250 steps (10 s) two others differ a little: moshi frame by frame,
where the first of a frame's two steps sees 249 (its ring has lost one to the second), and rustymimi, where all see 251.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from audiolm.codec.adapters.layout import Layout, architecture, check_parts
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.errors import AudiolmError
from audiolm.interchange.files import check_fixed, read_json
from audiolm.interchange.rules import Rule, Tensors, rotary_turns
from audiolm.nn.conv import fold_weight_norm, folded_state
from audiolm.nn.transformer import TransformerConfig

PAPER = CodecConfig(EncoderConfig(seanet=SeanetConfig()), DecoderConfig(seanet=SeanetConfig()))
RELEASED = replace(PAPER, quantizer=replace(PAPER.quantizer, n_q=32))
FILE = "mimi.safetensors"
CONFIG = "mimi_config.json"
SIGN = "quantizer.rvq_first.input_proj.weight"  # a tensor that no other layout has
LEVEL = "quantizer.rvq_rest.vq.layers.{}._codebook.embedding_sum"

# Endings of names that moshi loads or keeps in memory -> those of the released file.
ALSO = {
    "self_attn.in_projs.0.weight": "self_attn.in_proj_weight",
    "self_attn.in_proj.weight": "self_attn.in_proj_weight",
    "self_attn.out_projs.0.weight": "self_attn.out_proj.weight",
    "_codebook.inited": "_codebook._initialized",
    "_codebook.cluster_size": "_codebook.cluster_usage",
    "_codebook.embed_sum": "_codebook.embedding_sum",
    "_codebook.embed_avg": "_codebook.embedding_sum",
}

# Their key -> field of ours, a section of moshi's config at a time.
SEANET = {
    "n_filters": "channels",
    "ratios": "ratios",
    "kernel_size": "kernel_size",
    "last_kernel_size": "last_kernel_size",
    "residual_kernel_size": "residual_kernel_size",
    "n_residual_layers": "residual_layers",
    "dilation_base": "dilation_base",
    "compress": "compress",
}
TRANSFORMER = {
    "d_model": "dim",
    "num_layers": "layers",
    "num_heads": "heads",
    "dim_feedforward": "ffn_dim",
    "layer_scale": "layer_scale",
    "context": "context",
}
QUANTIZER = {"n_q": "n_q", "bins": "codebook_size", "dimension": "codebook_dim"}
# What our codecs have one value of.
FIXED = {"channels": 1}
FIXED_SEANET = {
    "channels": 1,
    "causal": True,
    "activation": "ELU",
    "disable_norm_outer_blocks": 0,
    "norm": "none",
    "pad_mode": "constant",
    "true_skip": True,
}
FIXED_TRANSFORMER = {"causal": True, "conv_layout": True, "gating": "none", "norm": "layer_norm"}


class MoshiMimi(Layout):
    """``moshi.models.MimiModel``: one shape for both sides."""

    name = "moshi"
    what = "moshi's MimiModel"

    def suits(self, config: CodecConfig) -> bool:
        return config.encoder.seanet is not None

    def find(self, path: Path) -> Path | None:
        files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        return next((file for file in files if file.suffix == ".safetensors" and _has(file, SIGN)), None)

    def read_config(self, weights: Path, state: Tensors) -> dict[str, Any]:
        beside = weights.parent / CONFIG
        if beside.is_file():
            return read_json(beside)
        paper = self.save_config(PAPER)
        paper["quantizer"]["n_q"] = 1 + sum(LEVEL.format(level) in state for level in range(len(state)))
        return paper

    def usage(self, config: CodecConfig, weights: Path) -> str:
        settings = f"json.load(open('{weights.parent / CONFIG}'))"
        loaded = f"moshi.models.loaders.get_mimi('{weights}', {settings}, num_codebooks={config.quantizer.n_q})"
        paper = self.save_config(replace(PAPER, quantizer=replace(PAPER.quantizer, n_q=config.quantizer.n_q)))
        if self.save_config(config) != paper:
            return f"{loaded}; rustymimi cannot, it reads the paper's shape only"
        return f"{loaded} or rustymimi.Tokenizer('{weights}', num_codebooks={config.quantizer.n_q})"

    def rename(self, name: str) -> str:
        for other, present in ALSO.items():
            if name.endswith(other):
                return name.removesuffix(other) + present
        return name

    def load_config(self, theirs: Mapping[str, Any]) -> CodecConfig:
        sections = {name: theirs.get(name) for name in ("seanet", "transformer", "quantizer")}
        if missing := [name for name, section in sections.items() if not isinstance(section, dict)]:
            raise AudiolmError(f"{self.what}: its config has no section '{missing[0]}'")
        seanet, transformer, quantizer = sections.values()
        dim = seanet.get("dimension")
        for section, fixed in (
            (theirs, FIXED),
            (seanet, FIXED_SEANET),
            (transformer, FIXED_TRANSFORMER | {"input_dimension": dim, "output_dimensions": [dim]}),
            (quantizer, {"input_dimension": dim, "output_dimension": dim, "n_q_semantic": 1}),
        ):
            check_fixed(section, fixed, self.what)
        if (positions := transformer.get("positional_embedding")) not in ("rope", "none"):
            raise AudiolmError(f"{self.what} with positional_embedding {positions!r} is not supported, expected 'rope'")
        repeat = transformer.get("kv_repeat", 1)
        try:
            conv = SeanetConfig(**{ours: seanet[key] for key, ours in SEANET.items()})
            side = TransformerConfig(
                **{ours: transformer[key] for key, ours in TRANSFORMER.items()},
                kv_heads=None if repeat == 1 else transformer["num_heads"] // repeat,
                ffn="gelu",
                norm="layer",
                rope_base=float(transformer.get("max_period", 10000)) if positions == "rope" else None,
            )
            return CodecConfig(
                encoder=EncoderConfig(seanet=conv),
                decoder=DecoderConfig(seanet=conv),
                sample_rate=theirs["sample_rate"],
                frame_rate=theirs["frame_rate"],
                dim=dim,
                encoder_transformer=side,
                decoder_transformer=side,
                quantizer=QuantizerConfig(**{ours: quantizer[key] for key, ours in QUANTIZER.items()}),
            )
        except KeyError as error:
            raise AudiolmError(f"{self.what}: its config has no key {error}") from None

    def save_config(self, config: CodecConfig) -> dict[str, Any]:
        check_parts(config, self.what)
        seanet, transformer = config.encoder.seanet, config.encoder_transformer
        if config.quantizer.codebook_dim == config.dim:
            raise AudiolmError(f"{self.what} has projections also where codebook_dim is dim ({config.dim}): change one")
        rope = transformer.rope_base
        positions = {"positional_embedding": "rope", "max_period": rope} if rope else {"positional_embedding": "none"}
        return {
            **FIXED,
            "sample_rate": config.sample_rate,
            "frame_rate": config.frame_rate,
            "seanet": {
                **FIXED_SEANET,
                "dimension": config.dim,
                **{key: deepcopy(getattr(seanet, ours)) for key, ours in SEANET.items()},
            },
            "transformer": {
                **FIXED_TRANSFORMER,
                **positions,
                "input_dimension": config.dim,
                "output_dimensions": [config.dim],
                "kv_repeat": transformer.heads // (transformer.kv_heads or transformer.heads),
                **{key: getattr(transformer, ours) for key, ours in TRANSFORMER.items()},
            },
            "quantizer": {
                "input_dimension": config.dim,
                "output_dimension": config.dim,
                **{key: getattr(config.quantizer, ours) for key, ours in QUANTIZER.items()},
            },
        }

    def rules(self, config: CodecConfig) -> Sequence[Rule]:
        return [
            Rule("encoder.layers.{}.conv.{}", "encoder.model.{}.conv.conv.{}"),
            *_transformer_rules("encoder_transformer", config.encoder_transformer),
            Rule("downsample.conv.{}", "downsample.conv.conv.conv.{}"),
            *_quantizer_rules("semantic", "rvq_first"),
            *_quantizer_rules("acoustic", "rvq_rest"),
            Rule("upsample.conv.{}", "upsample.convtr.convtr.convtr.{}"),
            *_transformer_rules("decoder_transformer", config.decoder_transformer),
            *(
                Rule(f"decoder.layers.{place}.conv.{{}}", f"decoder.model.{place}.convtr.convtr.{{}}")
                for place in _transposed(config.decoder.seanet)
            ),
            Rule("decoder.layers.{}.conv.{}", "decoder.model.{}.conv.conv.{}"),
        ]

    def files(self, out: Path) -> tuple[Path, Path]:
        return out / FILE, out / CONFIG


def with_all_levels(codec: Codec) -> Codec:
    """A codec of the paper's shape with the 32 levels that moshi expects without a config; others as they are.

    Levels that it did not have add nothing: whoever decodes takes as many as the LM makes.
    """
    config, levels = architecture(codec.config), RELEASED.quantizer.n_q
    whole = replace(config, quantizer=replace(config.quantizer, n_q=levels))
    if whole != RELEASED or codec.n_q >= levels:
        return codec
    whole = Codec(whole)
    fold_weight_norm(whole)
    empty = {
        name: torch.ones_like(tensor) if name.endswith(("initialized", "cluster_usage")) else torch.zeros_like(tensor)
        for name, tensor in whole.state_dict().items()
    }
    whole.load_state_dict(empty | folded_state(codec))
    return whole.eval()


def _transposed(seanet: SeanetConfig) -> list[int]:
    """Places of the decoder's transposed convolutions: one a ratio, after the first convolution and an ELU."""
    return [2 + stage * (2 + seanet.residual_layers) for stage in range(len(seanet.ratios))]


def _transformer_rules(side: str, config: TransformerConfig) -> list[Rule]:
    ours, theirs = f"{side}.layers.{{}}.", f"{side}.transformer.layers.{{}}."
    return [
        Rule(ours + "attention.in_proj.weight", theirs + "self_attn.in_proj_weight", *rotary_turns(config)),
        Rule(ours + "attention.out_proj.weight", theirs + "self_attn.out_proj.weight"),
        Rule(ours + "norm1.{}", theirs + "norm1.{}"),
        Rule(ours + "norm2.{}", theirs + "norm2.{}"),
        Rule(ours + "feedforward.linear_in.weight", theirs + "linear1.weight"),
        Rule(ours + "feedforward.linear_out.weight", theirs + "linear2.weight"),
        Rule(ours + "scale1", theirs + "layer_scale_1.scale"),
        Rule(ours + "scale2", theirs + "layer_scale_2.scale"),
    ]


def _quantizer_rules(branch: str, theirs: str) -> list[Rule]:
    level, their_level = f"quantizer.{branch}.layers.{{}}.codebook.", f"quantizer.{theirs}.vq.layers.{{}}._codebook."
    return [
        Rule(f"quantizer.{branch}.input_proj.weight", f"quantizer.{theirs}.input_proj.weight"),
        Rule(f"quantizer.{branch}.output_proj.weight", f"quantizer.{theirs}.output_proj.weight"),
        Rule(level + "embed_sum", their_level + "embedding_sum"),
        Rule(level + "cluster_usage", their_level + "cluster_usage"),
        Rule(level + "initialized", their_level + "_initialized"),
        Rule(level + "updates", ()),  # what only training counts
        Rule(level + "idle", ()),
    ]


def _has(file: Path, name: str) -> bool:
    try:
        with safe_open(file, "pt") as opened:
            return name in opened.keys()
    except (OSError, SafetensorError):
        return False
