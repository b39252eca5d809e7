"""A text LM by name: an experiment of ours, or a Llama-shaped model of transformers, from a folder or the hub.

``read_init`` is where ``--init`` (a recipe's ``--lm_init``) finds its weights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.lm import llama
from audiolm.lm.backbone import Backbone
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import FILES, Specials, Tokenizer
from audiolm.train import checkpoint, config
from audiolm.train.options import read_config

PREFIX = "backbone."  # of our experiments' tensors
NOT_OF_WEIGHTS = ("context", "dropout")  # fields of a shape that a phase may choose anew


@dataclass(frozen=True)
class TextLM:
    """A text LM, in evaluation mode.

    Attributes:
        backbone: embedding, transformer, head.
        tokenizer: that its ids are of.
        tokens: length of the longest sequence it was trained on.
        checksum: of its weights' file.
        dialogues: it was trained on conversations (:func:`audiolm.streams.text.dialogue_text`), and the id after its
            vocabulary begins them; else on documents, which BOS begins.
    """

    backbone: Backbone
    tokenizer: Tokenizer
    tokens: int
    checksum: str
    dialogues: bool = False


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


def load_text_lm(name: str | Path, device: torch.device | str = "cpu") -> TextLM:
    """A text LM and its tokenizer.

    Args:
        name: an experiment of ``system: textlm`` that was trained with ``tokenizer``, or the folder or hub id of a
            Llama-shaped model of transformers with its tokenizer beside it.

    Raises:
        AudiolmError: there is none, or the model does not fit ours.
    """
    if not is_experiment(name):
        folder = find_folder(name)
        found = llama.read_llama(folder)
        tokenizer = find_tokenizer(folder)
        found = llama.with_tokenizer(found, tokenizer, folder)
        backbone = Backbone(found.text_vocab, found.config)
        backbone.load_state_dict({**found.state, "tokenizer.digest": digest_of(tokenizer)})
        return TextLM(backbone.to(device).eval(), tokenizer, found.positions, _weights_checksum(folder))
    system, settings = config.load(name)
    if system != "textlm":
        raise AudiolmError(f"{name} is an experiment of system '{system}', expected 'textlm'; name a text LM")
    backbone = Backbone(settings.text_vocab, settings.temporal)
    state = checkpoint.load_model(name)
    load = {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}
    try:
        checkpoint.check_same_tensors(backbone.state_dict(), load)
    except AudiolmError as error:
        raise AudiolmError(f"{Path(name) / checkpoint.MODEL}: {error}") from None
    backbone.load_state_dict(load)
    if not Tokenizer.is_in(name):
        raise AudiolmError(f"{name} has no tokenizer beside its weights: train it with --tokenizer, or copy it there")
    tokenizer = Tokenizer.load(name)
    backbone.tokenizer.claim(tokenizer.checksum, "tokenizer")
    if tokenizer.specials != Specials.of(settings.specials):
        raise AudiolmError(
            f"{name}: config.yaml has specials {settings.specials}, its tokenizer {list(tokenizer.specials)}; copy the "
            "tokenizer there that the LM was trained with"
        )
    weights, dialogues = checkpoint.checksum(name), settings.corpus == "dialogues"
    return TextLM(backbone.to(device).eval(), tokenizer, settings.tokens, weights, dialogues)


def export_text_lm(name: str | Path, out: str | Path, to: str | None = None) -> str:
    """Write a text LM and its tokenizer into the folder ``out``, and return how it is loaded there.

    Args:
        name: see :func:`load_text_lm`.
        to: "transformers", or None: ours, an experiment that every verb takes.

    Raises:
        AudiolmError: as :func:`load_text_lm`; the model does not fit the layout; ``out`` is what it is read from.
    """
    out = Path(out)
    if out.resolve() == Path(name).resolve():
        raise AudiolmError(f"{out} is where the LM is read from; name another --out")
    lm = load_text_lm(name)
    lm.tokenizer.save(out)
    if to == "transformers":
        llama.write_llama(lm.backbone, out, lm.tokens, lm.tokenizer.specials)
        return f"AutoModelForCausalLM.from_pretrained('{out}'), {lm.tokenizer.usage(out)}"
    settings = {
        "system": "textlm",
        "text_vocab": lm.backbone.text_head.out_features,
        "temporal": asdict(lm.backbone.transformer.config),
        "tokens": lm.tokens,
        "corpus": "dialogues" if lm.dialogues else "documents",
        "specials": special_ids(lm.tokenizer),
    }
    write_yaml(out / "config.yaml", settings)
    write_yaml(out / "config.yaml", read_config([out / "config.yaml"]).complete)
    checkpoint.write_model(out, {PREFIX + key: tensor for key, tensor in lm.backbone.state_dict().items()})
    return f"--init {out}, or audiolm.lm.load.load_text_lm('{out}')"


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


def _explicit(shape: TransformerConfig) -> TransformerConfig:
    eps = (1e-8 if shape.norm == "rms" else 1e-5) if shape.norm_eps is None else shape.norm_eps
    return replace(shape, kv_heads=shape.kv_heads or shape.heads, norm_eps=eps)


def _is_bare_experiment(path: Path) -> bool:
    """A folder of ours whose training has not finished, or of which only the weights were kept."""
    return path.is_dir() and not (path / llama.CONFIG).is_file()


def _weights_checksum(folder: Path) -> str:
    path = folder / llama.WEIGHTS
    return checkpoint.file_checksum(path if path.is_file() else folder / llama.INDEX)
