"""What a text tokenizer must offer to text streams and documents, and loading one of either kind.

Kinds: SentencePiece unigram models (:mod:`audiolm.text.unigram`; Moshi, Helium, tokenizers trained here) and byte-level
BPE (:mod:`audiolm.text.byte_bpe`; Llama 3, Qwen2, SmolLM2).
"""

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from audiolm.errors import AudiolmError
from audiolm.text.normalize import tidy
from audiolm.text.specials import SENTENCEPIECE, Specials

MODEL_FILE = "tokenizer.model"
JSON_FILE, NAMES_FILE = "tokenizer.json", "tokenizer_config.json"
FILES = ("*.model", JSON_FILE, NAMES_FILE)  # of an LM's folder or hub repository
CACHE = 1 << 18  # distinct words whose pieces are kept


class Tokenizer(ABC):
    """Words and texts <-> ids.

    Attributes:
        specials: ids of EPAD, BOS, EOS and PAD; no text gives them.
        leading_space: the first piece of a text has a space before it as every other word has.
        file: name of the file that a folder of ours keeps it in.
    """

    specials: Specials = SENTENCEPIECE
    leading_space: ClassVar[bool] = True
    file: ClassVar[str] = MODEL_FILE
    kinds: ClassVar[dict[str, type["Tokenizer"]]] = {}  # by their file; audiolm.text.tokenizer imports both

    def __init_subclass__(cls):
        Tokenizer.kinds[cls.file] = cls

    def __init__(self):
        self._spell = functools.lru_cache(CACHE)(lambda word: tuple(self.encode_word(word)))

    @staticmethod
    def load(path: str | os.PathLike) -> "Tokenizer":
        """Read a tokenizer from its folder, or from a SentencePiece ``.model`` or a ``tokenizer.json`` file.

        A folder may hold one ``.model`` file of another name, as released models do (``tokenizer_spm_32k_3.model``);
        a SentencePiece model comes before a ``tokenizer.json``.

        Raises:
            AudiolmError: none there, or one that text streams cannot use.
        """
        path = Path(path)
        file = path / MODEL_FILE if path.is_dir() else path
        if path.is_dir() and not file.is_file():
            others = sorted(path.glob("*.model"))
            if len(others) > 1:
                names = ", ".join(other.name for other in others[:3])
                raise AudiolmError(f"{path} holds {len(others)} SentencePiece models: {names}; name one of the files")
            if not others and (path / JSON_FILE).is_file():
                return Tokenizer.kinds[JSON_FILE].read(path / JSON_FILE)
            file = others[0] if others else file
        if not file.is_file():
            raise AudiolmError(f"no tokenizer at {file}; make one with: audiolm tokenizer --out {path}")
        if file.suffix == ".json":
            return Tokenizer.kinds[JSON_FILE].read(file)
        return Tokenizer.kinds[MODEL_FILE].read(file)

    @staticmethod
    def is_in(folder: str | os.PathLike) -> bool:
        """Whether a folder holds a tokenizer of either kind."""
        folder = Path(folder)
        return any(folder.glob("*.model")) or (folder / JSON_FILE).is_file()

    @abstractmethod
    def save(self, folder: str | os.PathLike) -> None:
        """Write the tokenizer into a folder, atomically."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids, the four special ones among them."""

    @property
    def own_size(self) -> int:
        """Number of ids before those of special tokens that were appended."""
        return self.vocab_size

    @property
    @abstractmethod
    def checksum(self) -> str:
        """16 hexadecimal digits of a SHA-256 of all that gives ids their meaning; token archives carry it."""

    @abstractmethod
    def encode_word(self, word: str) -> list[int]:
        """Ids of one word, none of them special.

        Raises:
            AudiolmError: nothing, or several words, or something that its ids do not give back.
        """

    def encode_document(self, text: str) -> tuple[str, list[int]]:
        """(Text as its ids give it back, ids) of a document; here words and single spaces.

        Raises:
            AudiolmError: a word cannot be represented.
        """
        words = tidy(text).split()
        return " ".join(words), [id for word in words for id in self._spell(word)]

    @abstractmethod
    def usage(self, folder: str | os.PathLike) -> str:
        """How other programs make these ids, in a few words."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text as a document."""
        return self.encode_document(text)[1]

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text that ids spell, without white space around it; EPAD, BOS, EOS and PAD are passed over."""

    @abstractmethod
    def piece(self, id: int) -> str:
        """How an id that is not special is written: ``▁seven``, ``Ġseven``, ``<0xC3>``."""

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """How ids are written; the special ones as EPAD, BOS, EOS, PAD."""
        return [self.specials.name(id) or self.piece(int(id)) for id in ids]

    @abstractmethod
    def starts_word(self, id: int) -> bool:
        """Whether a piece begins a word."""

    @abstractmethod
    def byte_lengths(self) -> list[int]:
        """UTF-8 bytes that each id spells, the space before a word among them; the special ones spell none.

        Over a document's ids the sum is its length in bytes, and 1 where it has a ``leading_space``.
        """
