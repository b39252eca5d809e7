"""Compare two experiments: differing config keys, curves at equal steps, scores with the interval of their difference.

  audiolm compare work/demo/exp/codec work/small/exp/codec

Word error rates are paired over the utterances that both experiments scored; other scores are compared by their
intervals.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("a", type=Path, help="experiment directory")
    parser.add_argument("b", type=Path, help="experiment directory")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page with the curves of both")


def run(args: argparse.Namespace) -> None:
    """Print, and write where asked."""
    from audiolm.score.compare import as_text

    text = as_text(args.a, args.b)
    print(text)
    if args.html:
        from audiolm.data.files import atomic
        from audiolm.report.compared import page

        with atomic(args.html) as file:
            file.write(page(args.a, args.b, text))
        print(f"\nwritten to {args.html}")
