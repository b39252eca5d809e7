"""Byte-level BPE: the ``tokenizer.json`` of Llama 3, Qwen2, SmolLM2, GPT-2, read by the ``tokenizers`` library.

Such a tokenizer spells every text, white space too, and a piece that begins with a space begins a word; a text stream
spells each word with the space before it. Its BOS, EOS and PAD are those that ``tokenizer_config.json`` names. What it
lacks gets an id after its own, in the order EPAD, BOS, EOS, PAD; so does BOS where it is EOS too, and PAD where it is
either, since a text stream must tell them apart.
"""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError, first_line
from audiolm.text.base import JSON_FILE, NAMES_FILE, Tokenizer
from audiolm.text.normalize import tidy
from audiolm.text.specials import Specials

NAMES = ("epad_token", "bos_token", "eos_token", "pad_token")  # keys of tokenizer_config.json, in the order of Specials


class ByteBPE(Tokenizer):
    """A byte-level BPE of the ``tokenizers`` library.

    Args:
        model: contents of ``tokenizer.json``.
        names: contents of ``tokenizer_config.json``, or empty: then all special tokens are appended.
        source: where it came from, for messages.

    Raises:
        AudiolmError: no tokenizer of this kind, or one without its vocabulary.
    """

    leading_space = False
    file = JSON_FILE

    def __init__(self, model: bytes, names: bytes = b"", source: str = "tokenizer"):
        super().__init__()
        self._model, self._names = model, names
        settings, named = _parsed(model, source), _parsed(names or b"{}", source)
        _check(settings, source)
        try:
            from tokenizers import Tokenizer as Library
        except ImportError:
            raise AudiolmError(f"{source} needs the package tokenizers: pip install 'audiolm[bpe]'") from None
        try:
            self._library = Library.from_str(model.decode())
        except Exception as error:  # the library raises nothing more precise
            raise AudiolmError(f"{source} is no tokenizer of the tokenizers library: {first_line(error)}") from None
        self._library.encode_special_tokens = True  # "<|im_end|>" in a transcript is text
        self._library.no_truncation()
        self._library.no_padding()
        self._prefixed = self._text(self._ids("a")) == " a"
        vocab = self._library.get_vocab()
        self._own_size = 1 + max(vocab.values())
        self.specials = _specials([_content(named.get(name)) for name in NAMES], vocab, self._own_size)

    @classmethod
    def read(cls, path: str | os.PathLike) -> "ByteBPE":
        """Read ``tokenizer.json``, and ``tokenizer_config.json`` beside it where there is one."""
        path = Path(path)
        names = path.with_name(NAMES_FILE)
        return cls(path.read_bytes(), names.read_bytes() if names.is_file() else b"", str(path))

    def save(self, folder: str | os.PathLike) -> None:
        for name, content in ((JSON_FILE, self._model), (NAMES_FILE, self._names)):
            if content:
                with atomic(Path(folder) / name, "wb") as file:
                    file.write(content)

    @property
    def own_size(self) -> int:
        return self._own_size

    @property
    def vocab_size(self) -> int:
        return max(self.own_size, 1 + max(self.specials))

    @cached_property
    def checksum(self) -> str:
        return sha256(self._model + repr(tuple(self.specials)).encode()).hexdigest()[:16]

    def encode_word(self, word: str) -> list[int]:
        word = tidy(word)
        if not word or " " in word:
            raise AudiolmError(f"'{word}' is not one word; text streams take words one at a time")
        ids = self._ids(f" {word}")
        if not ids or not all(map(self.specials.are_pieces, ids)) or not self.starts_word(ids[0]):
            raise AudiolmError(f"'{word}' cannot be represented: its pieces are {self.pieces(ids)}; rewrite it")
        if self._text(ids) != self._normal(f" {word}") or any(self.starts_word(id) for id in ids[1:]):
            raise AudiolmError(
                f"'{word}' cannot be represented: its pieces {self.pieces(ids)} give '{self._text(ids)}'; "
                "rewrite it in the transcript"
            )
        return ids

    def encode_document(self, text: str) -> tuple[str, list[int]]:
        """As the library encodes the text, without special tokens; white space stays.

        Raises:
            AudiolmError: the vocabulary lacks a byte of it (SmolLM2's lacks some control characters).
        """
        ids, text = self._ids(text), self._normal(text)
        if (found := self._text(ids)) != text:
            at = next((n for n, pair in enumerate(zip(found, text, strict=False)) if len(set(pair)) > 1), len(found))
            raise AudiolmError(f"{text[at : at + 20]!r} cannot be represented: the vocabulary lacks a byte of it")
        return text, ids

    def decode(self, ids: Iterable[int]) -> str:
        return self._text([int(id) for id in ids if self.specials.are_pieces(int(id)) and id < self.own_size]).strip()

    def usage(self, folder: str | os.PathLike) -> str:
        special = ", ".join(
            f"{name} {id}" for name, id in zip(("EPAD", "BOS", "EOS", "PAD"), self.specials, strict=True)
        )
        return f"its ids with AutoTokenizer.from_pretrained('{folder}'), but {special}"

    def piece(self, id: int) -> str:
        return self._library.id_to_token(id) or f"<{id}>"

    def starts_word(self, id: int) -> bool:
        return self._spaced[id] if id < self.own_size else False

    def byte_lengths(self) -> list[int]:
        lengths = [len(self._library.id_to_token(id) or "") for id in range(self.own_size)]  # a character a byte
        for id, token in self._added.items():
            lengths[id] = 0 if token.special else len(token.content.encode())
        lengths += [0] * (self.vocab_size - len(lengths))
        for id in self.specials:
            lengths[id] = 0
        return lengths

    @cached_property
    def _added(self) -> Mapping[int, Any]:
        return self._library.get_added_tokens_decoder()

    @cached_property
    def _spaced(self) -> list[bool]:
        """Of each own id, whether it spells white space first (Ġ, Ċ, ĉ, č are a space, line feed, tab and return)."""
        pieces = [self._library.id_to_token(id) or "" for id in range(self.own_size)]
        return [piece[:1] in ("Ġ", "Ċ", "ĉ", "č") and piece != "" for piece in pieces]

    def _ids(self, text: str) -> list[int]:
        return self._library.encode(text, add_special_tokens=False).ids

    def _text(self, ids: list[int]) -> str:
        return self._library.decode(ids, skip_special_tokens=False)

    def _normal(self, text: str) -> str:
        normalizer = self._library.normalizer
        text = text if normalizer is None else normalizer.normalize_str(text)
        return f" {text}" if self._prefixed and text and not text[0].isspace() else text


