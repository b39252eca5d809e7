"""Dialogue LMs as the moshi package and its server have them: config.json, and one file each of LM, codec and tokenizer.

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

from audiolm.codec.adapters.layout import check_fixed, read_json, read_weights
from audiolm.codec.adapters.moshi_mimi import MoshiMimi
from audiolm.codec.adapters.rules import Rule, Tensors
from audiolm.codec.model import Codec
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.adapters.layout import (
    CONFIG,
    Layout,
    join_tables,
    level_matrices,
    matrix_a_level,
    one_task,
    split_tables,
    write_tensors,
)
from audiolm.models.moshi.adapters.lora import merge_lora
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import MODEL_FILE, Tokenizer

WEIGHTS = ("model.safetensors", "consolidated.safetensors")  # where config.json does not say
LORA = "lora.safetensors"
TOKENIZER = "tokenizer_spm_32k_3.model"
SIGN = "depformer_text_emb.weight"  # a tensor that no other layout has

# Keys of config.json that say where things are and how they are used, not what the model computes.
USAGE = {
    "moshi_name", "mimi_name", "mimi_config_name", "tokenizer_name", "lora_name", "lora", "lora_rank", "lora_scaling",
    "model_type", "model_id", "lm_gen_config", "tts_config", "stt_config", "gradient_checkpointing", "depformer_causal",
    "extra_heads_dim", "text_card_out", "fuser",
}  # fmt: skip
# What our models have one value of; where a key is missing, the package's default is that value.
FIXED = {
    "causal": True,
    "norm_emb": False,
    "bias_proj": False,
    "demux_second_stream": False,
    "demux_second_text_stream": False,
    "extra_heads_num_heads": 0,
    "cross_attention": False,
    "conditioners": {},
    "quantize": False,
    "existing_text_padding_id": 3,
    "existing_text_end_padding_id": 0,
    "depformer_norm": None,
}
NORMS = {"rms_norm_f32": "rms", "layer_norm": "layer"}
GATINGS = {"silu": "silu_gated", "none": "gelu"}
POSITIONS = {"rope": "rope", "none": "none"}
PAPER = {
    "dim": 4096, "text_card": 32000, "card": 2048, "n_q": 16, "dep_q": 8, "num_heads": 32, "num_layers": 32,
    "hidden_scale": 4.125, "context": 3000, "max_period": 10000, "gating": "silu", "norm": "rms_norm_f32",
    "positional_embedding": "rope", "depformer_dim": 1024, "depformer_dim_feedforward": 4224,
    "depformer_num_heads": 16, "depformer_num_layers": 6, "depformer_multi_linear": True, "depformer_pos_emb": "none",
    "depformer_weights_per_step": True, "delays": [0, *[0, *[1] * 7] * 2],
}  # fmt: skip


class MoshiPackage(Layout):
    """``moshi.models.LMModel``."""

    name = "moshi"
    what = "moshi's LMModel"

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
                "\"moshi_name\": \"file://PATH\" or \"hf://OWNER/NAME/FILE\""
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
        keys = {key: value for key, value in theirs.items() if key not in USAGE}
        check_fixed(keys, FIXED, self.what)
        if theirs.get("text_card_out") not in (None, theirs.get("text_card")):
            raise AudiolmError(f"{self.what} with text_card_out {theirs['text_card_out']} is not supported: leave it out")
        if any((theirs.get("fuser") or {}).get(way) for way in ("sum", "cross", "prepend")):
            raise AudiolmError(f"{self.what} with a fuser of conditions is not supported")
        try:
            speakers, predict = _speakers(theirs)
            levels = theirs["n_q"] // speakers
            config = ModelConfig(
                text_vocab=theirs["text_card"],
                levels=levels,
                codebook_size=theirs["card"],
                speakers=speakers,
                predict=predict,
                temporal=self._load_temporal(theirs),
                depth=self._load_depth(theirs),
                tasks=one_task(theirs["delays"], levels),
            )
        except KeyError as error:
            raise AudiolmError(f"{self.what}: its config has no key {error}") from None
        if unknown := sorted(set(keys) - set(FIXED) - set(self.save_config(config))):
            raise AudiolmError(f"{self.what} with {unknown[0]} {theirs[unknown[0]]!r} is not supported")
        return config

    def _load_temporal(self, theirs: Mapping[str, Any]) -> TransformerConfig:
        repeat = theirs.get("kv_repeat", 1)
        ffn = _choice(theirs.get("gating", "none"), GATINGS, "gating")
        positions = _choice(theirs.get("positional_embedding", "sin"), POSITIONS, "positional_embedding")
        return TransformerConfig(
            dim=theirs["dim"],
            layers=theirs["num_layers"],
            heads=theirs["num_heads"],
            kv_heads=None if repeat == 1 else theirs["num_heads"] // repeat,
            ffn_dim=inner_width(int(theirs["hidden_scale"] * theirs["dim"]), theirs["dim"], ffn == "silu_gated"),
            ffn=ffn,
            norm=_choice(theirs.get("norm", "layer_norm"), NORMS, "norm"),
            layer_scale=theirs.get("layer_scale"),
            context=theirs.get("context"),
            rope_base=float(theirs.get("max_period", 10000)) if positions == "rope" else None,
        )

    def _load_depth(self, theirs: Mapping[str, Any]) -> DepthConfig:
        # What is not told of the depth transformer is as in the temporal one.
        depth = {key.removeprefix("depformer_"): value for key, value in theirs.items() if key.startswith("depformer_")}
        shared = ("num_layers", "gating", "layer_scale", "kv_repeat")
        depth = {key: theirs[key] for key in shared if key in theirs} | depth
        fixed = {"pos_emb": "none", "multi_linear": True, "weights_per_step": True, "layer_scale": None, "kv_repeat": 1}
        for key, value in fixed.items():
            found = depth.get(key, {"pos_emb": "sin", "multi_linear": False, "weights_per_step": False}.get(key, value))
            if found != value:
                raise AudiolmError(f"{self.what} with depformer_{key} {found!r} is not supported, expected {value!r}")
        outer = depth.get("dim_feedforward") or int(theirs["hidden_scale"] * theirs["depformer_dim"])
        if isinstance(outer, list):
            if len(set(outer)) > 1:
                raise AudiolmError(f"{self.what} with depformer_dim_feedforward {outer} is not supported: one for all")
            outer = outer[0]
        ffn = _choice(depth.get("gating", "none"), {"silu": GATINGS["silu"]}, "depformer_gating")
        return DepthConfig(
            dim=theirs["depformer_dim"],
            layers=depth["num_layers"],
            heads=theirs["depformer_num_heads"],
            ffn_dim=inner_width(outer, theirs["depformer_dim"], ffn == "silu_gated"),
            ffn=ffn,
            norm=_choice(theirs.get("norm", "layer_norm"), NORMS, "norm"),
            schedule=theirs.get("depformer_weights_per_step_schedule"),
            low_rank=theirs.get("depformer_low_rank_embeddings"),
        )

    def save_config(self, config: ModelConfig) -> dict[str, Any]:
        temporal, depth, layout = config.temporal, config.depth, config.layout
        outer = outer_width(temporal.ffn_dim, temporal.dim, temporal.ffn == "silu_gated")
        both = config.speakers == 2 and config.predict == "both"
        return {
            "model_type": "moshi",
            "dim": temporal.dim,
            "text_card": config.text_vocab,
            "existing_text_padding_id": 3,
            "n_q": layout.num_streams - 1,
            "dep_q": config.predicted_levels,
            "card": config.codebook_size,
            "num_heads": temporal.heads,
            "num_layers": temporal.layers,
            "hidden_scale": scale(outer, temporal.dim),
            "causal": True,
            "layer_scale": temporal.layer_scale,
            "context": temporal.context,
            "max_period": temporal.rope_base or 10000.0,
            "gating": _key(GATINGS, temporal.ffn),
            "norm": _key(NORMS, temporal.norm),
            "positional_embedding": "none" if temporal.rope_base is None else "rope",
            "kv_repeat": temporal.heads // (temporal.kv_heads or temporal.heads),
            "depformer_dim": depth.dim,
            "depformer_dim_feedforward": outer_width(depth.ffn_dim, depth.dim, depth.ffn == "silu_gated"),
            "depformer_num_heads": depth.heads,
            "depformer_num_layers": depth.layers,
            "depformer_layer_scale": None,
            "depformer_multi_linear": True,
            "depformer_context": config.predicted_levels,
            "depformer_max_period": 10000,
            "depformer_gating": _key(GATINGS, depth.ffn),
            "depformer_kv_repeat": 1,
            "depformer_pos_emb": "none",
            "depformer_weights_per_step": True,
            "depformer_weights_per_step_schedule": depth.schedule,
            "depformer_low_rank_embeddings": depth.low_rank,
            "delays": config.delays(next(iter(config.tasks))),
            **({"tts_config": {"multistream": True}} if both else {}),
        }

    def save(self, model: MoshiModel, codec: Codec, tokenizer: Tokenizer, out: Path) -> str:
        theirs = self.check(model.config)
        if model.config.temporal.context is None:
            raise AudiolmError(f"{self.what} streams over a context, this model's temporal.context is null: set one")
        mimi, mimi_config = MoshiMimi().save(codec, out)
        tokenizer.save(out)
        write_tensors(out / WEIGHTS[0], self.tensors(model))
        names = {
            "moshi_name": WEIGHTS[0],
            "mimi_name": mimi.name,
            "mimi_config_name": mimi_config.name,
            "tokenizer_name": MODEL_FILE,
        }
        with atomic(out / CONFIG) as file:
            json.dump(names | theirs, file, indent=2)
            file.write("\n")
        parts = ", ".join(f"'{out / name}'" for name in (WEIGHTS[0], mimi.name, MODEL_FILE, CONFIG, mimi_config.name))
        return f"moshi.models.loaders.CheckpointInfo.from_hf_repo('', {parts})"

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


def inner_width(outer: int, dim: int, gated: bool) -> int:
    """The width of a feed-forward block's inside, which the package finds from a number that is half as much again."""
    if not gated:
        return outer
    return 21 * dim // 8 if outer == 4 * dim else 2 * outer // 3


