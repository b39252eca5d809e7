"""Print text streams, as audiolm text has written them, for reading: words, their pieces, EPAD, PAD, and their times.

  audiolm text show dump/test/text --tokenizer exp/tokenizer                          the first recording
  audiolm text show dump/test/text --tokenizer exp/tokenizer --ids call1-A call1-B    these
  audiolm text show dump/test/text --tokenizer exp/tokenizer --start 60 --end 75      of it 15 seconds
  audiolm text show dump/test/text --tokenizer exp/tokenizer --frames                 a line a frame

Each line has the time and the frame at which something begins, how many frames it takes, and what it is: a word with
its pieces, PAD or EPAD; with --turns of audiolm text also BOS and EOS before the words of this and of other speakers.
"""

import argparse
from pathlib import Path

NAMES = {"EPAD": "a word is next", "BOS": "this speaker's turn", "EOS": "another speaker's turn", "PAD": ""}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("archive", type=Path, metavar="DIR", help="folder of the streams: dump/<set>/text")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the text tokenizer")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="recordings to show (default: the first)")
    parser.add_argument("--start", type=float, default=0.0, help="seconds at which to begin")
    parser.add_argument("--end", type=float, help="seconds at which to end (default: where the stream does)")
    parser.add_argument("--frames", action="store_true", help="a line for every frame")


def run(args: argparse.Namespace) -> None:
    """Print the streams."""
    import numpy as np

    from audiolm.data.tokens import TokenReader
    from audiolm.errors import AudiolmError, did_you_mean
    from audiolm.streams.text import runs
    from audiolm.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(args.tokenizer)
    specials = tokenizer.specials
    reader = TokenReader(args.archive, "text", tokenizer.checksum)
    known, rate = reader.keys(), reader.meta.frame_rate
    if not known:
        raise AudiolmError(f"{args.archive} holds no stream: all recordings were rejected (rejected.tsv says why)")
    ids = args.ids or known[:1]
    for key in ids:
        if key not in reader:
            raise AudiolmError(f"no '{key}' among the {len(known)} streams of {args.archive}{did_you_mean(key, known)}")
    initial = np.array([tokenizer.starts_word(id) for id in range(tokenizer.vocab_size)])
    for key in ids:
        tokens = reader.read(key)[:, 0].astype(np.int64)
        pads, epads = ((tokens == which).mean() for which in (specials.pad, specials.epad))
        seconds = len(tokens) / rate
        print(f"{key}: {len(tokens)} frames, {seconds:.2f} s, {pads:.1%} PAD, {epads:.1%} EPAD")
        parts = runs(tokens, initial, specials)
        if args.frames:
            parts = [(frame + number, [id]) for frame, part in parts for number, id in enumerate(part)]
        end = seconds if args.end is None else args.end
        for frame, part in parts:
            if frame / rate < end and (frame + len(part)) / rate > args.start:
                print(_line(frame, part, rate, tokenizer))
    if len(known) > len(ids) and not args.ids:
        print(f"the first of {len(known)} streams; --ids names others: {' '.join(known[1:4])} …")


def _line(frame: int, part: list[int], rate: float, tokenizer) -> str:
    if name := tokenizer.specials.name(part[0]):
        what = f"{name:<16} {NAMES[name]}"
    else:
        what = f"{tokenizer.decode(part):<16} {' '.join(tokenizer.pieces(part))}"
    return f"{frame / rate:9.2f} s {frame:7d} {len(part):4d}  {what}".rstrip()