def _parsed(content: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise AudiolmError(f"{source} is damaged ({first_line(error)}); fetch it again") from None
    if not isinstance(found, dict):
        raise AudiolmError(f"{source} holds a {type(found).__name__}, expected a tokenizer's settings; fetch it again")
    return found


def _check(settings: Mapping[str, Any], source: str) -> None:
    """Refuse all but byte-level BPE with its vocabulary."""
    model, decoder = settings.get("model") or {}, settings.get("decoder") or {}
    kinds = {part.get("type") for part in (decoder, *(decoder.get("decoders") or []))}
    if model.get("type", "BPE") != "BPE" or "ByteLevel" not in kinds:
        raise AudiolmError(
            f"{source}: its model is {model.get('type')}, its decoder {decoder.get('type')}; expected BPE of the kind "
            "ByteLevel; name another tokenizer, or put its SentencePiece model (*.model) beside it"
        )
    if not model.get("vocab"):
        raise AudiolmError(f"{source} has no vocabulary (model.vocab); fetch it again")


def _content(token: Any) -> str | None:
    """A special token of ``tokenizer_config.json``: its text, or an object with that as ``content``."""
    return token.get("content") if isinstance(token, dict) else token


def _specials(names: list[str | None], vocab: Mapping[str, int], own_size: int) -> Specials:
    ids = [None if name is None else vocab.get(name) for name in names]
    epad, bos, eos, pad = ids
    if bos == eos:
        bos = None
    if pad in (bos, eos, ids[1]):
        pad = None
    found, appended = [], own_size
    for id in (epad, bos, eos, pad):
        found.append(appended if id is None else id)
        appended += id is None
    return Specials(*found)
