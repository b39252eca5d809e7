"""Join the parts that the jobs of an array verb left in dump/<set>/<kind>, and check that nothing was lost.

Every recording (of tokens: every document) must be in the result or in rejected.tsv; more rejected ones than
--max_rejected stop the stage.
"""

import argparse
from pathlib import Path

from audiolm.errors import AudiolmError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    parser.add_argument(
        "--kind", required=True, help="what to join: audio, diarize, align, text, codes, heard or tokens"
    )
    parser.add_argument("--num_jobs", type=int, required=True, help="number of jobs of the array")
    parser.add_argument("--max_rejected", default="1%", help="largest share of a set that may be rejected")


def run(args: argparse.Namespace) -> None:
    """Join every set and print what was rejected."""
    from audiolm.data import parts
    from audiolm.errors import did_you_mean

    if args.kind not in parts.KINDS:
        raise AudiolmError(f"--kind {args.kind}: no array verb of that name{did_you_mean(args.kind, parts.KINDS)}")
    most = share_of(args.max_rejected)
    for name in args.sets:
        directory = parts.folder(args.dir, name, args.kind)
        counts = parts.join(args.dir, name, args.kind, args.num_jobs)
        for count in counts:
            if count.rejected:
                print(f"{name}: {count.rejected} of {count.inputs} {count.what} rejected, see {directory}/rejected.tsv")
        parts.check_rejected(counts, most, directory)


def share_of(text: str) -> float:
    """Return ``1%`` or ``0.01`` as a number."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise AudiolmError(f"--max_rejected {text}: expected a share such as 1% or 0.01")
    return share
