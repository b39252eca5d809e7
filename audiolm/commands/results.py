"""Print a recipe's results, each beside its baseline and the published values of its kind (stage 13)."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds exp/)")
    parser.add_argument("--write", type=Path, help="also put the table into this Markdown file, such as RESULTS.md")
    parser.add_argument("--name", default="demo", help="with --write: of the section to put it in, such as the budget")
    parser.add_argument("--title", help="with --write: the section's heading (default: its name)")


def run(args: argparse.Namespace) -> None:
    """Print, and write where asked."""
    from audiolm.report.environment import effort
    from audiolm.score.results import as_markdown, as_text, collect, write_section

    rows = collect(args.dir)
    print(as_text(rows))
    if args.write:
        body = f"{effort(args.dir)}\n\n{as_markdown(rows)}"
        write_section(args.write, args.name, args.title or args.name, body)
        print(f"\nwritten to {args.write}, section '{args.name}'")
