import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import EPAD, PAD, WORD_START, Tokenizer, train_tokenizer

TEXTS = ["one two three", "hello how are you", "two three four", "where are you", "the red house"] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


def test_every_word_of_a_closed_vocabulary_is_one_piece(tokenizer):
    for word in {word for text in TEXTS for word in text.split()}:
        assert tokenizer.pieces(tokenizer.encode_word(word)) == [WORD_START + word]


def test_the_same_text_gives_the_same_bytes(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "a")
    train_tokenizer(reversed(TEXTS), 400).save(tmp_path / "b")
    first, second = ((tmp_path / name / "tokenizer.model").read_bytes() for name in "ab")
    assert first == second
    loaded = Tokenizer.load(tmp_path / "a")
    assert loaded.checksum == tokenizer.checksum and len(loaded.checksum) == 16
    assert loaded.encode("one house") == tokenizer.encode("one house")
    assert Tokenizer.load(tmp_path / "a" / "tokenizer.model").vocab_size == tokenizer.vocab_size


def test_a_vocabulary_too_large_for_whole_words_is_cut_into_pieces():
    texts = [
        f"{first}{second}" for first in ("play", "walk", "talk", "jump") for second in ("", "ed", "ing", "er", "s")
    ]
    tokenizer = train_tokenizer(texts * 3, 4 + 256 + 20 + 8)
    assert any(len(tokenizer.encode_word(word)) > 1 for word in texts)
    assert all(tokenizer.decode(tokenizer.encode_word(word)) == word for word in texts)


