"""Print a recipe's results, each beside its baseline and the published values of its kind (stage 13)."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--dir",
        type=Path,
        nargs="+",
        required=True,
        help="the recipe's work directory (holds exp/); of several, such as runs of other seeds, the mean is taken",
    )
    parser.add_argument("--write", type=Path, help="also put the table into this Markdown file, such as RESULTS.md")
    parser.add_argument("--name", default="demo", help="with --write: of the section to put it in, such as the budget")
    parser.add_argument("--title", help="with --write: the section's heading (default: its name)")


def run(args: argparse.Namespace) -> None:
    """Print, and write where asked."""
    from audiolm.report.environment import effort
    from audiolm.score.results import as_markdown, as_text, mean_of_runs, write_section

    rows = mean_of_runs(args.dir)
    print(as_text(rows))
    if args.write:
        body = "\n\n".join([effort(args.dir[0]), as_markdown(rows)])
        write_section(args.write, args.name, args.title or args.name, body)
        print(f"\nwritten to {args.write}, section '{args.name}'")
