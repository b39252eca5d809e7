"""Write the experiment's page: one HTML file with results, curves, sounds and pictures, to open offline (stage 14)."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--set", default="test", help="the set to listen to")
    parser.add_argument("--codec", type=Path, help="the codec's directory (default: <dir>/exp/codec)")
    parser.add_argument("--tokenizer", type=Path, help="the text tokenizer's (default: <dir>/exp/tokenizer)")
    parser.add_argument("--budget", default="", help="the recipe's budget, to tell below the title")
    parser.add_argument("--title", default="An audio language model, part by part", help="of the page")
    parser.add_argument("--out", type=Path, help="the file to write (default: <dir>/report.html)")


def run(args: argparse.Namespace) -> None:
    """Write the page and say where it is."""
    from audiolm.data.files import atomic
    from audiolm.report.page import Report

    codec, tokenizer = args.codec or args.dir / "exp" / "codec", args.tokenizer or args.dir / "exp" / "tokenizer"
    out = args.out or args.dir / "report.html"
    page = Report(args.dir, args.set, codec, tokenizer, args.budget).page(args.title)
    with atomic(out) as file:
        file.write(page)
    print(f"{out}: {len(page) / 1e6:.1f} MB; open it in a browser")