def outer_width(inner: int, dim: int, gated: bool) -> int:
    """The inverse of `inner_width`.

    Raises:
        AudiolmError: there is none.
    """
    near = (3 * inner + 1) // 2
    for outer in (inner,) if not gated else (4 * dim, near, near + 1):
        if inner_width(outer, dim, gated) == inner:
            return outer
    raise AudiolmError(f"moshi's LMModel has no gated ffn_dim {inner} at dim {dim}; take one more or one less")


def scale(outer: int, dim: int) -> float:
    """The package's ``hidden_scale``, whose product with ``dim`` is cut to ``outer``.

    >>> scale(16896, 4096)
    4.125
    """
    ratio = outer / dim
    return ratio if int(ratio * dim) == outer else (outer + 0.5) / dim


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
    head = config.dim // config.heads
    rotated = (config.heads + (config.kv_heads or config.heads)) * head  # rows of queries and keys, values below them

    def halves(weight: Tensor) -> list[Tensor]:
        """Their rotary pairs are neighbours, ours lie half a head apart."""
        turned = weight[:rotated].unflatten(0, (-1, head // 2, 2)).transpose(1, 2).flatten(0, 2)
        return [torch.cat([turned, weight[rotated:]])]

    def neighbours(weight: Tensor) -> list[Tensor]:
        turned = weight[:rotated].unflatten(0, (-1, 2, head // 2)).transpose(1, 2).flatten(0, 2)
        return [torch.cat([turned, weight[rotated:]])]

    gated = config.ffn == "silu_gated"
    ours, theirs = "backbone.transformer.layers.{}.", "transformer.layers.{}."
    turn = (halves, neighbours) if config.rope_base else ()
    return [
        Rule(ours + "attention.in_proj.weight", theirs + "self_attn.in_proj_weight", *turn),
        Rule(ours + "attention.out_proj.weight", theirs + "self_attn.out_proj.weight"),
        *(norm_rule(config.norm, ours + norm, theirs + norm) for norm in ("norm1", "norm2")),
        Rule(ours + "feedforward.linear_in.weight", theirs + ("gating.linear_in.weight" if gated else "linear1.weight")),
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


def _speakers(theirs: Mapping[str, Any]) -> tuple[int, str]:
    """How many speakers' codes go in, and whose come out.

    The package's config does not say whether as many codes predicted as heard are one speaker's or two: its own
    ``multistream`` does for the codec, and else the semantic level that comes first again in the second half.
    """
    heard, predicted, delays = theirs["n_q"], theirs["dep_q"], list(theirs["delays"])[1:]
    if predicted and heard == 2 * predicted:
        return 2, "main"
    if not predicted or heard != predicted:
        raise AudiolmError(
            f"moshi's LMModel with dep_q {predicted} and n_q {heard} is not supported, expected dep_q {heard} or "
            f"{heard // 2}"
        )
    half = heard // 2
    again = heard % 2 == 0 and half > 1 and delays[:half] == delays[half:] and delays[0] != delays[1]
    two = (theirs.get("tts_config") or {}).get("multistream", again)
    return (2, "both") if two else (1, "main")


def _choice(found: str, known: Mapping[str, str], key: str) -> str:
    if found not in known:
        raise AudiolmError(f"moshi's LMModel with {key} {found!r} is not supported, expected {' or '.join(known)}")
    return known[found]


def _key(known: Mapping[str, str], ours: str) -> str:
    return next(key for key, value in known.items() if value == ours)


def _rows(*matrices: Tensor) -> list[Tensor]:
    return [torch.cat(matrices)]


def _has(file: Path, name: str) -> bool:
    try:
        with safe_open(file, "pt") as opened:
            return name in opened.keys()  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError):
        return False
