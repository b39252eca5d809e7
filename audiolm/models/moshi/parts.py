"""What using a trained model takes: the LM, the codec of its sound and the tokenizer of its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audiolm.codec.load import codec_checksum, load_codec
from audiolm.codec.model import Codec
from audiolm.errors import AudiolmError
from audiolm.models.moshi.load import load_lm
from audiolm.models.moshi.model import MoshiModel
from audiolm.models.moshi.requests import word_initial
from audiolm.streams.grid import GridLayout
from audiolm.text.tokenizer import Tokenizer


@dataclass
class Parts:
    """A model, and the codec and tokenizer that it was trained with.

    Attributes:
        word_initial: bool [text_vocab], the ids that begin a word.
        turns: whether the model was trained on both speakers' words in one stream; None: nobody has written it down.
    """

    model: MoshiModel
    codec: Codec
    tokenizer: Tokenizer
    word_initial: np.ndarray
    turns: bool | None = None

    @property
    def layout(self) -> GridLayout:
        return self.model.config.layout


def load_parts(lm: str | Path, codec: str | Path, tokenizer: str | Path, device: torch.device | str = "cpu") -> Parts:
    """Load all three.

    Raises:
        AudiolmError: one is not there, or not what the model was trained with.
    """
    model, config = load_lm(lm, device)
    parts = Parts(model, load_codec(codec, device), Tokenizer.load(tokenizer), np.zeros(0), config.data.turns)
    layout = model.config.layout
    sizes = list(parts.codec.codebook_sizes)
    if sizes[: layout.levels] != [layout.codebook_size] * layout.levels:
        raise AudiolmError(
            f"{lm} takes {layout.levels} levels of {layout.codebook_size} codes, {codec} makes {len(sizes)} of "
            f"{sizes[0]}; give the codec that it was trained with"
        )
    if parts.tokenizer.vocab_size > layout.text_vocab:
        raise AudiolmError(
            f"{lm} takes {layout.text_vocab} text ids, {tokenizer} makes {parts.tokenizer.vocab_size}; give the "
            "tokenizer that it was trained with"
        )
    if parts.tokenizer.specials != layout.specials:
        raise AudiolmError(
            f"{lm}: EPAD, BOS, EOS, PAD are {list(layout.specials)}, of {tokenizer} {list(parts.tokenizer.specials)}; "
            "give the tokenizer that it was trained with"
        )
    model.codec.claim(codec_checksum(codec), "codec")
    model.backbone.tokenizer.claim(parts.tokenizer.checksum, "tokenizer")
    parts.word_initial = word_initial(parts.tokenizer, layout.text_vocab)
    return parts


def open_parts(parts: Mapping[str, str | Path], device: torch.device | str, precision: str) -> Parts:
    """The same, laid out for the steps of generation (:meth:`audiolm.models.moshi.model.MoshiModel.prepare`)."""
    found = load_parts(parts["lm"], parts["codec"], parts["tokenizer"], device)
    found.model = found.model.prepare(precision)
    return found
