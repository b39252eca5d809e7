"""Training of the text LM: ``system: textlm``. Its weights can start an audio LM's temporal transformer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from audiolm.data.tokens import read_meta
from audiolm.lm.backbone import Backbone
from audiolm.lm.base import LMSystem, text_nats
from audiolm.lm.dialogues import Dialogues, dialogue_pieces
from audiolm.lm.documents import ABSENT, ARCHIVES, Documents, document_windows, found_specials
from audiolm.lm.start import read_init
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.specials import Specials
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.config import OptimizerConfig
from audiolm.train.memory import layers_bytes
from audiolm.train.ranks import is_first_rank, mean_ranks
from audiolm.train.system import Examples, decay_matrices


@dataclass
class TextLMConfig:
    """A text LM on the words of a corpus.

    Attributes:
        text_vocab: ids of the text tokenizer, or more.
        temporal: shape of the transformer.
        corpus: ``dialogues``: the words of both speakers in order of time, from ``text``, the archive of PAD/EPAD
            streams; ``documents``: any text, from ``tokens``, the archive of packed documents.
        train, valid: sets' directories (``dump/<set>``), which hold the archive, and for dialogues the data directory
            ``audio``.
        tokens: length of a training sequence (Helium: 4096).
        valid_windows: of documents, the number of sequences to validate on, spread over the validation set; 0 = all.
        tokenizer: folder of the tokenizer. Validation on documents is then also told by word and by byte, and a copy
            goes with the weights.
        specials: ids of EPAD, BOS, EOS and PAD; null: those of the text to train on, which training finds and keeps in
            config.yaml where they are not 0, 1, 2, 3.
    """

    text_vocab: int
    temporal: TransformerConfig = field(default_factory=TransformerConfig)
    corpus: Literal["dialogues", "documents"] = "dialogues"
    train: str = "dump/train"
    valid: str = "dump/dev"
    tokens: int = 128
    valid_windows: int = 0
    tokenizer: str | None = None
    specials: list[int] | None = None


class TextLMSystem(LMSystem):
    """The backbone alone, on words."""

    config_class = TextLMConfig
    found_keys = frozenset({"specials"})
    optimizers = {"main": OptimizerConfig(weight_decay=0.1)}

    def __init__(self, config: TextLMConfig):
        super().__init__(config)
        self.backbone = Backbone(config.text_vocab, config.temporal)
        if config.specials is None:
            config.specials = found_specials([config.train], ARCHIVES[config.corpus])
        self.specials = Specials.of(config.specials)
        self.spelling = None if config.tokenizer is None else Tokenizer.load(config.tokenizer)
        if self.spelling is not None:
            lengths = self.spelling.byte_lengths()
            starts = [self.spelling.starts_word(id) for id in range(len(lengths))]
            beyond = config.text_vocab - len(lengths)  # ids that the tokenizer does not use
            self.register_buffer("piece_bytes", torch.tensor(lengths + [0] * beyond), persistent=False)
            self.register_buffer("piece_starts_word", torch.tensor(starts + [False] * beyond), persistent=False)

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        backbone = self.backbone
        groups = decay_matrices(backbone.transformer, hidden=True)
        return {"main": groups + decay_matrices(backbone.norm, backbone.text_embedding, backbone.text_head)}

    @classmethod
    def skeleton(cls, config: TextLMConfig) -> "TextLMSystem":
        with torch.device("meta"):
            return cls(replace(config, tokenizer=None))

    def activation_bytes(self, examples: int, checkpointing: bool, bf16: bool) -> int:
        return layers_bytes([(self.config.temporal, examples * self.config.tokens)], checkpointing, bf16)

    @property
    def trunk(self) -> Backbone:
        return self.backbone

    def found(self) -> dict[str, Any]:
        return {"specials": self.config.specials}

    def examples(self) -> Examples:
        config, kind = self.config, ARCHIVES[self.config.corpus]
        sources = [read_meta(Path(directory) / kind, kind).source for directory in (config.train, config.valid)]
        for source in ([] if self.spelling is None else [self.spelling.checksum]) + sources:
            self.backbone.tokenizer.claim(source, "tokenizer")
        if self.spelling is not None and self.exp_dir is not None and is_first_rank():
            self.spelling.save(self.exp_dir)
        if config.corpus == "dialogues":
            return Dialogues(config.train, config.text_vocab, config.tokens)
        return Documents(config.train, config.text_vocab, config.tokens)

    def losses(self, batch: dict[str, Tensor], step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Cross entropy in nats a token; ``tokens`` is int64 [B, 1 + T]."""
        nats, targets = self._nats(batch["tokens"])
        loss = nats / mean_ranks((targets != ABSENT).sum())
        return {"main": loss}, {"perplexity": loss.detach().exp()}

    def validation_batches(self) -> Iterable[dict[str, Tensor]]:
        """The validation texts, whole, in pieces of ``config.tokens``."""
        config = self.config
        if config.corpus == "dialogues":
            if not hasattr(self, "_validation"):
                self._validation = dialogue_pieces(config.valid, config.text_vocab, config.tokens)
            windows = iter(self._validation)
        else:
            windows = document_windows(config.valid, config.text_vocab, config.tokens, config.valid_windows)
        size = max(1, 4096 // config.tokens)
        while batch := [window for _, window in zip(range(size), windows, strict=False)]:
            yield {"tokens": torch.from_numpy(np.stack(batch))}

    def validate(self, batch: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """``loss``: nats a token; of documents also ``nats_per_word`` and ``bits_per_byte``, their ends counted as both
        (as SRILM's ppl counts the ends of sentences)."""
        nats, targets = self._nats(batch["tokens"])
        targets = targets[targets != ABSENT]
        metrics = {"loss": (nats, targets.new_tensor(len(targets)))}
        if self.config.corpus == "documents" and self.spelling is not None:
            ends = (targets == self.specials.eos).sum()
            first = 0 if self.spelling.leading_space else ends  # words, and their spaces, that no piece begins with
            words, lengths = self.piece_starts_word[targets].sum() + first, self.piece_bytes[targets].sum() + first
            metrics["nats_per_word"] = (nats, words + ends)
            metrics["bits_per_byte"] = (nats / log(2), lengths)
        return metrics

    def _nats(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return text_nats(self.backbone, tokens, self.config.corpus, self.specials)

    def read_init(self, name: str) -> Mapping[str, Tensor]:
        return read_init(name, self.backbone, "temporal")
