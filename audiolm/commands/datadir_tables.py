"""``audiolm datadir validate, fix, split, subset, combine``: what Kaldi's utils/*_data_dir.sh do."""

import argparse
import sys
from pathlib import Path

from audiolm.errors import AudiolmError

SHOWN = 20  # problems that are printed of each directory


def validate(args: argparse.Namespace) -> int:
    from audiolm.data.validate import examine

    status = 0
    for path in args.dirs:
        found = examine(path, args.allow_pipes, open_audio=args.audio, keep_times=False)
        show(found.problems)
        for warning in found.warnings:
            print(f"{path}: warning: {warning}", file=sys.stderr)
        counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
        status |= bool(found.problems)
        print(f"{path}: {f'{len(found.problems)} problems' if found.problems else 'valid'}; {counts}")
    return int(status)


def fix_dirs(args: argparse.Namespace) -> None:
    from audiolm.data.tools import fix

    for path in args.dirs:
        problems = fix(path, args.allow_pipes, open_audio=args.audio)
        show(problems)
        dropped = sum(not problem.repairable for problem in problems)
        print(
            f"{path}: {len(problems) - dropped} repaired, {dropped} dropped (rejected.tsv), the tables before: .backup"
            if problems
            else f"{path}: nothing to fix"
        )


def split_dir(args: argparse.Namespace) -> None:
    from audiolm.data.split import split

    into = args.source / f"split{args.count}{'utt' if args.per_utt else ''}"
    split(args.source, into, args.count, args.per_utt, args.allow_pipes)


def subset_dir(args: argparse.Namespace) -> None:
    from audiolm.data.tables import rows
    from audiolm.data.tools import subset

    listed = args.utt_list or args.spk_list
    *count, dest = args.rest
    if len(count) != (0 if listed else 1) or not all(number.isdigit() for number in count):
        expected = "DIR DEST, as a list says what to keep" if listed else "DIR N DEST"
        raise AudiolmError(f"found '{args.source} {' '.join(args.rest)}', expected {expected}")
    names = [fields[0] for _, fields in rows(listed, 1, 2, "<id>")] if listed else None
    part = subset(
        read_dir(args, args.source),
        int(count[0]) if count else None,
        args.how or "spread",
        utts=names if args.utt_list else None,
        spks=names if args.spk_list else None,
        seed=args.seed,
    )
    part.write(dest)


def combine_dirs(args: argparse.Namespace) -> None:
    from audiolm.data.tools import combine

    combine([read_dir(args, path) for path in args.sources]).write(args.dest)


def read_dir(args: argparse.Namespace, path: Path):
    from audiolm.data.datadir import DataDir

    return DataDir.read(path, allow_pipes=args.allow_pipes)


def show(problems: list) -> None:
    for problem in problems[:SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"… and {len(problems) - SHOWN} more", file=sys.stderr)
