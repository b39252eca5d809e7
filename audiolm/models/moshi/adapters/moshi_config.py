"""config.json of the moshi package's LMs, and what of it our models can be.

Refused, each with its key: sinusoidal positions (``sin``, the package's default, and ``sin_rope``), conditions and
their fuser, extra heads, cross attention, second streams that share a table, quantized weights, norms and gates of
other kinds, and depth transformers without weights of their own for each step.
"""

from collections.abc import Mapping
from typing import Any

from audiolm.errors import AudiolmError
from audiolm.interchange.files import check_fixed
from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.adapters.layout import one_task
from audiolm.models.moshi.model import ModelConfig
from audiolm.nn.transformer import TransformerConfig

WHAT = "moshi's LMModel"

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
SINUSOIDAL = ("sin", "sin_rope")
POSITIONS = {"rope": "rope", "none": "none"}
PAPER = {
    "dim": 4096, "text_card": 32000, "card": 2048, "n_q": 16, "dep_q": 8, "num_heads": 32, "num_layers": 32,
    "hidden_scale": 4.125, "context": 3000, "max_period": 10000, "gating": "silu", "norm": "rms_norm_f32",
    "positional_embedding": "rope", "depformer_dim": 1024, "depformer_dim_feedforward": 4224,
    "depformer_num_heads": 16, "depformer_num_layers": 6, "depformer_multi_linear": True, "depformer_pos_emb": "none",
    "depformer_weights_per_step": True, "delays": [0, *[0, *[1] * 7] * 2],
}  # fmt: skip


def load_config(theirs: Mapping[str, Any]) -> ModelConfig:
    """Their config -> ours.

    A key that is missing has the package's default: positions are sinusoidal where no ``positional_embedding`` is.

    Raises:
        AudiolmError: it asks for what our models do not do; the message names the key.
    """
    keys = {key: value for key, value in theirs.items() if key not in USAGE}
    check_fixed(keys, FIXED, WHAT)
    if theirs.get("text_card_out") not in (None, theirs.get("text_card")):
        raise AudiolmError(f"{WHAT} with text_card_out {theirs['text_card_out']} is not supported: leave it out")
    if any((theirs.get("fuser") or {}).get(way) for way in ("sum", "cross", "prepend")):
        raise AudiolmError(f"{WHAT} with a fuser of conditions is not supported")
    try:
        speakers, predict = _speakers(theirs)
        levels = theirs["n_q"] // speakers
        config = ModelConfig(
            text_vocab=theirs["text_card"],
            levels=levels,
            codebook_size=theirs["card"],
            speakers=speakers,
            predict=predict,
            temporal=_load_temporal(theirs),
            depth=_load_depth(theirs),
            tasks=one_task(theirs["delays"], levels),
        )
    except KeyError as error:
        raise AudiolmError(f"{WHAT}: its config has no key {error}") from None
    if unknown := sorted(set(keys) - set(FIXED) - set(save_config(config))):
        raise AudiolmError(f"{WHAT} with {unknown[0]} {theirs[unknown[0]]!r} is not supported")
    return config


def _load_temporal(theirs: Mapping[str, Any]) -> TransformerConfig:
    repeat = theirs.get("kv_repeat", 1)
    ffn = _choice(theirs.get("gating", "none"), GATINGS, "gating")
    asked = theirs.get("positional_embedding", "sin")
    if asked in SINUSOIDAL:
        where = "" if "positional_embedding" in theirs else ", the package's default where the config has none,"
        raise AudiolmError(
            f"{WHAT} with positional_embedding '{asked}'{where} is not supported: sinusoidal positions; expected rope"
            " or none"
        )
    positions = _choice(asked, POSITIONS, "positional_embedding")
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


def _load_depth(theirs: Mapping[str, Any]) -> DepthConfig:
    # What is not told of the depth transformer is as in the temporal one.
    depth = {key.removeprefix("depformer_"): value for key, value in theirs.items() if key.startswith("depformer_")}
    shared = ("num_layers", "gating", "layer_scale", "kv_repeat")
    depth = {key: theirs[key] for key in shared if key in theirs} | depth
    fixed = {"pos_emb": "none", "multi_linear": True, "weights_per_step": True, "layer_scale": None, "kv_repeat": 1}
    for key, value in fixed.items():
        found = depth.get(key, {"pos_emb": "sin", "multi_linear": False, "weights_per_step": False}.get(key, value))
        if found != value:
            raise AudiolmError(f"{WHAT} with depformer_{key} {found!r} is not supported, expected {value!r}")
    outer = depth.get("dim_feedforward") or int(theirs["hidden_scale"] * theirs["depformer_dim"])
    if isinstance(outer, list):
        if len(set(outer)) > 1:
            raise AudiolmError(f"{WHAT} with depformer_dim_feedforward {outer} is not supported: one for all")
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


def save_config(config: ModelConfig) -> dict[str, Any]:
    """Our config, of one task -> theirs; what theirs cannot say is left out.

    Raises:
        AudiolmError: a feed-forward width that the package cannot have.
    """
    temporal, depth, layout = config.temporal, config.depth, config.layout
    outer = outer_width(temporal.ffn_dim, temporal.dim, temporal.ffn == "silu_gated")
    heard, predicted = layout.num_streams - 1, config.predicted_levels
    return {
        "model_type": "moshi",
        "dim": temporal.dim,
        "text_card": config.text_vocab,
        "existing_text_padding_id": 3,
        "n_q": heard,
        "dep_q": predicted,
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
        "depformer_context": predicted,
        "depformer_max_period": 10000,
        "depformer_gating": _key(GATINGS, depth.ffn),
        "depformer_kv_repeat": 1,
        "depformer_pos_emb": "none",
        "depformer_weights_per_step": True,
        "depformer_weights_per_step_schedule": depth.schedule,
        "depformer_low_rank_embeddings": depth.low_rank,
        "delays": config.delays(next(iter(config.tasks))),
        **({"tts_config": {"multistream": config.speakers == 2}} if heard == predicted else {}),
    }


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
    raise AudiolmError(f"{WHAT} has no gated ffn_dim {inner} at dim {dim}; take one more or one less")


def scale(outer: int, dim: int) -> float:
    """The package's ``hidden_scale``, whose product with ``dim`` is cut to ``outer``.

    >>> scale(16896, 4096)
    4.125
    """
    ratio = outer / dim
    return ratio if int(ratio * dim) == outer else (outer + 0.5) / dim


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
            f"{WHAT} with dep_q {predicted} and n_q {heard} is not supported, expected dep_q {heard} or {heard // 2}"
        )
    half = heard // 2
    again = heard % 2 == 0 and half > 1 and delays[:half] == delays[half:] and delays[0] != delays[1]
    two = (theirs.get("tts_config") or {}).get("multistream", again)
    return (2, "both") if two else (1, "main")


def _choice(found: str, known: Mapping[str, str], key: str) -> str:
    if found not in known:
        raise AudiolmError(f"{WHAT} with {key} {found!r} is not supported, expected {' or '.join(known)}")
    return known[found]


def _key(known: Mapping[str, str], ours: str) -> str:
    return next(key for key, value in known.items() if value == ours)
