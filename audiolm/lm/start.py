"""The weights that an LM's training starts from (``--init``, a recipe's ``--lm_init``): an experiment of ours, or a
Llama-shaped model of transformers, from a folder or the hub.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.lm import llama
from audiolm.lm.backbone import Backbone
from audiolm.lm.base import copy_weights
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import FILES, Specials, Tokenizer
from audiolm.train import checkpoint

PREFIX = "backbone."  # of our experiments' tensors
SHAPE = "shape.yaml"  # of an experiment that was exported: the model's section, to train one of the same shape
NOT_OF_WEIGHTS = ("context", "dropout")  # fields of a shape that a phase may choose anew


def is_experiment(name: str | Path) -> bool:
    """Whether ``name`` is a folder that ``audiolm train`` or ``audiolm export`` has made."""
    return (Path(name) / "config.yaml").is_file()


def find_folder(name: str | Path) -> Path:
    """The folder of a text LM of another layout: ``name`` itself, or the hub's copy.

    Raises:
        AudiolmError: no such folder or hub id.
    """
    from audiolm.encoders.hub import find_weights

    weights = (llama.WEIGHTS, "model-*.safetensors")
    return find_weights(str(name), "text LM", llama.CONFIG, weights, also=FILES)


def find_tokenizer(name: str | Path) -> Tokenizer:
    """The tokenizer of a text LM: a SentencePiece ``.model`` or a ``tokenizer.json``, by itself or in an LM's folder or
    hub repository.

    Raises:
        AudiolmError: there is none, or one that text streams cannot use.
    """
    path = Path(name)
    if not path.exists():
        from audiolm.encoders.hub import find_weights

        path = find_weights(str(name), "LM", llama.CONFIG, also=FILES)
    if path.is_dir() and not Tokenizer.is_in(path):
        raise AudiolmError(
            f"{path} holds no tokenizer: neither a SentencePiece model (*.model) nor a tokenizer.json; name one with "
            "--tokenizer"
        )
    return Tokenizer.load(path)


def read_init(name: str | Path, backbone: Backbone, key: str) -> Mapping[str, Tensor]:
    """The weights that a training with this backbone may start from, by the names that an experiment gives them.

    A model of another layout must have the backbone's shape; a tokenizer beside it becomes that of the weights.

    Args:
        name: experiment of ours, or folder or hub id of a Llama-shaped text LM.
        backbone: of the model that is to be trained.
        key: of its shape in the config, for messages.

    Raises:
        AudiolmError: nothing there, or a model of another shape; the message says what to set in the config.
    """
    if is_experiment(name) or _is_bare_experiment(Path(name)):
        return checkpoint.load_model(name)
    folder = find_folder(name)
    found = llama.read_llama(folder)
    tokenizer = Tokenizer.load(folder) if Tokenizer.is_in(folder) else None
    if tokenizer is not None:
        found = llama.with_tokenizer(found, tokenizer, folder)
    check_shape(found, backbone, key, folder)
    state = {PREFIX + part: tensor for part, tensor in found.state.items()}
    digest = torch.zeros(8, dtype=torch.uint8) if tokenizer is None else digest_of(tokenizer)
    return {**state, f"{PREFIX}tokenizer.digest": digest}


def check_shape(found: llama.Llama, backbone: Backbone, key: str, folder: Path) -> None:
    """Refuse a text LM of another shape than ``backbone``'s, with what to set under ``key`` in the config."""
    own, vocab = backbone.transformer.config, backbone.text_head.out_features
    theirs, ours = (
        {name: value for name, value in asdict(_explicit(shape)).items() if name not in NOT_OF_WEIGHTS}
        for shape in (found.config, own)
    )
    wrong = [f"{key}.{name} is {ours[name]}, there {theirs[name]}" for name in ours if ours[name] != theirs[name]]
    if vocab != found.text_vocab:
        wrong.append(f"{key.rpartition('.')[0]}.text_vocab is {vocab}, there {found.text_vocab}".lstrip("."))
    if wrong:
        raise AudiolmError(f"{folder} is of another shape: {'; '.join(wrong)}; set these keys to what is there")


def special_ids(tokenizer: Tokenizer) -> list[int] | None:
    """A tokenizer's special ids as a config tells them; None: 0, 1, 2, 3."""
    return None if tokenizer.specials == Specials() else list(tokenizer.specials)


def digest_of(tokenizer: Tokenizer) -> Tensor:
    """What :class:`audiolm.lm.stamp.Stamp` keeps of a tokenizer, uint8 [8]."""
    return torch.tensor(list(sha256(tokenizer.checksum.encode()).digest()[:8]), dtype=torch.uint8)


def load_backbone(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    """Copy a text LM's exported weights into an audio LM's backbone.

    Raises:
        AudiolmError: names or shapes differ.
    """
    copy_weights({f"{PREFIX}{name}": tensor for name, tensor in backbone.state_dict().items()}, state)


def _explicit(shape: TransformerConfig) -> TransformerConfig:
    eps = (1e-8 if shape.norm == "rms" else 1e-5) if shape.norm_eps is None else shape.norm_eps
    return replace(shape, kv_heads=shape.kv_heads or shape.heads, norm_eps=eps)


def _is_bare_experiment(path: Path) -> bool:
    """A folder of ours whose training has not finished, or of which only the weights were kept."""
    return path.is_dir() and not (path / llama.CONFIG).is_file()
