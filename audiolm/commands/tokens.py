"""Write the documents of data/<set> as token ids, packed, to dump/<set>/tokens: what a text LM is trained on.

Documents come from data/<set>/text (Kaldi, a document a line) and data/<set>/*.txt, *.txt.gz (plain UTF-8). Each
becomes BOS, its pieces, EOS; one after another they fill the entries of a token archive. White space within a document
is single spaces to a SentencePiece model; byte-level BPE keeps it, and so the line breaks of --layout paragraphs. What
the tokenizer cannot spell is left out and named in rejected.tsv.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from audiolm.commands.arrays import add_array_options

if TYPE_CHECKING:
    from audiolm.data.documents import Layout

ENTRY = 1 << 20  # tokens of an entry, but for its last document's
BLOCK = 1000  # neighbouring documents that one job takes together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="folder of the text tokenizer, or its .model or .json file"
    )
    parser.add_argument(
        "--layout",
        choices=("lines", "paragraphs"),
        default="lines",
        help="of plain text: a document a line, or blank lines between documents",
    )


def run(args: argparse.Namespace) -> None:
    """Write this job's share of every set."""
    import numpy as np

    from audiolm.data.documents import Counts
    from audiolm.data.tokens import Meta, TokenWriter
    from audiolm.data.tools import write_rejected
    from audiolm.errors import AudiolmError
    from audiolm.jobs.progress import progress
    from audiolm.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(args.tokenizer)
    _, bos, eos, _ = specials = tokenizer.specials
    meta = Meta(0, (tokenizer.vocab_size,), tokenizer.checksum, specials)
    for name in args.sets:
        directory = args.dir / "dump" / name / "tokens"
        inputs, total, rejected, packed, entries = 0, Counts(), [], [], 0
        with TokenWriter(directory, "tokens", args.job, meta) as writer:

            def flush(writer=writer, name=name) -> None:
                nonlocal packed, entries
                if packed:
                    writer.write(f"{name}-{args.job:05d}-{entries:06d}", np.array(packed, dtype=np.int64)[:, None])
                packed, entries = [], entries + 1

            for id, text in progress(_documents(args.dir / "data" / name, args.layout), desc=f"tokens {name}"):
                inputs += 1
                if (inputs - 1) // BLOCK % args.num_jobs != args.job - 1:
                    continue
                try:
                    text, ids = tokenizer.encode_document(text)
                    if not ids:
                        raise AudiolmError("no words")
                except AudiolmError as error:
                    rejected.append((id, str(error)))
                    continue
                packed += [bos, *ids, eos]
                total += Counts(0, 1, len(ids) + 1, len(text.split()), len(text.encode()) + 1)
                if len(packed) >= ENTRY:
                    flush()
            flush()
        write_rejected(directory / f"rejected.{args.job}.tsv", rejected)
        (total + Counts(inputs)).write(directory / f"documents.{args.job}.json")
        print(f"{name}: {total.documents} documents, {total.tokens} tokens, {total.words} words, {total.bytes} bytes")


def _documents(directory: Path, layout: "Layout") -> Iterator[tuple[str, str]]:
    from audiolm.data.documents import document_files, read_documents

    for file in document_files(directory):
        yield from read_documents(file, layout)
