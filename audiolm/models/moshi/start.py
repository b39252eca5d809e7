"""The weights that a dialogue LM's training starts from (``--init``): ours, a text LM's, or a released model's."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.lm.stamp import Stamp
from audiolm.lm.start import read_init
from audiolm.models.moshi.adapters import find_layout
from audiolm.models.moshi.adapters.layout import normal
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.text.specials import SENTENCEPIECE, Specials
from audiolm.train.options import flatten
from audiolm.train.saved import load

# What a phase may choose anew.
FREE = ("temporal.context", "temporal.dropout", "text_vocab", "tasks", "text_hold", "turn_hold", "specials")
TEXT_TABLES = ("backbone.text_embedding.weight", "backbone.text_head.weight", "depth.embeddings.0.weight")
TOKENIZER = "backbone.tokenizer.digest"


def read_start(name: str, model: MoshiModel, new_tokenizer: str | None = None) -> Mapping[str, Tensor]:
    """What a training of ``model`` starts from, by the names of an experiment's ``model.safetensors``.

    What a released model's layout cannot hold, and ``model`` has (the embeddings of tasks and of held words), starts at
    zero: there the model computes what the released one does.

    Args:
        name: an experiment of ours; a folder or hub id of the moshi package, of transformers' Moshi, or of a
            Llama-shaped text LM.
        new_tokenizer: checksum of the tokenizer that is to come, if the old one may be left: then what belongs to
            another one's words starts anew.

    Raises:
        AudiolmError: nothing there, or a model of another shape; the message names the first differing keys.
    """
    ours = (Path(name) / "config.yaml").is_file()
    found = None if ours else find_layout(name)
    if found is None:
        state = read_init(name, model.backbone, "model.temporal")
    else:
        layout, folder = found
        released = layout.load(folder)
        check_shape(released.config, model.config, folder)
        own = model.state_dict()
        state = {key: torch.zeros_like(own[key]) for key in own if key.startswith(("hold_emb", "task_emb"))}
        state |= released.state_dict()
    if new_tokenizer is None:
        return state
    return with_new_text(state, model, new_tokenizer, _specials(name) if ours else SENTENCEPIECE)


def _specials(name: str) -> Specials:
    """Ids of the special tokens of an experiment's text."""
    settings = load(name)[1]
    return Specials.of(getattr(settings, "model", settings).specials)


def check_shape(theirs: ModelConfig, ours: ModelConfig, folder: Path) -> None:
    """Refuse a released model of another shape, also where no tensor's shape tells (heads, rotary base).

    Raises:
        AudiolmError: it says what to set in the config.
    """
    there, here = (
        dict(flatten(asdict(normal(replace(config, tasks=dict([next(iter(config.tasks.items()))]))))))
        for config in (theirs, ours)
    )
    wrong = [
        f"model.{key} is {here.get(key)}, there {there.get(key)}"
        for key in {**here, **there}
        if not key.startswith(FREE) and here.get(key) != there.get(key)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise AudiolmError(
            f"{folder} is of another shape: {'; '.join(wrong[:3])}{more}; set these keys to what is there, or take its "
            f"shape: audiolm export --lm {folder} --out DIR, and --config DIR/shape.yaml"
        )


def with_new_text(
    state: Mapping[str, Tensor], model: MoshiModel, tokenizer: str, specials: Specials = SENTENCEPIECE
) -> dict[str, Tensor]:
    """Weights for a tokenizer of another vocabulary: rows of its words as in ``model``, all else as in ``state``.

    EPAD, BOS, EOS, PAD and the start token mean the same everywhere and stay, under the new tokenizer's ids.

    Args:
        specials: ids of the four in ``state``.
    """
    state, claimed = dict(state), Stamp()
    claimed.claim(tokenizer, "tokenizer")
    if torch.equal(state[TOKENIZER], claimed.digest):
        return state
    own = model.state_dict()
    for name in TEXT_TABLES:
        if name not in state:
            continue
        rows = own[name].clone()
        rows[list(model.config.layout.specials)] = state[name][list(specials)]
        if name != "backbone.text_head.weight":
            rows[-2:] = state[name][-2:]  # start token, and absent
        state[name] = rows
    state[TOKENIZER] = claimed.digest
    print("another tokenizer than the weights': embeddings and head of its words start anew", file=sys.stderr)
    return state
