"""The text tokenizers of Moshi and Helium: SentencePiece unigram pieces, one word at a time.

The ids 0 to 3 have a meaning of their own in text streams (Moshi, section 3.4.4). SentencePiece's id 0 is its unknown
piece; with byte fallback nothing is unknown, which frees it for EPAD.

Of Helium's tokenizer the paper tells (section 3.2.1): SentencePiece's unigram model, 32 000 elements, numbers split
into single digits, bytes for what is no piece. It does not tell how text is normalised. Its converter in transformers
(``HeliumConverter``) puts a space before the text and normalises nothing else; so do tokenizers trained here.
"""

import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.text.base import MODEL_FILE, Tokenizer
from audiolm.text.normalize import tidy
from audiolm.text.specials import BOS, EOS, EPAD, PAD

BYTES = 256
LONGEST_WORD = 4000  # bytes; SentencePiece passes over longer ones
WORD_START = "\u2581"  # SentencePiece writes the space before a word so


class SentencePiece(Tokenizer):
    """A SentencePiece model whose ids 0 to 3 are EPAD, BOS, EOS, PAD.

    Models without a padding piece whose id 3 is the byte 0, which no text holds, are taken too (Llama 2, Mistral):
    there PAD is that byte.

    Args:
        model: the serialized model.
        source: where it came from, for messages.

    Raises:
        AudiolmError: not a SentencePiece model, other special ids, or no byte fallback.
    """

    @classmethod
    def read(cls, file: Path) -> "SentencePiece":
        """The tokenizer of a ``.model`` file."""
        return cls(file.read_bytes(), source=str(file))

    def __init__(self, model: bytes, source: str = "tokenizer"):
        super().__init__()
        from sentencepiece import SentencePieceProcessor

        if not model:  # SentencePiece takes it for no model at all, and crashes when used
            raise AudiolmError(f"{source} is empty, expected a SentencePiece model; make it again: audiolm tokenizer")
        try:
            self._processor = SentencePieceProcessor(model_proto=model)
        except (RuntimeError, OSError) as error:
            raise AudiolmError(f"{source} is not a SentencePiece model ({error})") from error
        processor = self._processor
        specials = (processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id())
        if specials[:3] != (EPAD, BOS, EOS) or (specials[3] != PAD and processor.id_to_piece(PAD) != "<0x00>"):
            raise AudiolmError(
                f"{source}: its unk, bos, eos, pad ids are {specials}, expected (0, 1, 2, 3); "
                "train one with: audiolm tokenizer"
            )
        if processor.piece_to_id("<0x00>") == EPAD:
            raise AudiolmError(
                f"{source} has no byte fallback, which EPAD's id 0 needs; train one with: audiolm tokenizer"
            )
        self._model = model

    def save(self, folder: str | os.PathLike) -> None:
        with atomic(Path(folder) / MODEL_FILE, "wb") as file:
            file.write(self._model)

    @property
    def vocab_size(self) -> int:
        return self._processor.vocab_size()

    @property
    def checksum(self) -> str:
        return sha256(self._model).hexdigest()[:16]

    def encode_word(self, word: str) -> list[int]:
        word = tidy(word)
        ids = self._processor.encode(word)
        if not ids or " " in word:
            raise AudiolmError(f"'{word}' is not one word; text streams take words one at a time")
        if min(ids) <= PAD or self._processor.decode(ids) != word:
            raise AudiolmError(
                f"'{word}' cannot be represented: its pieces {self.pieces(ids)} give "
                f"'{self._processor.decode(ids)}'; rewrite it in the transcript"
            )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return self._processor.decode([int(id) for id in ids if id > PAD]).strip()

    def usage(self, folder: str | os.PathLike) -> str:
        return f"its ids with SentencePiece and {folder}/{MODEL_FILE}"

    def piece(self, id: int) -> str:
        return self._processor.id_to_piece(id)

    def starts_word(self, id: int) -> bool:
        return id > PAD and self._processor.id_to_piece(int(id)).startswith(WORD_START)

    def byte_lengths(self) -> list[int]:
        names = [self._processor.id_to_piece(id) for id in range(self.vocab_size)]
        lengths = [
            1 if self._processor.is_byte(id) else len(name.replace(WORD_START, " ").encode())
            for id, name in enumerate(names)
        ]
        return [0] * (PAD + 1) + lengths[PAD + 1 :]


