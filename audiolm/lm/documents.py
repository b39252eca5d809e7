"""Training sequences of a text LM from packed documents (``audiolm tokens``): BOS, pieces, EOS, one after another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audiolm.data.tokens import TokenReader, read_meta
from audiolm.errors import AudiolmError
from audiolm.streams.grid import ABSENT
from audiolm.train.randomness import Key
from audiolm.train.system import Examples

ARCHIVES = {"dialogues": "text", "documents": "tokens"}  # kind of corpus -> the archive that holds it


class Packed:
    """The packed documents of one set, cut into windows; only what is asked for is read.

    A window is ``tokens`` tokens to predict, and the one before them: [1 + tokens]. Windows overlap by that one, so an
    entry of L tokens has ⌈(L - 1) / tokens⌉, of which the last may be shorter.

    Args:
        directory: of the set, ``dump/<set>``.
        text_vocab: ids of the model.
        tokens: length of a window.
        tokenizer: checksum of the one in use; None = any.

    Raises:
        AudiolmError: no such archive, of another vocabulary or tokenizer, or without any document.
    """

    def __init__(self, directory: str | Path, text_vocab: int, tokens: int, tokenizer: str | None = None):
        self.reader = TokenReader(Path(directory) / "tokens", "tokens", tokenizer)
        self.tokens = tokens
        if self.reader.meta.vocab_sizes[0] > text_vocab:
            raise AudiolmError(
                f"{self.reader.directory}: {self.reader.meta.vocab_sizes[0]} ids, text_vocab is {text_vocab}; raise it"
            )
        self.keys = self.reader.keys()
        if not self.keys:
            raise AudiolmError(f"{self.reader.directory}: no document; a text LM needs some")
        lengths = np.array([self.reader.num_frames(key) for key in self.keys])
        self.lengths = lengths
        self.ends = np.cumsum(-(-(lengths - 1) // tokens))  # of each entry's windows

    def __len__(self) -> int:
        return int(self.ends[-1])

    def window(self, index: int, shift: int = 0) -> np.ndarray:
        """int64 [1 + tokens]: window ``index``, moved by ``shift`` tokens as far as its entry goes; then absent."""
        entry = int(np.searchsorted(self.ends, index, side="right"))
        first = int(self.ends[entry - 1]) if entry else 0
        length = int(self.lengths[entry])
        start = (index - first) * self.tokens
        if shift:
            start = min(max(start + shift, 0), max(0, length - 1 - self.tokens))
        found = self.reader.read(self.keys[entry], start, min(start + 1 + self.tokens, length))[:, 0]
        example = np.full(1 + self.tokens, ABSENT, dtype=np.int64)
        example[: len(found)] = found
        return example

    def documents(self) -> Iterator[np.ndarray]:
        """Every document, int64 [2 + pieces]: BOS, pieces, EOS."""
        for key in self.keys:
            tokens = self.reader.read(key)[:, 0].astype(np.int64)
            yield from np.split(tokens, np.flatnonzero(tokens == self.reader.meta.specials.bos)[1:])


class Documents(Examples):
    """Windows in random order, an epoch each once, each moved at random by up to half its length."""

    def __init__(self, directory: str | Path, text_vocab: int, tokens: int):
        self.packed = Packed(directory, text_vocab, tokens)

    def __len__(self) -> int:
        return len(self.packed)

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """``tokens`` int64 [1 + tokens]."""
        half = self.packed.tokens // 2
        shift = int(key.rng("crop").integers(-half, half + 1))
        return {"tokens": self.packed.window(key.item(len(self.packed)), shift)}


def document_windows(directory: str | Path, text_vocab: int, tokens: int, count: int = 0) -> Iterator[np.ndarray]:
    """A set's windows one after another, int64 [1 + tokens]: all, or ``count`` spread evenly over it."""
    packed = Packed(directory, text_vocab, tokens)
    picked = np.arange(len(packed))
    if 0 < count < len(packed):
        picked = np.linspace(0, len(packed) - 1, count).astype(int)
    for index in picked:
        yield packed.window(int(index))


def found_specials(directories: Sequence[str], kind: str) -> list[int] | None:
    """Ids of the special tokens in the first of some sets' archives of text; None: 0, 1, 2, 3, or no archive yet."""
    try:
        ids = read_meta(Path(directories[0]) / kind, kind).special_ids
    except AudiolmError:  # whatever is wrong with it is told where it is read
        return None
    return None if ids is None else list(ids)
