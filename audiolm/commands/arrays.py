"""The options that every array verb has: which sets of a recipe, and which share of them this job takes."""

import argparse
from pathlib import Path


def add_array_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--dir``, ``--sets``, ``--job`` and ``--num_jobs``."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    parser.add_argument("--job", type=int, default=1, help="which share of the recordings, from 1")
    parser.add_argument("--num_jobs", type=int, default=1, help="number of shares")
