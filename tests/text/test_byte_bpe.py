"""Byte-level BPE: ids as the tokenizers library gives them, named special tokens, words in streams and documents."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from audiolm.errors import AudiolmError
from audiolm.streams.text import build_text, dialogue_text, own_turns, read_text, turn_marks
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import ByteBPE, Specials, Tokenizer
from tests.text.tiny_bpe import library, make


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("bpe"))


@pytest.fixture(scope="module")
def tokenizer(folder) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def smollm2() -> Path:
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / "smollm2-135m-instruct"
    if not folder.is_dir():
        pytest.skip("AUDIOLM_WEIGHTS names no folder with smollm2-135m-instruct")
    return folder


def random_texts(count: int, seed: int = 0):
    """Strings of 0 to 20 characters: half of ASCII and blanks, half of all of Unicode but surrogates."""
    draw = random.Random(seed)
    for _ in range(count):
        if draw.random() < 0.5:
            yield "".join(chr(draw.randrange(9, 127)) for _ in range(draw.randrange(20)))
        else:
            points = [draw.randrange(0x110000 if draw.random() < 0.3 else 0x800) for _ in range(draw.randrange(20))]
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def check_ids(folder, count: int) -> int:
    """Compare ids of random texts with the library's; how many the vocabulary can spell."""
    ours, theirs, spelt = Tokenizer.load(folder), library.Tokenizer.from_file(str(folder / "tokenizer.json")), 0
    for text in random_texts(count):
        ids = theirs.encode(text, add_special_tokens=False).ids
        try:
            assert ours.encode(text) == ids, repr(text)
            spelt += 1
        except AudiolmError:  # a byte is missing
            assert theirs.decode(ids, skip_special_tokens=False) != text
    return spelt


def test_ids_are_the_librarys(folder):
    assert check_ids(folder, 1000) == 1000


@pytest.mark.slow
def test_ids_are_the_librarys_of_very_many_texts(folder):
    assert check_ids(folder, 100_000) == 100_000


@pytest.mark.slow
def test_ids_of_released_weights_are_the_librarys(smollm2):
    spelt = check_ids(smollm2, 100_000)
    assert spelt > 20_000  # its vocabulary lacks some control characters and unused planes


def test_what_a_tokenizer_lacks_is_appended(folder, tokenizer, tmp_path):
    own = tokenizer.own_size
    assert tokenizer.specials == Specials(epad=own, bos=1, eos=0, pad=own + 1)
    assert tokenizer.vocab_size == own + 2 and tokenizer.pieces([own, 1, 0, own + 1]) == ["EPAD", "BOS", "EOS", "PAD"]
    names = dict.fromkeys(("bos_token", "eos_token", "pad_token"), "<|end|>")
    one = ByteBPE.read(make(tmp_path / "one", names) / "tokenizer.json")
    assert one.specials == (own, own + 1, 0, own + 2)  # BOS and PAD must differ from EOS
    assert ByteBPE.read(make(tmp_path / "none", {}) / "tokenizer.json").specials == (own, own + 1, own + 2, own + 3)
    assert one.checksum != tokenizer.checksum
    tokenizer.save(tmp_path / "again")
    again = Tokenizer.load(tmp_path / "again")
    assert (again.checksum, again.specials) == (tokenizer.checksum, tokenizer.specials)


@pytest.mark.parametrize("number", range(20))
def test_a_stream_of_any_words_gives_them_back(tokenizer, number):
    words = ["".join(tidy(text).split()) for text in random_texts(9, number)]
    words = [word for word in words if word][: number % 10]
    pieces = [tokenizer.encode_word(word) for word in words]
    frames = 2 + sum(map(len, pieces))
    marks = turn_marks([n % 2 == 0 for n in range(len(words))], tokenizer.specials)
    tokens, _ = build_text([0.0] * len(words), pieces, frames, 12.5, specials=tokenizer.specials)
    initial = np.array([tokenizer.starts_word(id) for id in range(tokenizer.vocab_size)])
    found = read_text(tokens, initial, tokenizer.specials)  # words on adjoining frames, parted by their spaces
    assert [tokenizer.decode(word.pieces) for word in found] == words
    starts = np.arange(len(words)) / 2
    marked, _ = build_text(starts, pieces, 500, 12.5, marks=marks, specials=tokenizer.specials)
    own = read_text(own_turns(marked, tokenizer.specials), initial, tokenizer.specials)
    if sum(map(len, pieces)) < 300:
        expected = words[::2] if len(words) > 1 else words
        assert [tokenizer.decode(word.pieces) for word in own] == expected
        ids = dialogue_text(marked, [], tokenizer.specials)
        assert (ids == tokenizer.specials.pad).sum() == (ids == tokenizer.specials.epad).sum() == 0


def test_documents_keep_their_line_breaks(tokenizer):
    text = "one two\n\n  three,\tfour\n<|end|> of it"
    spelt, ids = tokenizer.encode_document(text)
    assert spelt == text == tokenizer.decode(ids)
    assert all(tokenizer.specials.are_pieces(id) for id in ids)  # what looks like a special token is text
    assert sum(tokenizer.byte_lengths()[id] for id in ids) == len(text.encode())


@pytest.mark.parametrize("word", ["", "two words", "\x00"])
def test_what_is_not_one_word_is_refused(tokenizer, word):
    with pytest.raises(AudiolmError, match="is not one word"):
        tokenizer.encode_word(word)


def test_tokenizers_of_other_kinds_and_damaged_ones_are_refused(folder, tmp_path):
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    for changes, message in (
        ({"model": {**model, "vocab": {}, "merges": []}}, r"has no vocabulary \(model.vocab\)"),
        ({"decoder": {"type": "Metaspace"}}, "its decoder Metaspace; expected BPE of the kind ByteLevel"),
        ({"model": {"type": "WordPiece"}}, "its model is WordPiece"),
        ({"model": {**model, "merges": ["x y z"]}}, "is no tokenizer of the tokenizers library"),
    ):
        with pytest.raises(AudiolmError, match=message):
            Tokenizer.load(make(tmp_path / "bad", **changes))
    (tmp_path / "bad" / "tokenizer.json").write_text("{")
    with pytest.raises(AudiolmError, match="tokenizer.json is damaged"):
        Tokenizer.load(tmp_path / "bad")
    (tmp_path / "bad" / "tokenizer.json").unlink()
    with pytest.raises(AudiolmError, match="no tokenizer at"):
        Tokenizer.load(tmp_path / "bad")
