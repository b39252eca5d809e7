"""Text LMs of transformers that are shaped as ours: Llama, Helium, Mistral and Qwen2; Qwen3 without what it adds.

Such a folder holds ``config.json`` and ``model.safetensors``, or several files with ``model.safetensors.index.json``.
Nothing of transformers is imported. Differences of layout:

- queries, keys and values are three matrices there and one here; so are the feed-forward block's gate and value;
- rotary pairs are halves of a head there as here, but neighbours in Helium, whose rows are permuted;
- the output matrix may be the embedding's (``tie_word_embeddings``): here it is a copy, which training may change; it
  is written as tied where the two are the same still;
- our embedding has two more rows: that of the start token, which is a copy of BOS's, and that of absent tokens, zero;
- special tokens of text streams that the LM's tokenizer lacks get rows after its own ids. Both matrices' new rows are
  the means of their rows of the tokenizer's ids: the LM takes the new tokens for no word in particular, and gives them
  the probability of an average one. Rows that the LM has beyond its tokenizer's ids (padding) are taken first.

What our model does not have is refused with the name of the key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from audiolm.errors import AudiolmError, first_line
from audiolm.interchange.files import read_json
from audiolm.interchange.rules import Rule, load_state, save_state
from audiolm.lm.backbone import Backbone
from audiolm.nn.rope import pairs_to_halves
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.specials import SENTENCEPIECE, Specials
from audiolm.text.tokenizer import SentencePiece, Tokenizer
from audiolm.train.checkpoint import save_tensors
from audiolm.train.tensors import check_same_tensors

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# model_type -> rope_theta and rms_norm_eps where the file does not tell them (transformers' defaults)
KINDS = {
    "llama": (1e4, 1e-6),
    "mistral": (1e4, 1e-6),
    "qwen2": (1e4, 1e-6),
    "qwen3": (1e4, 1e-6),
    "helium": (1e5, 1e-8),
}
NEIGHBOURS = ("helium",)  # kinds whose rotary pairs are neighbours
PASSED_OVER = "rotary_emb.inv_freq"  # computed, in old files


@dataclass(frozen=True)
class Llama:
    """A text LM that was read.

    Attributes:
        text_vocab: ids.
        config: shape in our terms.
        positions: tokens of its longest training sequence.
        state: weights by the names of our :class:`audiolm.lm.backbone.Backbone`, in the type they are stored in;
            without ``tokenizer.digest``.
    """

    text_vocab: int
    config: TransformerConfig
    positions: int
    state: dict[str, Tensor]


def is_llama(folder: str | Path) -> bool:
    """Whether a folder's ``config.json`` names a kind that :func:`read_llama` knows."""
    try:
        settings = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        return settings.get("model_type") in KINDS
    except (OSError, ValueError, AttributeError):
        return False


def read_llama(folder: str | Path) -> Llama:
    """Read config and weights.

    Raises:
        AudiolmError: a file is missing or damaged, or the model has something that ours has not; the message names the
            key of config.json or the tensor.
    """
    folder = Path(folder)
    settings = read_json(folder / CONFIG)
    tensors = _read_tensors(folder)
    text_vocab, config = _shape(settings, tensors, folder)
    state = _ours(settings, tensors, config, folder)
    with torch.device("meta"):
        expected = Backbone(text_vocab, config).state_dict()
    expected.pop("tokenizer.digest")
    try:
        check_same_tensors(expected, state)
    except AudiolmError as error:
        raise AudiolmError(f"{folder}: tensors differ from what config.json says: {error}") from None
    return Llama(text_vocab, config, int(settings.get("max_position_embeddings") or 2048), state)


def with_tokenizer(found: Llama, tokenizer: Tokenizer, source: str | Path) -> Llama:
    """The LM with rows for special tokens that were appended to its tokenizer's ids, and the start token's as BOS's.

    Raises:
        AudiolmError: the tokenizer has ids of its own that the LM has not.
    """
    own, rows = tokenizer.own_size, found.text_vocab
    if own > rows:
        raise AudiolmError(
            f"{source}: its tokenizer has text ids up to {own - 1}, its embedding {rows} rows; give the tokenizer that "
            "the LM was trained with (--tokenizer)"
        )
    appended = [id for id in tokenizer.specials if id >= own]
    if not appended and isinstance(tokenizer, SentencePiece):
        return found
    vocab, state = max(rows, tokenizer.vocab_size), dict(found.state)
    for name in ("text_embedding.weight", "text_head.weight"):
        table = state[name]
        grown = torch.zeros(vocab, table.shape[1], dtype=table.dtype)
        grown[:rows] = table[:rows]
        grown[appended] = table[:own].float().mean(0).to(table.dtype)
        if name == "text_embedding.weight":
            grown = torch.cat((grown, grown[tokenizer.specials.bos, None], torch.zeros_like(grown[:1])))
        state[name] = grown
    return replace(found, text_vocab=vocab, state=state)


