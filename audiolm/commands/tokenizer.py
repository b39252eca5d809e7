"""Train the text tokenizer (SentencePiece unigram with byte fallback) on text, or take a released one, into --out.

  audiolm tokenizer --text data/train/text --out exp/tokenizer                       of transcripts
  audiolm tokenizer --text books/*.txt.gz --vocab_size 32000 --out exp/tokenizer     of plain text, as Helium's
  audiolm tokenizer --take tokenizer_spm_32k_3.model --out exp/tokenizer             Moshi's, as it is
  audiolm tokenizer --take kyutai/moshika-pytorch-bf16 --out exp/tokenizer           the one of a released LM
  audiolm tokenizer --take HuggingFaceTB/SmolLM2-135M --out exp/tokenizer            byte-level BPE (Llama 3, Qwen2 …)

A trained one's ids are EPAD 0, BOS 1, EOS 2, PAD 3, then bytes and pieces; numbers are split into digits. Byte-level
BPE keeps its ids, and what it lacks of the four gets ids after them.
"""

import argparse
from pathlib import Path

from audiolm.errors import AudiolmError

NAMED = 10  # words left out, on the terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--text",
        type=Path,
        nargs="+",
        help="Kaldi text files; a file named ctm gives its words; .txt and .txt.gz are plain UTF-8 text; a folder "
        "gives its text, *.txt and *.txt.gz",
    )
    parser.add_argument(
        "--take",
        metavar="NAME",
        help="a .model or tokenizer.json file, or the folder or hub id of an LM that has one",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write its file into")
    parser.add_argument(
        "--vocab_size", type=int, default=4000, help="largest number of ids, 4 special ones and 256 bytes among them"
    )
    parser.add_argument(
        "--character_coverage",
        type=float,
        default=1.0,
        help="share of all characters that get a piece each; rarer ones are spelt by bytes (web text: 0.9995)",
    )


def run(args: argparse.Namespace) -> None:
    """Train or take one, save it and say what it is."""
    if (args.text is None) == (args.take is None):
        raise AudiolmError("give --text to learn from, or --take to name a tokenizer that is there: one of the two")
    if args.take is not None:
        from audiolm.lm.start import find_tokenizer

        tokenizer = find_tokenizer(args.take)
        tokenizer.save(args.out)
        print(f"{args.out}: {tokenizer.vocab_size} ids, as in {args.take}")
        return
    from audiolm.data.texts import read_texts
    from audiolm.text.tokenizer import train_tokenizer

    words: set[str] = set()
    left_out: dict[str, str] = {}
    tokenizer = train_tokenizer(read_texts(args.text, words, left_out), args.vocab_size, args.character_coverage)
    tokenizer.save(args.out)
    for word, where in list(left_out.items())[:NAMED]:
        print(f"left out '{word[:40]}{'…' * (len(word) > 40)}' ({where}): no text stream can hold it; mend the text")
    if len(left_out) > NAMED:
        print(f"left out {len(left_out) - NAMED} more words like these")
    whole = sum(len(tokenizer.encode_word(word)) == 1 for word in words)
    print(f"{args.out}: {tokenizer.vocab_size} ids; {whole} of {len(words)} words are one piece each")
