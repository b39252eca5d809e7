"""The option of verbs that read transcripts: which marks in them are no words."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiolm.text.marks import Marks


def add_marks_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--marks``."""
    parser.add_argument(
        "--marks",
        default="drop",
        metavar="RULE",
        help="marks in transcripts that are no words: drop leaves out what stands in brackets, [laughter] or <noise>; "
        "keep leaves it in; FILE, one mark a line, leaves out those that it names, in brackets or not, such as [noise] "
        "or uhm, and no others. Of alternatives { a / b } the first is taken, of [laughter-word] the word",
    )


def marks_of(args: argparse.Namespace) -> "Marks":
    """The rule that ``--marks`` names.

    Raises:
        AudiolmError: a file that cannot be read or names none.
    """
    from audiolm.text.marks import Marks

    return Marks.by_rule(args.marks)
