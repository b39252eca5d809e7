"""Train the text tokenizer (SentencePiece unigram with byte fallback) on transcripts, and save it into --out."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--text", type=Path, nargs="+", required=True, help="Kaldi text files; a file named ctm gives its words"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write tokenizer.model into")
    parser.add_argument(
        "--vocab_size", type=int, default=4000, help="largest number of ids, 4 special ones and 256 bytes among them"
    )


def run(args: argparse.Namespace) -> None:
    """Train, save and say how many words became one piece."""
    from audiolm.data.tables import read_ctm, read_table
    from audiolm.errors import AudiolmError
    from audiolm.text.tokenizer import train_tokenizer

    texts = []
    for path in args.text:
        if not path.is_file():
            raise AudiolmError(
                f"no {path} to learn from: the set has no transcripts; 'audiolm align --backend whisper' finds words "
                "without, in a ctm that --text takes"
            )
        if path.name == "ctm":
            texts += [word.word for word in read_ctm(path)]
        else:
            texts += [transcript for _, _, transcript in read_table(path, "<utterance> <transcript>")]
    tokenizer = train_tokenizer(texts, args.vocab_size)
    tokenizer.save(args.out)
    words = {word for text in texts for word in text.split()}
    whole = sum(len(tokenizer.encode_word(word)) == 1 for word in words)
    print(f"{args.out}: {tokenizer.vocab_size} ids; {whole} of {len(words)} words are one piece each")
