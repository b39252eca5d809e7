"""What a step's batch is made of: windows of one or several sets of recordings, or text alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiolm.data.tokens import read_meta
from audiolm.errors import AudiolmError
from audiolm.lm.dialogues import Dialogues
from audiolm.lm.documents import ARCHIVES, Documents
from audiolm.models.moshi.data import DataConfig, Recordings, TextBatchConfig, Windows
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.train.mixing import Mixed, Shares
from audiolm.train.randomness import Key
from audiolm.train.system import Examples


class Corpora(Mixed):
    """Windows of several sets, each drawn by its weight.

    Raises:
        AudiolmError: sets whose tokens are of different codecs or tokenizers, or whose archives do not fit the model.
    """

    def __init__(self, config: DataConfig, model: ModelConfig):
        self.sets = [Windows(directory, config, model) for directory in config.sets]
        for other in self.sets[1:]:
            check_same_source(self.sets[0].recordings, other.recordings)
        super().__init__(self.sets, config.weights or [len(windows.windows) for windows in self.sets])


def check_same_source(first: Recordings, other: Recordings) -> None:
    """Raise an :class:`AudiolmError` where two sets' tokens were made by different codecs or tokenizers."""
    for one, two, what in ((first.codes, other.codes, "codec"), (first.text, other.text, "tokenizer")):
        if one.meta.source != two.meta.source:
            raise AudiolmError(
                f"{two.directory} was written with the {what} {two.meta.source}, {one.directory} with "
                f"{one.meta.source}: sets that are trained on together need one; write the tokens of one of them again"
            )


class TextOnly(Examples):
    """Sequences of text alone, of several sets; each is drawn by its number of texts.

    Args:
        directories: of the sets, ``dump/<set>``.
        config: what of them is read, and its length.
        text_vocab: ids of the model's text stream.

    Raises:
        AudiolmError: a set has no such archive, or one of a larger vocabulary, or no text.
    """

    def __init__(self, directories: Sequence[str], config: TextBatchConfig, text_vocab: int):
        kind = ARCHIVES[config.corpus]
        self.tokenizers = [read_meta(Path(directory) / kind, kind).source for directory in directories]
        sequences = {"dialogues": Dialogues, "documents": Documents}[config.corpus]
        self.sets = [sequences(directory, text_vocab, config.tokens) for directory in directories]
        self.shares = Shares([len(texts) for texts in self.sets])

    def claim(self, model: MoshiModel) -> None:
        """Check that the model's tokenizer wrote the text of every set."""
        for tokenizer in self.tokenizers:
            model.backbone.tokenizer.claim(tokenizer, "tokenizer")

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """``text`` int64 [1 + tokens]: what is before the first token, then text, then absent."""
        return {"text": self.sets[self.shares.draw(key, "text set")](key)["tokens"]}