def cannot_be_learnt(word: str) -> bool:
    """Whether SentencePiece would read a blank in this word, or pass over it for its length."""
    return WORD_START in word or len(word.encode()) > LONGEST_WORD


def train_tokenizer(texts: Iterable[str], vocab_size: int, character_coverage: float = 1.0) -> SentencePiece:
    """Train on texts; the same texts in the same order give the same model.

    Where all distinct words fit into ``vocab_size`` beside the characters, each is one piece: SentencePiece itself
    proposes only pieces that several distinct words share, which cuts the words of a small closed vocabulary up.
    The model may have fewer pieces than asked for.

    Args:
        texts: gone through once; memory holds their distinct words.
        vocab_size: largest number of ids.
        character_coverage: share of all characters that get a piece each, the most frequent first; the others, such as
            letters of other scripts in web text, are spelt by bytes.

    Raises:
        AudiolmError: no words, one that is too long, or too few ids for the bytes and characters.
    """
    from sentencepiece import SentencePieceTrainer

    words = Counter(word for text in texts for word in tidy(text).split())
    if not words:
        raise AudiolmError("no words to train a tokenizer on; the sets need text")
    longest = max(words, key=lambda word: len(word.encode()))
    if len(longest.encode()) > LONGEST_WORD:
        raise AudiolmError(
            f"'{longest[:40]}…' is one word of {len(longest)} characters; put blanks between words in the transcript"
        )
    characters = Counter()
    for word, count in words.items():
        characters.update({character: count * word.count(character) for character in set(word)})
    characters = _covered(characters, character_coverage)
    least = PAD + 1 + BYTES + len(characters) + 1
    if vocab_size < least:
        raise AudiolmError(
            f"--vocab_size {vocab_size} is too small: 4 special ids, {BYTES} bytes and {len(characters) + 1} "
            f"characters need at least {least}"
        )
    # Word counts instead of sentences: words are tokenized one at a time, and the order of a Counter's items is fixed.
    sentences = [f"{word}\t{count}" for word, count in sorted(words.items())]
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        options = {}
        if least + len(words) <= vocab_size:
            options["seed_sentencepieces_file"] = str(_seeds(Path(folder), words, characters))
        SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            input_format="tsv",
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            unk_id=EPAD,
            bos_id=BOS,
            eos_id=EOS,
            pad_id=PAD,
            byte_fallback=True,
            split_digits=True,
            character_coverage=character_coverage,
            normalization_rule_name="identity",
            num_threads=1,
            minloglevel=2,
            **options,
        )
    return SentencePiece(_without_paths(model.getvalue()))


def _covered(characters: Counter, share: float) -> Counter:
    """The most frequent characters that make up a share of all."""
    if not 0 < share <= 1:
        raise AudiolmError(f"--character_coverage {share:g}: expected a share above 0 and up to 1, such as 0.9995")
    left, kept = share * characters.total(), Counter()
    for character, count in characters.most_common():
        if left <= 0:
            break
        kept[character] = count
        left -= count
    return kept


def _without_paths(model: bytes) -> bytes:
    """The model without the name of its temporary seeds file, so that the same text gives the same bytes."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    proto = ModelProto.FromString(model)
    proto.trainer_spec.DiscardUnknownFields()  # the field is newer than the package's own message definition
    return proto.SerializeToString(deterministic=True)


def _seeds(folder: Path, words: Counter, characters: Counter) -> Path:
    """A file of the pieces that training starts from: whole words and single characters."""
    path = folder / "seeds.tsv"
    with path.open("w", encoding="utf-8") as file:
        for piece, count in sorted(words.items()):
            file.write(f"{WORD_START}{piece}\t{count}\n")
        for piece, count in sorted((characters + Counter({WORD_START: words.total()})).items()):
            file.write(f"{piece}\t{count}\n")
    return path
