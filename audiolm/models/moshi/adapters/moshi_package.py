"""Dialogue LMs as the moshi package and its server have them: config.json, and a file each of LM, codec and tokenizer.

A file that config.json names lies beside it, or anywhere as ``file://PATH`` or ``hf://OWNER/NAME/FILE``. A folder of
weights without config.json is the paper's 7B. moshi-finetune leaves whole models (``consolidated.safetensors``) and
low-rank updates (``lora.safetensors``) of one that config.json must name.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from audiolm.codec.adapters.layout import architecture
from audiolm.codec.adapters.moshi_mimi import RELEASED, MoshiMimi, with_all_levels
from audiolm.codec.model import Codec
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.interchange.files import read_json, read_weights
from audiolm.interchange.rules import Rule, Tensors, rotary_turns
from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.adapters.layout import (
    CONFIG,
    Layout,
    join_tables,
    level_matrices,
    matrix_a_level,
    split_tables,
    write_tensors,
)
from audiolm.models.moshi.adapters.lora import merge_lora
from audiolm.models.moshi.adapters.moshi_config import PAPER, WHAT, load_config, save_config
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import MODEL_FILE, Tokenizer

WEIGHTS = ("model.safetensors", "consolidated.safetensors")  # where config.json does not say
LORA = "lora.safetensors"
TOKENIZER = "tokenizer_spm_32k_3.model"
SIGN = "depformer_text_emb.weight"  # a tensor that no other layout has


class MoshiPackage(Layout):
    """``moshi.models.LMModel``."""

    name = "moshi"
    what = WHAT

    def is_in(self, folder: Path) -> bool:
        if (folder / CONFIG).is_file():
            return {"n_q", "dep_q"} <= set(read_json(folder / CONFIG))
        return any(_has(folder / file, SIGN) for file in WEIGHTS)

    def read_config(self, folder: Path) -> dict[str, Any]:
        return read_json(folder / CONFIG) if (folder / CONFIG).is_file() else PAPER

    def read_tensors(self, folder: Path, theirs: Mapping[str, Any]) -> Tensors:
        named = [theirs["moshi_name"]] if "moshi_name" in theirs else WEIGHTS
        files = [file for name in named if (file := locate(name, folder))]
        lora = locate(theirs.get("lora_name") or LORA, folder) if theirs.get("lora") else None
        if not files and lora:
            raise AudiolmError(
                f"only low-rank updates, {lora.name}; name the weights that they belong to in {CONFIG}: "
                '"moshi_name": "file://PATH" or "hf://OWNER/NAME/FILE"'
            )
        if not files:
            raise AudiolmError(f"no {' or '.join(named)}, expected the weights of {self.what}")
        state = released_names(read_weights(files[0]))
        if lora:
            merge_lora(state, read_weights(lora), float(theirs.get("lora_scaling", 2.0)))
        return state

    def tokenizer(self, folder: Path, theirs: Mapping[str, Any]) -> Path | None:
        return locate(theirs.get("tokenizer_name", TOKENIZER), folder)

    def load_config(self, theirs: Mapping[str, Any]) -> ModelConfig:
        return load_config(theirs)

    def save_config(self, config: ModelConfig) -> dict[str, Any]:
        return save_config(config)

    def save(self, model: MoshiModel, codec: Codec, tokenizer: Tokenizer, out: Path) -> str:
        theirs = self.check(model.config)
        if model.config.temporal.context is None:
            raise AudiolmError(f"{self.what} streams over a context, this model's temporal.context is null: set one")
        sound = with_all_levels(codec)
        mimi, mimi_config = MoshiMimi().save(sound, out)
        tokenizer.save(out)
        write_tensors(out / WEIGHTS[0], self.tensors(model))
        own_config = architecture(sound.config) != RELEASED
        names = {
            "moshi_name": WEIGHTS[0],
            "mimi_name": mimi.name,
            **({"mimi_config_name": mimi_config.name} if own_config else {}),
            "tokenizer_name": MODEL_FILE,
        }
        with atomic(out / CONFIG) as file:
            json.dump(names | theirs, file, indent=2)
            file.write("\n")
        files = {
            "--moshi-weight": out / WEIGHTS[0],
            "--mimi-weight": mimi,
            "--tokenizer": out / MODEL_FILE,
            "--config-path": out / CONFIG,
        }
        if own_config:
            parts = ", ".join(repr(str(path)) for path in (*files.values(), mimi_config))
            return f"moshi.models.loaders.CheckpointInfo.from_hf_repo('', {parts})"
        return "python -m moshi.server " + " ".join(f"{option} {path}" for option, path in files.items())

    def rules(self, config: ModelConfig) -> Sequence[Rule]:
        streams = config.layout.num_streams - 1
        levels = range(config.predicted_levels)
        sets = range(1 + max(config.depth.sets(len(levels))))
        rows = config.codebook_size + 1

        def tables(joined: Tensor) -> Sequence[Tensor]:
            return joined[:-1].split(rows)

        def projections(joined: Tensor) -> Sequence[Tensor]:
            return joined.split(config.depth.dim)

        table = (join_tables, split_tables)
        return [
            Rule("{}.digest", ()),
            Rule("backbone.text_embedding.weight", "text_emb.weight", *table),
            Rule("audio_embedding.weight", tuple(f"emb.{k}.weight" for k in range(streams)), join_tables, tables),
            *_temporal_rules(config.temporal),
            norm_rule(config.temporal.norm, "backbone.norm", "out_norm"),
            Rule("backbone.text_head.weight", "text_linear.weight"),
            Rule("depth.state_proj.weight", tuple(f"depformer_in.{k}.weight" for k in sets), _rows, projections),
            Rule("depth.embeddings.0.proj.weight", "depformer_text_emb.low_rank.weight"),
            Rule("depth.embeddings.0.weight", "depformer_text_emb.weight", *table),
            *(Rule(f"depth.embeddings.{k + 1}.proj.weight", f"depformer_emb.{k}.low_rank.weight") for k in levels[:-1]),
            *(Rule(f"depth.embeddings.{k + 1}.weight", f"depformer_emb.{k}.weight", *table) for k in levels[:-1]),
            *_depth_rules(config.depth, len(sets)),
            Rule("depth.heads.weight", tuple(f"linears.{k}.weight" for k in levels), level_matrices, matrix_a_level),
        ]


def locate(name: str, folder: Path) -> Path | None:
    """A file that config.json names, or None where it is not there.

    Raises:
        AudiolmError: it should be on the hub, and cannot be had.
    """
    if name.startswith("hf://"):
        from audiolm.encoders.hub import find_weights

        owner, repository, file = name.removeprefix("hf://").split("/", 2)
        return find_weights(f"{owner}/{repository}", "Moshi model", file) / file
    path = folder / name.removeprefix("file://")
    return path if path.is_file() else None


def released_names(state: Tensors) -> Tensors:
    """Attention's matrices as released files have them: all levels' below each other under one name."""
    result: Tensors = {}
    parts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"(.+\.self_attn\.(?:in|out)_proj)s\.(\d+)\.weight", name):
            parts.setdefault(match[1], {})[int(match[2])] = tensor
        else:
            result[name.replace(".in_proj.weight", ".in_proj_weight")] = tensor
    for name, levels in parts.items():
        joined = torch.cat([levels[k] for k in sorted(levels)])
        result[f"{name}_weight" if name.endswith("in_proj") else f"{name}.weight"] = joined
    return result


def norm_rule(kind: str, ours: str, theirs: str) -> Rule:
    """A norm's gains, [dim] and [1, 1, dim]; plain layer norms are the same on both sides."""
    if kind == "layer":
        return Rule(f"{ours}.{{}}", f"{theirs}.{{}}")
    return Rule(f"{ours}.weight", f"{theirs}.alpha", lambda gains: [gains.flatten()], lambda gains: [gains[None, None]])


