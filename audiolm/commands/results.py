"""Print a recipe's results, each beside its baseline and the published values of its kind (stage 13).

audiolm results --dir work/demo                         all scores
audiolm results --dir work/demo --table moshi.4         a table of a paper, with a row of ours
audiolm results --dir work/demo --table moshi.4 --latex
audiolm results --table list                            the tables that there are
"""

import argparse
from pathlib import Path

from audiolm.errors import AudiolmError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--dir",
        type=Path,
        nargs="+",
        help="the recipe's work directory (holds exp/); of several, such as runs of other seeds, the mean is taken",
    )
    parser.add_argument("--write", type=Path, help="also put the table into this Markdown file, such as RESULTS.md")
    parser.add_argument("--name", default="demo", help="with --write: of the section to put it in, such as the budget")
    parser.add_argument("--table", help="a paper's table with a row of ours, such as moshi.4; list: their names")
    forms = parser.add_mutually_exclusive_group()
    for form in ("markdown", "latex", "json"):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=f"print it as {form}")
    parser.add_argument("--title", help="with --write: the section's heading (default: its name)")


def run(args: argparse.Namespace) -> None:
    """Print, and write where asked."""
    from audiolm.report.environment import effort
    from audiolm.score import paper_tables, results

    if args.table == "list":
        print("\n".join(f"{name}: {table.title} ({table.source})" for name, table in paper_tables.all_tables().items()))
        return
    table = paper_tables.find_table(args.table) if args.table else None
    if args.dir is None:
        raise AudiolmError("no --dir: name the recipe's work directory, such as egs/mini/dialogue1/work/demo")
    rows = results.mean_of_runs(args.dir)
    if table is not None:
        print(paper_tables.FORMS[args.form or "text"](table, paper_tables.ours_in(table, rows)))
    else:
        print(results.FORMS[args.form or "text"](rows))
    if args.write:
        body = "\n\n".join([effort(args.dir[0]), results.as_markdown(rows)])
        results.write_section(args.write, args.name, args.title or args.name, body)
        print(f"\nwritten to {args.write}, section '{args.name}'")
