"""Text tokenizers: what they offer (:mod:`audiolm.text.base`), both kinds, and training one."""

from audiolm.text.base import FILES, JSON_FILE, MODEL_FILE, Tokenizer
from audiolm.text.byte_bpe import ByteBPE
from audiolm.text.specials import BOS, EOS, EPAD, PAD, Specials
from audiolm.text.unigram import WORD_START, SentencePiece, cannot_be_learnt, train_tokenizer

__all__ = [
    "BOS",
    "EOS",
    "EPAD",
    "FILES",
    "JSON_FILE",
    "MODEL_FILE",
    "PAD",
    "WORD_START",
    "ByteBPE",
    "SentencePiece",
    "Specials",
    "Tokenizer",
    "cannot_be_learnt",
    "train_tokenizer",
]
