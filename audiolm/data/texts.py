"""Texts to learn a tokenizer from: of transcripts, of words with times, of documents."""

from collections.abc import Iterator
from pathlib import Path

from audiolm.data.documents import document_files, read_documents
from audiolm.data.tables import read_ctm
from audiolm.errors import AudiolmError
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import cannot_be_learnt


def read_texts(paths: list[Path], words: set[str], left_out: dict[str, str]) -> Iterator[str]:
    """The texts of the files; adds their distinct words to ``words``.

    Words that SentencePiece would part or pass over go to ``left_out``, with the first place where they stand.
    """
    files = [file for path in paths for file in (document_files(path) if path.is_dir() else [path])]
    for path in files:
        if not path.is_file():
            raise AudiolmError(
                f"no {path} to learn from: the set has no transcripts; 'audiolm align --backend whisper' finds words "
                "without, in a ctm that --text takes"
            )
        if path.name == "ctm":
            texts = ((f"{word.file} {word.channel} {word.start:g} s", word.word) for word in read_ctm(path))
        else:
            texts = read_documents(path)
        for id, text in texts:
            found = tidy(text).split()
            kept = [word for word in found if not cannot_be_learnt(word)]
            if len(kept) < len(found):
                for word in found:
                    if cannot_be_learnt(word):
                        left_out.setdefault(word, f"{path}: {id}")
            words.update(kept)
            yield " ".join(kept)
