"""Documents of Kaldi and plain text files, and the archive that they are packed into."""

import gzip

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.data.documents import Counts, document_files, read_documents
from audiolm.data.tokens import TokenReader
from audiolm.data.tools import rejections
from audiolm.errors import AudiolmError
from audiolm.text.tokenizer import BOS, EOS, Tokenizer, train_tokenizer

TEXTS = ["one two three", "hello how are you", "two three four", "where are you", "the red house"] * 3


def test_plain_text_by_lines_and_by_paragraphs(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\ufeffone\r\n\ntwo  three\nfour\n\n\nfive", encoding="utf-8")
    assert list(read_documents(path)) == [
        ("a.txt:1", "one"),
        ("a.txt:3", "two  three"),
        ("a.txt:4", "four"),
        ("a.txt:7", "five"),
    ]
    paragraphs = [("a.txt:1", "one"), ("a.txt:3", "two  three\nfour"), ("a.txt:7", "five")]
    assert list(read_documents(path, "paragraphs")) == paragraphs
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [text for _, text in read_documents(packed)] == ["one", "two  three", "four", "five"]


def test_carriage_returns_end_lines_only_where_nothing_else_does(tmp_path):
    (tmp_path / "A.TXT").write_bytes("\ufeffone\u2028two\rthree\r\rfour".encode())
    (path,) = document_files(tmp_path)
    assert list(read_documents(path)) == [("A.TXT:1", "one\u2028two"), ("A.TXT:2", "three"), ("A.TXT:4", "four")]
    path.write_bytes(b"one\rtwo\nthree\r\n")
    assert list(read_documents(path)) == [("A.TXT:1", "one two"), ("A.TXT:2", "three")]


def test_a_kaldi_text_has_documents_without_words(tmp_path):
    (tmp_path / "text").write_text("a one two\nb\nc three\n")
    assert list(read_documents(tmp_path / "text")) == [("a", "one two"), ("b", ""), ("c", "three")]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(AudiolmError, match="holds no text: expected Kaldi's 'text', or UTF-8 files"):
        document_files(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"one\ntw\xf6\n")
    with pytest.raises(AudiolmError, match=r"a.txt:2: not UTF-8 \(byte 0xf6\); convert it with iconv"):
        list(read_documents(tmp_path / "a.txt"))
    (tmp_path / "b.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(AudiolmError, match="cannot read .*b.txt.gz"):
        list(read_documents(tmp_path / "b.txt.gz"))


@pytest.fixture
def work(tmp_path):
    """Three sets' worth of documents, one of which no tokenizer can spell, and a tokenizer."""
    train_tokenizer(TEXTS, 400).save(tmp_path / "exp/tokenizer")
    data = tmp_path / "data/train"
    data.mkdir(parents=True)
    (data / "text").write_text("".join(f"{n:02d} {text}\n" for n, text in enumerate(TEXTS)))
    (data / "more.txt").write_text("where  is\tthe house\nwhat is a\u2581b this\n")
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_documents_are_packed_between_bos_and_eos(work, jobs, monkeypatch):
    monkeypatch.setattr("audiolm.commands.tokens.BLOCK", 4)
    monkeypatch.setattr("audiolm.commands.tokens.ENTRY", 16)
    common = ["--dir", str(work), "--sets", "train", "--num_jobs", str(jobs)]
    for job in range(1, jobs + 1):
        assert main(["tokens", *common, "--job", str(job), "--tokenizer", str(work / "exp/tokenizer")]) == 0
    assert main(["merge", *common, "--kind", "tokens", "--max_rejected", "10%"]) == 0
    directory = work / "dump/train/tokens"
    tokenizer = Tokenizer.load(work / "exp/tokenizer")
    reader = TokenReader(directory, "tokens", tokenizer.checksum)
    assert len(reader) > jobs
    packed = np.concatenate([reader.read(key)[:, 0] for key in reader.keys()])
    documents = [part.tolist() for part in np.split(packed, np.flatnonzero(packed == BOS)[1:])]
    assert all(document[0] == BOS and document[-1] == EOS for document in documents)
    assert sorted(map(tokenizer.decode, documents)) == sorted([*TEXTS, "where is the house"])
    (rejected,) = rejections(directory / "rejected.tsv")
    assert rejected[0] == "more.txt:2" and "cannot be represented" in rejected[1]
    counts = Counts.read(directory / "documents.json")
    assert (counts.inputs, counts.documents, counts.words) == (17, 16, sum(len(text.split()) for text in TEXTS) + 4)
    assert counts.tokens == len(packed) - counts.documents  # BOS is given
    assert counts.bytes == sum(len(text) + 1 for text in [*TEXTS, "where is the house"])


def test_jobs_that_saw_other_texts_are_not_joined(work, capsys):
    common = ["--dir", str(work), "--sets", "train", "--num_jobs", "2"]
    tokenize = ["tokens", *common, "--tokenizer", str(work / "exp/tokenizer")]
    assert main([*tokenize, "--job", "1"]) == 0
    assert main(["merge", *common, "--kind", "tokens"]) == 1
    assert "documents.2.json: job 2 of 2 has not finished" in capsys.readouterr().err
    (work / "data/train/more.txt").write_text("one\n")
    assert main([*tokenize, "--job", "2"]) == 0
    assert main(["merge", *common, "--kind", "tokens"]) == 1
    assert "of 16 or 17; the text changed between jobs" in capsys.readouterr().err
