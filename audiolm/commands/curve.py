"""Make the reference curve that later runs are compared with, of runs that went well (several seeds, best).

EXP/metrics.jsonl of each gives, for every metric and logged step, the band between their least and largest values,
widened. A training with --trainer.reference FILE says in its train.log when a metric leaves the band, and the report
shows it.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--runs", type=Path, nargs="+", required=True, metavar="EXP", help="experiments, same config")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument("--factor", type=float, default=2.0, help="how much wider than the runs' own spread it is")
    parser.add_argument("--margin", type=float, default=0.1, help="least half width, as a share of the value")


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    from audiolm.train.reference import make_reference, write_reference

    reference = make_reference(args.runs, args.factor, args.margin)
    write_reference(args.out, reference)
    print(f"{args.out}: {len(reference)} metrics of {len(args.runs)} runs")
