"""Check the command lines of a recipe's stages before the first of them runs; utils/stages.sh asks.

Reads NUL-ended fields from stdin, for each command the stage's name, the number of words, and the words, and runs none
of them: options must be those of the verb, keys those of the configs, and what a verb can know by itself must be right
(its ``check``). Sample rates and frame rates must be the recipe's, and what takes transcripts must have them. With
--mark nothing is checked where the same was found right before.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from audiolm.commands.stage_checks import Command, Facts, check, has_no_text
from audiolm.errors import AudiolmError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--fs", default="", help="sample rate that the recipe makes its audio at (Hz)")
    parser.add_argument("--frame_rate", default="", help="of the recipe's token streams (Hz)")
    parser.add_argument("--sets", nargs="*", default=[], help="names of the recipe's sets")
    parser.add_argument("--untranscribed", action="store_true", help="none of them has transcripts")
    parser.add_argument("--mark", type=Path, help="file that remembers what was found right")


def run(args: argparse.Namespace) -> int:
    """Print what is wrong, and return 1 where anything is."""
    text = sys.stdin.read()
    commands = list(read_commands(text))
    silent = [name for name in args.sets if args.untranscribed or has_no_text(args.dir / "data" / name)]
    facts = Facts(args.fs, args.frame_rate, frozenset(silent))
    digest = hashlib.sha256(repr((text, facts, _configs(commands))).encode()).hexdigest()
    if args.mark and args.mark.is_file() and args.mark.read_text() == digest:
        return 0
    wrong: list[str] = []
    for command in commands:
        try:
            check(command, facts)
        except AudiolmError as error:
            line = f"stage {command.stage}: {error}"
            wrong += [line] if line not in wrong else []
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    if wrong:
        print("these stages were not run; --help lists the recipe's options", file=sys.stderr)
        return 1
    if args.mark:
        temporary = args.mark.with_name(args.mark.name + ".tmp")
        temporary.write_text(digest)
        os.replace(temporary, args.mark)
    return 0


def read_commands(text: str) -> Iterator[Command]:
    """The commands on stdin."""
    fields = iter(text.split("\0")[:-1])
    for stage in fields:
        yield Command(stage, [next(fields) for _ in range(int(next(fields)))])


def _configs(commands: list[Command]) -> list[tuple[str, float]]:
    """The files that the commands name, with their times."""
    words = {word for command in commands for word in command.words if os.path.isfile(word)}
    return sorted((word, os.path.getmtime(word)) for word in words)
