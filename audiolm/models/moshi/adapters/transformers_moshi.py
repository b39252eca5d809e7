"""Dialogue LMs as transformers' ``MoshiForConditionalGeneration`` has them: config.json, and LM and Mimi in one file.

Its delays are one for acoustic levels and none for text, and it predicts the main speaker alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiolm.codec.adapters.transformers_folder import named, picked
from audiolm.codec.adapters.transformers_mimi import TransformersMimi
from audiolm.codec.model import Codec
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.interchange.files import check_fixed, read_json, read_weights
from audiolm.interchange.rules import Rule, Tensors
from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.adapters.layout import (
    CONFIG,
    Layout,
    join_tables,
    split_tables,
    write_tensors,
)
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import MODEL_FILE, Tokenizer

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"  # the index names the files of a model in pieces
CODEC = "audio_encoder."

# Their key -> (field of ours, their default).
TEMPORAL = {
    "hidden_size": ("dim", 4096),
    "num_hidden_layers": ("layers", 32),
    "num_attention_heads": ("heads", 32),
    "sliding_window": ("context", 3000),
}
DEPTH = {
    "hidden_size": ("dim", 1024),
    "num_hidden_layers": ("layers", 6),
    "num_attention_heads": ("heads", 16),
}
FIXED = {"hidden_act": "silu", "rms_norm_eps": 1e-8, "attention_dropout": 0.0, "tie_word_embeddings": False}
DELAYS = {"dialogue": TaskConfig(text_delay=0, acoustic_delay=1)}


class TransformersMoshi(Layout):
    """``MoshiForConditionalGeneration``."""

    name = "transformers"
    what = "transformers' MoshiForConditionalGeneration"

    def is_in(self, folder: Path) -> bool:
        config = folder / CONFIG
        return config.is_file() and "depth_decoder_config" in read_json(config)

    def read_config(self, folder: Path) -> dict[str, Any]:
        return read_json(folder / CONFIG)

    def read_tensors(self, folder: Path, theirs: Mapping[str, Any]) -> Tensors:
        pieces = [WEIGHTS]
        if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
            pieces = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        state: Tensors = {}
        for piece in pieces:
            state |= read_weights(folder / piece)
        return {name: tensor for name, tensor in state.items() if not name.startswith(CODEC)}

    def tokenizer(self, folder: Path, theirs: Mapping[str, Any]) -> Path | None:
        return folder / MODEL_FILE if (folder / MODEL_FILE).is_file() else None

    def load_config(self, theirs: Mapping[str, Any]) -> ModelConfig:
        depth = theirs["depth_decoder_config"]
        rope = theirs.get("rope_parameters") or {"rope_theta": theirs.get("rope_theta", 10000.0)}
        temporal, inner = picked(theirs, TEMPORAL), picked(depth, DEPTH)
        levels = theirs.get("num_codebooks", 8)
        vocab = theirs.get("vocab_size", 32000)
        size = theirs.get("audio_vocab_size") or (theirs.get("audio_encoder_config") or {}).get("codebook_size", 2048)
        told = {"vocab_size": vocab, "audio_vocab_size": size, "num_codebooks": levels, "input_size": temporal["dim"]}
        for section, shape, extra in (
            (theirs, temporal, {}),
            (depth, inner, {**told, "num_key_value_heads": inner["heads"]}),
        ):
            present = {key: value for key, value in section.items() if value is not None}
            check_fixed(present, FIXED | {"head_dim": shape["dim"] // shape["heads"]} | extra, self.what)
        check_fixed(rope, {"rope_type": "default"}, self.what)
        kv_heads = theirs.get("num_key_value_heads") or temporal["heads"]
        return ModelConfig(
            text_vocab=vocab,
            levels=levels,
            codebook_size=size,
            speakers=2,
            predict="main",
            temporal=TransformerConfig(
                **temporal,
                kv_heads=None if kv_heads == temporal["heads"] else kv_heads,
                ffn_dim=theirs.get("ffn_dim", 22528) // 2,
                rope_base=float(rope["rope_theta"]),
            ),
            depth=DepthConfig(**inner, ffn_dim=depth.get("ffn_dim", 5632) // 2),
            tasks=dict(DELAYS),
        )

    def save_config(self, config: ModelConfig) -> dict[str, Any]:
        temporal, depth = config.temporal, config.depth
        if lacks := [key for key in ("rope_base", "context") if getattr(temporal, key) is None]:
            raise AudiolmError(f"{self.what} always has a {lacks[0]}, this model has none")
        shared = {
            **FIXED,
            "vocab_size": config.text_vocab,
            "audio_vocab_size": config.codebook_size,
            "num_codebooks": config.levels,
        }
        return {
            "architectures": ["MoshiForConditionalGeneration"],
            "model_type": "moshi",
            "dtype": "float32",
            **shared,
            **named(temporal, TEMPORAL),
            "num_key_value_heads": temporal.kv_heads or temporal.heads,
            "head_dim": temporal.dim // temporal.heads,
            "ffn_dim": 2 * temporal.ffn_dim,
            "max_position_embeddings": temporal.context,
            "rope_parameters": {"rope_theta": temporal.rope_base, "rope_type": "default"},
            "depth_decoder_config": {
                "model_type": "moshi_depth",
                **shared,
                **named(depth, DEPTH),
                "input_size": temporal.dim,
                "num_key_value_heads": depth.heads,
                "head_dim": depth.dim // depth.heads,
                "ffn_dim": 2 * depth.ffn_dim,
                "max_position_embeddings": config.levels + 1,
                "sliding_window": config.levels,
            },
        }

    def save(self, model: MoshiModel, codec: Codec, tokenizer: Tokenizer, out: Path) -> str:
        theirs = self.check(model.config)
        mimi_config, mimi = TransformersMimi().convert(codec)
        state = self.tensors(model) | {CODEC + name: tensor for name, tensor in mimi.items()}
        tokenizer.save(out)
        write_tensors(out / WEIGHTS, state)
        with atomic(out / CONFIG) as file:
            json.dump(theirs | {"audio_encoder_config": mimi_config}, file, indent=2)
            file.write("\n")
        return f"transformers.MoshiForConditionalGeneration.from_pretrained('{out}')"

    def rules(self, config: ModelConfig) -> Sequence[Rule]:
        temporal, depth = config.temporal, config.depth
        rows = config.codebook_size + 1
        heads, kv_heads = temporal.heads, temporal.kv_heads or temporal.heads
        parts = [count * (temporal.dim // heads) for count in (heads, kv_heads, kv_heads)]

        def join(*matrices: Tensor) -> list[Tensor]:
            return [torch.cat(matrices)]

        def split(joined: Tensor) -> Sequence[Tensor]:
            return joined.split(parts)

        def tables(joined: Tensor) -> Sequence[Tensor]:
            return joined[:-1].split(rows)

        def join_levels(*matrices: Tensor) -> list[Tensor]:
            return [torch.cat(matrices, dim=1).mT.contiguous()]

        def split_levels(joined: Tensor) -> Sequence[Tensor]:
            return joined.mT.chunk(3, dim=1)

        def turned(weight: Tensor) -> list[Tensor]:
            return [weight.mT.contiguous()]

        def by_level(weight: Tensor) -> list[Tensor]:
            return [weight.unflatten(0, (-1, depth.dim))]

        table, flip = (join_tables, split_tables), (turned, turned)
        main, inner = "decoder.model.", "depth_decoder."
        ours, theirs = "backbone.transformer.layers.{}.", main + "layers.{}."
        our_depth, their_depth = "depth.layers.{}.", inner + "layers.{}."
        linears = tuple(f"self_attn.{part}_proj.linear.weight" for part in "qkv")
        return [
            Rule("{}.digest", ()),
            Rule("backbone.text_embedding.weight", main + "embed_tokens.weight", *table),
            Rule(
                "audio_embedding.weight",
                tuple(f"embed_tokens.{k}.weight" for k in range(2 * config.levels)),
                join_tables,
                tables,
            ),
            Rule(ours + "attention.in_proj.weight", tuple(theirs + name for name in linears), join, split),
            Rule(ours + "attention.out_proj.weight", theirs + "self_attn.o_proj.linear.weight"),
            Rule(ours + "norm1.weight", theirs + "input_layernorm.weight"),
            Rule(ours + "norm2.weight", theirs + "post_attention_layernorm.weight"),
            Rule(ours + "feedforward.linear_in.weight", theirs + "mlp.fc1.weight"),
            Rule(ours + "feedforward.linear_out.weight", theirs + "mlp.fc2.weight"),
            Rule("backbone.norm.weight", main + "norm.weight"),
            Rule("backbone.text_head.weight", "decoder.lm_head.weight"),
            Rule("depth.state_proj.weight", inner + "input_projections.weight", lambda w: [w.flatten(0, 1)], by_level),
            Rule("depth.embeddings.0.weight", inner + "text_embed_tokens.weight", *table),
            *(
                Rule(f"depth.embeddings.{k}.weight", f"{inner}embed_tokens.{k - 1}.weight", *table)
                for k in range(1, config.levels)
            ),
            Rule(
                our_depth + "in_proj.weight",
                tuple(their_depth + name for name in linears),
                join_levels,
                split_levels,
            ),
            Rule(our_depth + "out_proj.weight", their_depth + "self_attn.o_proj.linear.weight", *flip),
            Rule(our_depth + "norm1.weight", their_depth + "input_layernorm.weight"),
            Rule(our_depth + "norm2.weight", their_depth + "post_attention_layernorm.weight"),
            Rule(our_depth + "linear_in.weight", their_depth + "mlp.fc1.weight", *flip),
            Rule(our_depth + "linear_out.weight", their_depth + "mlp.fc2.weight", *flip),
            Rule("depth.heads.weight", inner + "lm_heads.weight", *flip),
        ]