# What a word may hold: anything but separators, and SentencePiece's own sign for a space.
words = st.text(st.characters(exclude_categories=("Z", "C"), exclude_characters=WORD_START), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(words)
def test_any_word_is_given_back_by_its_ids(tokenizer, word):
    word = tidy(word)
    if not word or " " in word or WORD_START in word:  # compatibility forms of some signs hold a space
        return
    ids = tokenizer.encode_word(word)
    assert min(ids) > PAD and max(ids) < tokenizer.vocab_size
    assert tokenizer.starts_word(ids[0])
    assert tokenizer.decode(ids) == word


def test_special_ids_are_passed_over_in_decoding(tokenizer):
    ids = tokenizer.encode("one red house")
    assert tokenizer.decode([PAD, PAD, EPAD, *ids[:1], EPAD, *ids[1:], PAD]) == "one red house"
    assert tokenizer.pieces([EPAD, 1, 2, PAD]) == ["EPAD", "BOS", "EOS", "PAD"]
    assert not tokenizer.starts_word(PAD)


@pytest.mark.parametrize("word", ["", " ", "two words", f"a{WORD_START}b", f"{WORD_START}one"])
def test_what_is_no_word_is_refused(tokenizer, word):
    with pytest.raises(AudiolmError, match="not one word|cannot be represented"):
        tokenizer.encode_word(word)


def test_models_with_other_special_ids_are_refused(tmp_path):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(tmp_path / "tokenizer"), vocab_size=40, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    with pytest.raises(AudiolmError, match=r"unk, bos, eos, pad ids are \(0, 1, 2, -1\), expected \(0, 1, 2, 3\)"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(AudiolmError, match="is not a SentencePiece model"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(AudiolmError, match="tokenizer.model is empty, expected a SentencePiece model"):
        Tokenizer.load(tmp_path)
    with pytest.raises(AudiolmError, match="no tokenizer at"):
        Tokenizer.load(tmp_path / "absent")


@pytest.mark.parametrize(
    "texts, size, message",
    [([], 400, "no words"), (TEXTS, 260, "too small"), (["a b", "ba" * 2001], 400, "is one word of 4002 characters")],
)
def test_training_that_cannot_work_says_so(texts, size, message):
    with pytest.raises(AudiolmError, match=message):
        train_tokenizer(texts, size)


def test_the_verb_takes_transcripts_and_word_times(tmp_path, capsys):
    (tmp_path / "text").write_text("utt1 one two\nutt2 two three\n")
    (tmp_path / "ctm").write_text("utt1 A 0.10 0.20 four 1.00\n")
    assert (
        main(["tokenizer", "--text", str(tmp_path / "text"), str(tmp_path / "ctm"), "--out", str(tmp_path / "t")]) == 0
    )
    assert "4 of 4 words are one piece" in capsys.readouterr().out
    assert len(Tokenizer.load(tmp_path / "t").encode("one two three four")) == 4


def released(path, pad_id=3, **options):
    """A SentencePiece model as Moshi's is laid out (unk 0, bos 1, eos 2, pad 3, bytes), under a name of its own."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(path.with_suffix("")), vocab_size=330, minloglevel=2,
        hard_vocab_limit=False, unk_id=0, bos_id=1, eos_id=2, pad_id=pad_id, byte_fallback=True,
        split_digits=True, **options,
    )  # fmt: skip
    return path


def test_a_released_model_file_is_taken_as_it_is(tmp_path, capsys):
    file = released(tmp_path / "tokenizer_spm_32k_3.model")
    (tmp_path / "tokenizer_spm_32k_3.vocab").unlink()
    tokenizer = Tokenizer.load(file)
    assert Tokenizer.load(tmp_path).checksum == tokenizer.checksum  # the folder that holds it alone
    assert tokenizer.decode(tokenizer.encode("hello two \u00fcber 42")) == "hello two \u00fcber 42"
    digits = tokenizer.pieces(tokenizer.encode_word("42"))
    assert [piece for piece in digits if piece != WORD_START] in (["4", "2"], ["<0x34>", "<0x32>"])
    assert main(["tokenizer", "--take", str(file), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/tokenizer.model").read_bytes() == file.read_bytes()
    released(tmp_path / "other.model")
    with pytest.raises(AudiolmError, match="holds 2 SentencePiece models: other.model, tokenizer_spm"):
        Tokenizer.load(tmp_path)
    capsys.readouterr()
    assert main(["tokenizer", "--out", str(tmp_path / "x")]) == 1
    assert "give --text to learn from, or --take" in capsys.readouterr().err


def test_llamas_tokenizers_pad_with_the_byte_that_no_text_holds(tmp_path):
    tokenizer = Tokenizer.load(released(tmp_path / "a.model", pad_id=-1, model_type="bpe"))
    ids = tokenizer.encode("hello how are you \u00fc")
    assert min(ids) > PAD and tokenizer.decode([PAD, *ids, PAD]) == "hello how are you \u00fc"
    assert tokenizer.byte_lengths()[: PAD + 2] == [0, 0, 0, 0, 1]


@settings(max_examples=50, deadline=None)
@given(st.lists(words, max_size=4))
def test_bytes_of_pieces_add_up(tokenizer, words):
    text = tidy(" ".join(words))
    if not text or WORD_START in text:
        return
    lengths = tokenizer.byte_lengths()
    assert sum(lengths[id] for id in tokenizer.encode(text)) == len(text.encode()) + 1


def test_rare_characters_may_be_bytes():
    texts = ["ab ba abba"] * 500 + ["\u00fc\u4e00"]
    whole, most = train_tokenizer(texts, 400), train_tokenizer(texts, 400, character_coverage=0.999)
    assert whole.pieces(whole.encode_word("\u4e00"))[-1] == "\u4e00"
    assert most.pieces(most.encode_word("\u4e00"))[-3:] == ["<0xE4>", "<0xB8>", "<0x80>"]
    with pytest.raises(AudiolmError, match="--character_coverage 0: expected a share above 0"):
        train_tokenizer(texts, 400, 0)


def test_the_verb_takes_plain_text_and_folders(tmp_path, capsys):
    (tmp_path / "text").write_text("utt1 one two\n")
    (tmp_path / "more.txt").write_text("three\n\nfour two\n")
    assert main(["tokenizer", "--text", str(tmp_path), "--out", str(tmp_path / "t")]) == 0
    assert "4 of 4 words are one piece" in capsys.readouterr().out
