"""What a step's batch is made of: windows of one or several sets of recordings, or text alone."""

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np

from audiolm.errors import AudiolmError
from audiolm.lm.system import read_texts
from audiolm.models.moshi.data import DataConfig, Recordings, Windows
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.streams.grid import ABSENT
from audiolm.train.randomness import Key
from audiolm.train.system import Examples


class Corpora(Examples):
    """Windows of several sets, each drawn by its weight.

    Raises:
        AudiolmError: sets whose tokens are of different codecs or tokenizers, or whose archives do not fit the model.
    """

    def __init__(self, config: DataConfig, model: ModelConfig):
        self.sets = [Windows(directory, config, model) for directory in config.sets]
        for other in self.sets[1:]:
            check_same_source(self.sets[0].recordings, other.recordings)
        weights = config.weights or [len(windows.windows) for windows in self.sets]
        self.shares = np.cumsum(weights) / np.sum(weights)

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """An example of :class:`Windows`."""
        if len(self.sets) == 1:
            return self.sets[0](key)
        return self.sets[int(np.searchsorted(self.shares, key.rng("set").random(), side="right"))](key)


def check_same_source(first: Recordings, other: Recordings) -> None:
    """Raise an :class:`AudiolmError` where two sets' tokens were made by different codecs or tokenizers."""
    for one, two, what in ((first.codes, other.codes, "codec"), (first.text, other.text, "tokenizer")):
        if one.meta.source != two.meta.source:
            raise AudiolmError(
                f"{two.directory} was written with the {what} {two.meta.source}, {one.directory} with "
                f"{one.meta.source}: sets that are trained on together need one; write the tokens of one of them again"
            )


class TextOnly(Examples):
    """Sequences of ``tokens`` text tokens from the conversations of several sets; long ones are cut at random.

    Args:
        directories: of the sets, ``dump/<set>`` with the archive ``text``.
        text_vocab: ids of the model's text stream.
        tokens: length of a sequence.
    """

    def __init__(self, directories: Sequence[str], text_vocab: int, tokens: int):
        self.text_vocab, self.tokens = text_vocab, tokens
        self.texts: list[np.ndarray] = []
        self.tokenizers: list[str] = []
        for directory in directories:
            texts, tokenizer = read_texts(directory, text_vocab)
            self.texts += texts
            self.tokenizers.append(tokenizer)

    def claim(self, model: MoshiModel) -> None:
        """Check that the model's tokenizer wrote the text of every set."""
        for tokenizer in self.tokenizers:
            model.backbone.tokenizer.claim(tokenizer, "tokenizer")

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """``text`` int64 [1 + tokens]: start token, text, then absent."""
        text = self.texts[key.item(len(self.texts), "text order")]
        start = int(key.rng("text crop").integers(max(0, len(text) - self.tokens) + 1))
        example = np.full(1 + self.tokens, ABSENT, dtype=np.int64)
        example[0] = self.text_vocab
        text = text[start : start + self.tokens]
        example[1 : 1 + len(text)] = text
        return {"text": example}


class AudioAndText(Examples):
    """Batches of audio, and of text alone for a share of the steps.

    Which a step takes depends on its number alone, so that every rank and every part of a batch agrees, and the shares
    are exact: step s is of text where ⌊(s + 1) · share⌋ > ⌊s · share⌋. Each kind counts its own steps, so that an epoch
    of either has every item once.
    """

    def __init__(self, audio: Examples, text: Examples, share: float):
        self.audio, self.text, self.share = audio, text, share

    def __call__(self, key: Key) -> dict[str, Any]:
        before = floor(key.step * self.share)  # steps of text so far
        if floor((key.step + 1) * self.share) > before:
            return self.text(key.at(before))
        return self.audio(key.at(key.step - before))
