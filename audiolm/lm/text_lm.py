"""A text LM in use: read from a Llama-shaped model of transformers, and written as an experiment of ours."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from audiolm.lm import llama
from audiolm.lm.backbone import Backbone
from audiolm.lm.start import PREFIX, digest_of, find_folder, find_tokenizer, special_ids
from audiolm.text.tokenizer import Tokenizer
from audiolm.train import checkpoint
from audiolm.train.saved import save_experiment


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


def load_released(name: str | Path, device: torch.device | str = "cpu") -> TextLM:
    """A Llama-shaped model of transformers with the tokenizer beside it, from a folder or the hub.

    Raises:
        AudiolmError: there is none, or the model does not fit ours.
    """
    folder = find_folder(name)
    found = llama.read_llama(folder)
    tokenizer = find_tokenizer(folder)
    found = llama.with_tokenizer(found, tokenizer, folder)
    backbone = Backbone(found.text_vocab, found.config)
    backbone.load_state_dict({**found.state, "tokenizer.digest": digest_of(tokenizer)})
    return TextLM(backbone.to(device).eval(), tokenizer, found.positions, _weights_checksum(folder))


def save_text_lm(lm: TextLM, out: str | Path) -> None:
    """Write a text LM and its tokenizer as an experiment of ours: what every verb and ``--init`` takes."""
    lm.tokenizer.save(out)
    settings = {
        "system": "textlm",
        "text_vocab": lm.backbone.text_head.out_features,
        "temporal": asdict(lm.backbone.transformer.config),
        "tokens": lm.tokens,
        "corpus": "dialogues" if lm.dialogues else "documents",
        "specials": special_ids(lm.tokenizer),
    }
    save_experiment(out, settings, {PREFIX + key: tensor for key, tensor in lm.backbone.state_dict().items()})


def _weights_checksum(folder: Path) -> str:
    path = folder / llama.WEIGHTS
    return checkpoint.file_checksum(path if path.is_file() else folder / llama.INDEX)
