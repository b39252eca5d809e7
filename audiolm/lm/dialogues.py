"""Training sequences of a text LM from conversations: each speaker's side, of the archives of text streams."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.streams.grid import ABSENT
from audiolm.streams.text import dialogue_text
from audiolm.train.randomness import Key
from audiolm.train.system import Examples


class Dialogues(Examples):
    """Each conversation's words in order of time, from one speaker's side; long ones are cut at random.

    Args:
        directory: of the set, ``dump/<set>``.
        text_vocab: ids of the model; the next one is its start token.
        tokens: length of a sequence.
    """

    def __init__(self, directory: str | Path, text_vocab: int, tokens: int):
        self.text_vocab, self.tokens = text_vocab, tokens
        self.texts = read_texts(directory, text_vocab)[0]

    def __len__(self) -> int:
        return len(self.texts)

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """``tokens`` int64 [1 + self.tokens]: start token, text, then absent."""
        text = self.texts[key.item(len(self.texts))]
        start = key.rng("crop").integers(max(0, len(text) - self.tokens) + 1)
        return {"tokens": text_example(text[start : start + self.tokens], self.text_vocab, self.tokens)}


def text_example(text: np.ndarray, text_vocab: int, tokens: int) -> np.ndarray:
    """At most ``tokens`` tokens -> int64 [1 + tokens]."""
    example = np.full(1 + tokens, ABSENT, dtype=np.int64)
    example[0] = text_vocab
    example[1 : 1 + len(text)] = text
    return example


def dialogue_pieces(directory: str | Path, text_vocab: int, tokens: int) -> Iterable[np.ndarray]:
    """A set's conversations whole, in pieces of ``tokens``: int64 [1 + tokens] each."""
    return [
        text_example(text[start : start + tokens], text_vocab, tokens)
        for text in read_texts(directory, text_vocab)[0]
        for start in range(0, len(text), tokens)
    ]


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
    files = datadir.recos_of_files(reader.keys())
    streams = {key: reader.read(key)[:, 0] for key in reader.keys()}
    texts = [
        dialogue_text(streams[key], [streams[other] for other in keys if other != key], reader.meta.specials)
        for keys in files.values()
        for key in keys
    ]
    texts = [text for text in texts if len(text)]
    if not texts:
        raise AudiolmError(f"{reader.directory}: no word in {len(reader)} recordings; a text LM needs some")
    return texts, reader.meta.source
