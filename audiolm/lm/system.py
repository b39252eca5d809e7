"""Training of the text LM: ``system: textlm``. Its weights can start an audio LM's temporal transformer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader, read_meta
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.text import dialogue_text
from audiolm.train.config import OptimizerConfig
from audiolm.train.randomness import Key
from audiolm.train.system import Examples, System, check_same_tensors

ABSENT = -1  # beyond the end of a short text: no input and no loss


@dataclass
class TextLMConfig:
    """A text LM on the words of a corpus.

    Attributes:
        text_vocab: ids of the text tokenizer, or more.
        temporal: shape of the transformer.
        train, valid: sets' directories (``dump/<set>``), with the archive ``text`` and the data directory ``audio``.
        tokens: length of a training sequence.
    """

    text_vocab: int
    temporal: TransformerConfig = field(default_factory=TransformerConfig)
    train: str = "dump/train"
    valid: str = "dump/dev"
    tokens: int = 128


class Texts(Examples):
    """Each conversation's words in order of time, from one speaker's side; long ones are cut at random."""

    def __init__(self, directory: str | Path, config: TextLMConfig):
        self.config = config
        self.texts, self.tokenizer = read_texts(directory, config.text_vocab)

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """``tokens`` int64 [1 + config.tokens]: start token, text, then absent."""
        text = self.texts[key.item(len(self.texts))]
        start = key.rng("crop").integers(max(0, len(text) - self.config.tokens) + 1)
        return {"tokens": text_example(text[start : start + self.config.tokens], self.config)}


def text_example(text: np.ndarray, config: TextLMConfig) -> np.ndarray:
    """At most ``config.tokens`` tokens -> int64 [1 + config.tokens]."""
    example = np.full(1 + config.tokens, ABSENT, dtype=np.int64)
    example[0] = config.text_vocab
    example[1 : 1 + len(text)] = text
    return example


def read_texts(directory: str | Path, text_vocab: int) -> tuple[list[np.ndarray], str]:
    """Every recording's conversation as its speaker lives it (:func:`audiolm.streams.text.dialogue_text`).

    Returns:
        int64 [length] each, and the checksum of the tokenizer.

    Raises:
        AudiolmError: the archive is of another vocabulary, or holds no word.
    """
    directory = Path(directory)
    reader = TokenReader(directory / "text", "text")
    if reader.meta.vocab_sizes[0] > text_vocab:
        raise AudiolmError(
            f"{reader.directory}: {reader.meta.vocab_sizes[0]} ids, text_vocab is {text_vocab}; raise it"
        )
    datadir = DataDir.read(directory / "audio")
    files: dict[str, list[str]] = {}
    for key in reader.keys():
        files.setdefault(datadir.file_and_channel(key)[0], []).append(key)
    streams = {key: reader.read(key)[:, 0] for key in reader.keys()}
    texts = [
        dialogue_text(streams[key], [streams[other] for other in keys if other != key])
        for keys in files.values()
        for key in keys
    ]
    texts = [text for text in texts if len(text)]
    if not texts:
        raise AudiolmError(f"{reader.directory}: no word in {len(reader)} recordings; a text LM needs some")
    return texts, reader.meta.source


class TextLMSystem(System):
    """The backbone alone, on words."""

    config_class = TextLMConfig
    optimizers = {"main": OptimizerConfig(weight_decay=0.1)}

    def __init__(self, config: TextLMConfig):
        super().__init__(config)
        self.backbone = Backbone(config.text_vocab, config.temporal)

    def examples(self) -> Texts:
        texts = Texts(self.config.train, self.config)
        for tokenizer in (texts.tokenizer, read_meta(Path(self.config.valid) / "text", "text").source):
            self.backbone.tokenizer.claim(tokenizer, "tokenizer")
        return texts

    def losses(self, batch: dict[str, Tensor], step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Cross entropy in nats a token; ``tokens`` is int64 [B, 1 + T]."""
        losses, is_target = self._token_losses(batch["tokens"])
        loss = losses.sum() / is_target.sum()
        return {"main": loss}, {"perplexity": loss.detach().exp()}

    def validation_batches(self) -> Iterable[dict[str, Tensor]]:
        """The validation texts, whole, in pieces of ``config.tokens``."""
        if not hasattr(self, "_validation"):
            size = self.config.tokens
            self._validation = [
                text_example(text[start : start + size], self.config)
                for text in read_texts(self.config.valid, self.config.text_vocab)[0]
                for start in range(0, len(text), size)
            ]
        for start in range(0, len(self._validation), 32):
            yield {"tokens": torch.from_numpy(np.stack(self._validation[start : start + 32]))}

    def validate(self, batch: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        losses, is_target = self._token_losses(batch["tokens"])
        return {"loss": (losses.sum(), is_target.sum())}

    def _token_losses(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        logits = self.backbone.text_head(self.backbone(self.backbone.embed_text(inputs)))
        losses = F.cross_entropy(logits.transpose(1, 2).float(), targets, ignore_index=ABSENT, reduction="none")
        return losses, targets != ABSENT


def load_backbone(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    """Copy a text LM's exported weights into an audio LM's backbone.

    Raises:
        AudiolmError: names or shapes differ.
    """
    own = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    check_same_tensors(own, state)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])