def _temporal_rules(config: TransformerConfig) -> list[Rule]:
    gated = config.ffn == "silu_gated"
    ours, theirs = "backbone.transformer.layers.{}.", "transformer.layers.{}."
    return [
        Rule(ours + "attention.in_proj.weight", theirs + "self_attn.in_proj_weight", *rotary_turns(config)),
        Rule(ours + "attention.out_proj.weight", theirs + "self_attn.out_proj.weight"),
        *(norm_rule(config.norm, ours + norm, theirs + norm) for norm in ("norm1", "norm2")),
        Rule(
            ours + "feedforward.linear_in.weight", theirs + ("gating.linear_in.weight" if gated else "linear1.weight")
        ),
        Rule(
            ours + "feedforward.linear_out.weight", theirs + ("gating.linear_out.weight" if gated else "linear2.weight")
        ),
        Rule(ours + "scale1", theirs + "layer_scale_1.scale"),
        Rule(ours + "scale2", theirs + "layer_scale_2.scale"),
    ]


def _depth_rules(config: DepthConfig, sets: int) -> list[Rule]:
    def apart(joined: Tensor) -> list[Tensor]:
        return level_matrices(*joined.chunk(sets))

    def below_each_other(weight: Tensor) -> list[Tensor]:
        return [weight.mT.flatten(0, 1)]

    ours, theirs = "depth.layers.{}.", "depformer.layers.{}."
    stacked = (apart, below_each_other)
    return [
        Rule(ours + "in_proj.weight", theirs + "self_attn.in_proj_weight", *stacked),
        Rule(ours + "out_proj.weight", theirs + "self_attn.out_proj.weight", *stacked),
        *(norm_rule(config.norm, ours + norm, theirs + norm) for norm in ("norm1", "norm2")),
        *(
            Rule(
                f"{ours}{linear}.weight",
                tuple(f"{theirs}gating.{k}.{linear}.weight" for k in range(sets)),
                level_matrices,
                matrix_a_level,
            )
            for linear in ("linear_in", "linear_out")
        ),
    ]


def _rows(*matrices: Tensor) -> list[Tensor]:
    return [torch.cat(matrices)]


def _has(file: Path, name: str) -> bool:
    try:
        with safe_open(file, "pt") as opened:
            return name in opened.keys()
    except (OSError, SafetensorError):
        return False
