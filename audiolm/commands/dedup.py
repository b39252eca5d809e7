"""Find copies among recordings by acoustic fingerprints, leave them out, and say what generated audio repeats.

Over a recipe's sets, as arrays of jobs where named:
  index   fingerprint dump/<set>/audio into dump/fingerprints (an array of jobs)
  search  look every recording up among all sets (an array of jobs, after all of index)
  drop    leave copies out of dump/<set>/audio (named in rejected.tsv), and list what is heard ten times or more in
          dump/<set>/audio/frequent, which training then leaves out. Of two copies the one in the set that is named
          last stays: what is tested on is not trained on.
  (dump/<set>/mix in place of dump/<set>/audio, where `audiolm audio --mix` has written that)
Over any audio, such as what a model has generated:
  add     index the recordings of data directories
  find    say which indexed recordings are heard in audio files
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import add_array_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand an action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in ("index", "search"):
        add_array_options(_action(actions, name))
    drop = _action(actions, "drop")
    drop.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    drop.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    drop.add_argument("--num_jobs", type=int, default=1, help="number of jobs of search")
    add = _action(actions, "add")
    add.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    add.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="data directories")
    find = _action(actions, "find")
    find.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    find.add_argument("files", type=Path, nargs="+", metavar="FILE", help="audio files")


def run(args: argparse.Namespace) -> None:
    """Do the action."""
    from audiolm.commands import dedup_actions as do

    {"index": do.index, "search": do.search_sets, "drop": do.drop, "add": do.add, "find": do.find}[args.action](args)


def _action(actions: argparse._SubParsersAction, name: str) -> argparse.ArgumentParser:
    (text,) = (line.split(None, 1)[1] for line in __doc__.splitlines() if line.startswith(f"  {name} "))
    return actions.add_parser(name, help=text, description=text, allow_abbrev=False)
