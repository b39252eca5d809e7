"""Write the text stream of every recording, PAD/EPAD and words at the codec's frame rate, to dump/<set>/text (stage 7).

Words and times come from dump/<set>/align/ctm. A recording whose words are out of order, lie outside it, cannot be
spelt by the tokenizer or do not fit into its frames is left out and named in rejected.tsv. Prints the share of padding
and how many words were moved.

With --turns each stream holds the words of all speakers of its file, BOS before the first word of a turn of its own
speaker and EOS before the others': what audiolm say --turns takes a model for (Moshi, appendix C).

`audiolm text show` prints what was written (audiolm text show --help).
"""

import argparse
import math
from pathlib import Path

from audiolm.commands.arrays import add_array_options

ACTIONS = {"show": "show_text"}  # audiolm text ACTION -> its module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the text tokenizer")
    parser.add_argument("--frame_rate", type=float, required=True, help="the codec's frames a second")
    parser.add_argument(
        "--layout", choices=("paper", "moshi_finetune"), default="paper", help="whose rules for the first word"
    )
    parser.add_argument(
        "--overlap",
        choices=("shift", "drop"),
        default="shift",
        help="a word that begins before its predecessor's pieces have ended is pushed right, or cuts them off",
    )
    parser.add_argument("--turns", action="store_true", help="words of all speakers, BOS and EOS at changes of speaker")


def run(args: argparse.Namespace) -> None:
    """Write this job's share of every set."""
    from audiolm.data.shares import read_share
    from audiolm.data.text_streams import TextStreams, describe
    from audiolm.errors import AudiolmError
    from audiolm.text.tokenizer import Tokenizer

    if not 0 < args.frame_rate < math.inf:
        raise AudiolmError(f"--frame_rate {args.frame_rate:g}: expected frames a second, such as 12.5")
    tokenizer = Tokenizer.load(args.tokenizer)
    streams = TextStreams(tokenizer, args.frame_rate, args.layout, args.overlap, args.turns)
    for name in args.sets:
        dump = args.dir / "dump" / name
        data = read_share(dump / "audio", args.job, args.num_jobs)
        print(describe(name, streams.write(data, dump / "align" / "ctm", dump / "text", args.job)))
