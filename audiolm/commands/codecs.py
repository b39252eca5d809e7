"""Print codecs side by side: frames, tokens and bits a second, of configs and experiments beside published codecs.

kbit/s is tokens/s times log2 of the codebook size, and tokens/s is frames/s times levels. Published rows that break
this are marked, with what it gives.

examples:
  audiolm codecs conf/models/mimi.yaml conf/models/dac.yaml
  audiolm codecs conf/models/soundstream.yaml+conf/models/soundstream_16k.yaml
  audiolm codecs work/demo/exp/codec
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "codecs",
        metavar="CODEC",
        nargs="*",
        help="experiment directory or config file; one that changes another is joined to it: BASE.yaml+CHANGES.yaml",
    )


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from audiolm.score.codec_table import as_text, published_codecs, read_codec

    print(as_text([read_codec(path) for path in args.codecs], published_codecs()))