def write_llama(backbone: Backbone, folder: str | Path, positions: int, specials: Specials = SENTENCEPIECE) -> None:
    """Write ``config.json`` and ``model.safetensors``: a ``LlamaForCausalLM``, or a ``MistralForCausalLM`` where the
    backbone has a ``context`` (its sliding window).

    The start token's row has no place there: sequences begin with BOS.

    Args:
        positions: tokens of the longest training sequence.

    Raises:
        AudiolmError: the backbone has what such a model has not; the message names the key.
    """
    config, folder = backbone.transformer.config, Path(folder)
    fixed = {"ffn": "silu_gated", "norm": "rms", "layer_scale": None, "causal": True}
    wrong = {key: getattr(config, key) for key, value in fixed.items() if getattr(config, key) != value}
    if config.rope_base is None:
        wrong["rope_base"] = None
    if wrong:
        key, value = next(iter(wrong.items()))
        raise AudiolmError(
            f"temporal.{key} is {value}: no Llama of transformers is so, expected {fixed.get(key, 'a number')}; keep "
            "the model in our own layout"
        )
    kind = "qwen2" if config.qkv_bias else "llama" if config.context is None else "mistral"
    vocab = backbone.text_head.out_features
    settings = {
        "architectures": [f"{kind.capitalize()}ForCausalLM"],
        "model_type": kind,
        "vocab_size": vocab,
        "hidden_size": config.dim,
        "intermediate_size": config.ffn_dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads or config.heads,
        "head_dim": config.dim // config.heads,
        "hidden_act": "silu",
        "max_position_embeddings": positions,
        "rms_norm_eps": backbone.norm.eps,
        "rope_theta": config.rope_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": _is_tied(backbone),
        "bos_token_id": specials.bos,
        "eos_token_id": specials.eos,
        "pad_token_id": specials.pad,
        "dtype": "float32",
    }
    if kind == "mistral":
        settings["sliding_window"] = config.context
    if kind == "qwen2":
        settings |= {"use_sliding_window": config.context is not None, "sliding_window": config.context}
        settings |= {"max_window_layers": 0} if config.context is not None else {}
        del settings["attention_bias"], settings["mlp_bias"]
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(_theirs(backbone), folder / WEIGHTS, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _shape(settings: Mapping[str, Any], tensors: Mapping[str, Tensor], folder: Path) -> tuple[int, TransformerConfig]:
    kind = settings.get("model_type")
    if kind not in KINDS:
        raise AudiolmError(f"{folder / CONFIG}: model_type is '{kind}', expected one of: {', '.join(KINDS)}")

    def number(key: str) -> int:
        if not isinstance(settings.get(key), int):
            raise AudiolmError(f"{folder / CONFIG}: {key} is {settings.get(key)!r}, expected a number")
        return settings[key]

    def refuse(key: str, found: Any, expected: str) -> None:
        raise AudiolmError(
            f"{folder / CONFIG}: {key} is {found!r}, expected {expected}; this LM does not fit our model"
        )

    theta, eps = KINDS[kind]
    rope = {**(settings.get("rope_scaling") or {}), **(settings.get("rope_parameters") or {})}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        refuse("rope_parameters.rope_type" if settings.get("rope_parameters") else "rope_scaling", rope_type, "default")
    if rope.get("partial_rotary_factor", settings.get("partial_rotary_factor", 1)) not in (1, None):
        refuse("partial_rotary_factor", rope.get("partial_rotary_factor", settings.get("partial_rotary_factor")), "1")
    if settings.get("hidden_act", "silu") not in ("silu", "swish"):
        refuse("hidden_act", settings["hidden_act"], "silu")
    if settings.get("quantization_config"):
        refuse("quantization_config", settings["quantization_config"].get("quant_method"), "none")
    dim, heads, layers = number("hidden_size"), number("num_attention_heads"), number("num_hidden_layers")
    head_dim = settings.get("head_dim") or dim // heads
    if head_dim * heads != dim:
        refuse("head_dim", head_dim, f"hidden_size / num_attention_heads = {dim // heads}")
    keys = tensors.get("model.layers.0.self_attn.k_proj.weight")
    if keys is None:
        raise AudiolmError(
            f"{folder}: no tensor 'model.layers.0.self_attn.k_proj.weight', expected a causal LM's names"
        )
    config = TransformerConfig(
        dim=dim,
        layers=layers,
        heads=heads,
        kv_heads=len(keys) // head_dim,
        ffn_dim=number("intermediate_size"),
        qkv_bias=kind == "qwen2",
        norm_eps=float(settings.get("rms_norm_eps", eps)),
        rope_base=float(rope.get("rope_theta", settings.get("rope_theta") or theta)),
        context=_window(settings, layers, refuse),
    )
    return number("vocab_size"), config


def _window(settings: Mapping[str, Any], layers: int, refuse: Any) -> int | None:
    """The sliding window, where all layers have one."""
    kind, types = settings["model_type"], set(settings.get("layer_types") or [])
    if kind == "mistral":
        return settings.get("sliding_window", 4096)
    if not settings.get("use_sliding_window"):
        types -= {"full_attention"}
        if types:
            refuse("layer_types", sorted(types), "full_attention in all layers")
        return None
    if types == {"sliding_attention"} or (not types and settings.get("max_window_layers", layers) == 0):
        return settings.get("sliding_window")
    refuse("use_sliding_window", True, "the same window in all layers, or none")
    return None


def _rules(config: TransformerConfig, neighbours: bool, bos: int) -> list[Rule]:
    """The tensors of both sides; of an output matrix that is the embedding's there is none in theirs."""
    head_dim = config.dim // config.heads
    sizes = [head_dim * count for count in (config.heads, *[config.kv_heads or config.heads] * 2)]

    def join(*parts: Tensor) -> list[Tensor]:
        queries, keys, values = parts
        if neighbours and queries.ndim == 2:
            queries, keys = (pairs_to_halves(part, len(part) // head_dim) for part in (queries, keys))
        return [torch.cat((queries, keys, values))]

    def split(joined: Tensor) -> tuple[Tensor, ...]:
        return joined.split(sizes)

    def with_start(embedding: Tensor) -> list[Tensor]:
        return [torch.cat((embedding, embedding[bos, None], torch.zeros_like(embedding[:1])))]

    ours, theirs = "transformer.layers.{}.", "model.layers.{}."
    projections = [f"{theirs}self_attn.{part}_proj." for part in "qkv"]
    halves = (f"{theirs}mlp.gate_proj.weight", f"{theirs}mlp.up_proj.weight")
    same = {
        f"{ours}attention.out_proj.weight": f"{theirs}self_attn.o_proj.weight",
        f"{ours}feedforward.linear_out.weight": f"{theirs}mlp.down_proj.weight",
        f"{ours}norm1.weight": f"{theirs}input_layernorm.weight",
        f"{ours}norm2.weight": f"{theirs}post_attention_layernorm.weight",
        "norm.weight": "model.norm.weight",
        "text_head.weight": "lm_head.weight",
    }
    kinds = ("weight", "bias") if config.qkv_bias else ("weight",)
    return [
        Rule("text_embedding.weight", "model.embed_tokens.weight", with_start, lambda table: [table[:-2]]),
        *(Rule(f"{ours}attention.in_proj.{kind}", tuple(p + kind for p in projections), join, split) for kind in kinds),
        Rule(f"{ours}feedforward.linear_in.weight", halves, lambda *x: [torch.cat(x)], lambda x: x.chunk(2)),
        *(Rule(own, their) for own, their in same.items()),
    ]


def _ours(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], config: TransformerConfig, folder: Path
) -> dict[str, Tensor]:
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith(PASSED_OVER)}
    embedding = found.get("model.embed_tokens.weight")
    if "lm_head.weight" not in found and embedding is not None:
        if not settings.get("tie_word_embeddings"):
            raise AudiolmError(
                f"{folder}: no tensor 'lm_head.weight', and tie_word_embeddings of config.json is not true"
            )
        found["lm_head.weight"] = embedding
    rows = 0 if embedding is None else len(embedding)
    rules = _rules(config, settings["model_type"] in NEIGHBOURS, _bos(settings, rows))
    with torch.device("meta"):
        own = Backbone(max(rows, 1), config).state_dict()
    own.pop("tokenizer.digest")
    wanted = save_state(rules, own)
    if missing := [name for name in wanted if name not in found]:
        raise AudiolmError(f"{folder}: no tensor '{missing[0]}', expected the weights of {config.layers} layers")
    if left := [name for name in found if name not in wanted]:
        more = ", …" if len(left) > 3 else ""
        raise AudiolmError(
            f"{folder}: our model has no place for {', '.join(repr(name) for name in sorted(left)[:3])}{more}: this LM "
            "does not fit (biases, or norms in other places)"
        )
    return load_state(rules, found)


def _bos(settings: Mapping[str, Any], rows: int) -> int:
    bos = settings.get("bos_token_id")
    return bos if isinstance(bos, int) and 0 <= bos < rows else SENTENCEPIECE.bos


def _is_tied(backbone: Backbone) -> bool:
    """Whether embedding and head are the same matrix."""
    head = backbone.text_head.weight
    return torch.equal(backbone.text_embedding.weight[: len(head)], head)


def _theirs(backbone: Backbone) -> dict[str, Tensor]:
    own = {name: tensor for name, tensor in backbone.state_dict().items() if name != "tokenizer.digest"}
    tensors = save_state(_rules(backbone.transformer.config, False, SENTENCEPIECE.bos), own)
    if _is_tied(backbone):
        del tensors["lm_head.weight"]
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    if (folder / WEIGHTS).is_file():
        names = [WEIGHTS]
    elif (folder / INDEX).is_file():
        names = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    else:
        raise AudiolmError(f"{folder} holds neither {WEIGHTS} nor {INDEX}; save the model with save_pretrained")
    tensors: dict[str, Tensor] = {}
    for name in names:
        try:
            tensors |= load_file(folder / name)
        except (OSError, SafetensorError) as error:
            raise AudiolmError(f"cannot read {folder / name}: {first_line(error)}; fetch it again") from None
    return tensors
