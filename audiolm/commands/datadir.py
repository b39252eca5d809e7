"""Validate, fix, split, subset or combine Kaldi data directories; import and export other layouts, TextGrids too.

The options are those of Kaldi's utils/*_data_dir.sh, whose namesakes in utils/ call this verb.
"""

import argparse
import sys
from pathlib import Path

from audiolm.errors import AudiolmError

LAYOUTS = {
    "lhotse": "lhotse's manifests (a folder with recordings.jsonl.gz, supervisions.jsonl.gz)",
    "moshi_finetune": "moshi-finetune's stereo WAV and JSON files (a data.jsonl)",
}
SHOWN = 20  # problems that are printed of each directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand an action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    validate = _action(actions, "validate", "say what is wrong with directories; status 1 if anything is")
    fix = _action(actions, "fix", "sort, drop what is wrong (named in rejected.tsv), keep the old tables in .backup")
    for action in (validate, fix):
        action.add_argument("dirs", nargs="+", type=Path, metavar="DIR")
        action.add_argument("--audio", action="store_true", help="open every audio file too")
    split = _action(actions, "split", "cut DIR into N parts DIR/splitN/1 … N, speakers kept together")
    split.add_argument("source", type=Path, metavar="DIR")
    split.add_argument("count", type=int, metavar="N")
    split.add_argument("--per_utt", "--per-utt", action="store_true", help="cut between any utterances (DIR/splitNutt)")
    subset = _action(actions, "subset", "write N utterances of DIR to DEST (with a list: those in it)")
    subset.add_argument("source", type=Path, metavar="DIR")
    subset.add_argument("rest", nargs="+", metavar="[N] DEST")
    how = subset.add_mutually_exclusive_group()
    for name, text in {
        "first": "the first N (default: N evenly spread)",
        "last": "the last N",
        "shortest": "the N shortest",
        "speakers": "whole speakers, drawn at random, until there are N utterances",
        "per_spk": "N of every speaker",
    }.items():
        how.add_argument(*_spellings(name), action="store_const", const=name, dest="how", help=text)
    how.add_argument(*_spellings("utt_list"), type=Path, help="file whose lines begin with the utterances to keep")
    how.add_argument(*_spellings("spk_list"), type=Path, help="file whose lines begin with the speakers to keep")
    subset.add_argument("--seed", type=int, default=0, help="of the draw of --speakers")
    textgrid = _action(actions, "textgrid", "write DEST/<file>.TextGrid for Praat: words by channel, turns by speaker")
    textgrid.add_argument("source", type=Path, metavar="DIR")
    textgrid.add_argument("dest", type=Path, metavar="DEST")
    textgrid.add_argument("--ctm", type=Path, help="words (default: those of DIR), such as dump/<set>/align/ctm")
    textgrid.add_argument("--rttm", type=Path, help="turns (default: those of DIR), such as dump/<set>/diarize/rttm")
    combine = _action(actions, "combine", "write one directory DEST of several")
    combine.add_argument("dest", type=Path, metavar="DEST")
    combine.add_argument("sources", nargs="+", type=Path, metavar="DIR")
    layouts = "; ".join(f"{name}: {what}" for name, what in LAYOUTS.items())
    out = _action(actions, "export", f"write DIR for other tools: {layouts}")
    out.add_argument("layout", choices=LAYOUTS, metavar="LAYOUT")
    out.add_argument("source", type=Path, metavar="DIR")
    out.add_argument("dest", type=Path, metavar="FOLDER")
    out.add_argument(
        "--main", nargs="+", choices=["A", "B"], default=["A"], help="moshi_finetune: channels that become Moshi's"
    )
    into = _action(actions, "import", f"write DIR of what other tools use: {layouts}")
    into.add_argument("layout", choices=LAYOUTS, metavar="LAYOUT")
    into.add_argument("source", type=Path, metavar="FOLDER_OR_JSONL")
    into.add_argument("dest", type=Path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Do the action; the exit status is 1 if validation finds a problem."""
    actions = {
        "validate": _validate,
        "fix": _fix,
        "split": _split,
        "subset": _subset,
        "combine": _combine,
        "export": _export,
        "import": _import,
        "textgrid": _textgrid,
    }
    return actions[args.action](args)


def _validate(args: argparse.Namespace) -> int:
    from audiolm.data.validate import examine

    status = 0
    for path in args.dirs:
        found = examine(path, args.allow_pipes, open_audio=args.audio, keep_times=False)
        _show(found.problems)
        for warning in found.warnings:
            print(f"{path}: warning: {warning}", file=sys.stderr)
        counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
        status |= bool(found.problems)
        print(f"{path}: {f'{len(found.problems)} problems' if found.problems else 'valid'}; {counts}")
    return int(status)


def _fix(args: argparse.Namespace) -> None:
    from audiolm.data.tools import fix

    for path in args.dirs:
        problems = fix(path, args.allow_pipes, open_audio=args.audio)
        _show(problems)
        dropped = sum(not problem.repairable for problem in problems)
        print(
            f"{path}: {len(problems) - dropped} repaired, {dropped} dropped (rejected.tsv), the tables before: .backup"
            if problems
            else f"{path}: nothing to fix"
        )


def _split(args: argparse.Namespace) -> None:
    from audiolm.data.split import split

    into = args.source / f"split{args.count}{'utt' if args.per_utt else ''}"
    split(args.source, into, args.count, args.per_utt, args.allow_pipes)


def _subset(args: argparse.Namespace) -> None:
    from audiolm.data.tables import rows
    from audiolm.data.tools import subset

    listed = args.utt_list or args.spk_list
    *count, dest = args.rest
    if len(count) != (0 if listed else 1) or not all(number.isdigit() for number in count):
        expected = "DIR DEST, as a list says what to keep" if listed else "DIR N DEST"
        raise AudiolmError(f"found '{args.source} {' '.join(args.rest)}', expected {expected}")
    names = [fields[0] for _, fields in rows(listed, 1, 2, "<id>")] if listed else None
    part = subset(
        _read(args, args.source),
        int(count[0]) if count else None,
        args.how or "spread",
        utts=names if args.utt_list else None,
        spks=names if args.spk_list else None,
        seed=args.seed,
    )
    part.write(dest)


def _combine(args: argparse.Namespace) -> None:
    from audiolm.data.tools import combine

    combine([_read(args, path) for path in args.sources]).write(args.dest)


def _textgrid(args: argparse.Namespace) -> None:
    from audiolm.data.tables import read_ctm, read_rttm
    from audiolm.data.textgrid import write_textgrids

    data = _read(args, args.source)
    words = read_ctm(args.ctm) if args.ctm else data.ctm
    turns = read_rttm(args.rttm) if args.rttm else data.rttm
    if not words and not turns:
        raise AudiolmError(f"{args.source} has neither ctm nor rttm, and none is named: nothing to write")
    tables = args.ctm or args.source / "ctm", args.rttm or args.source / "rttm"
    print(f"{write_textgrids(data, args.dest, words, turns, tables)} files in {args.dest}")


def _export(args: argparse.Namespace) -> None:
    data = _read(args, args.source)
    if args.layout == "lhotse":
        from audiolm.data.lhotse import export_lhotse

        rejected = export_lhotse(data, args.dest)
    else:
        from audiolm.data.moshi_finetune import export_moshi_finetune

        rejected = export_moshi_finetune(data, args.dest, args.main)
    _show_left_out(rejected)
    print(f"{args.dest}: {len(data.wav)} recordings{_left_out(args.dest, rejected)}")


def _import(args: argparse.Namespace) -> None:
    from audiolm.data.readers import is_pipe
    from audiolm.data.tools import write_rejected, write_sound

    if args.layout == "lhotse":
        from audiolm.data.lhotse import import_lhotse

        data, rejected = import_lhotse(args.source, args.allow_pipes)
    else:
        from audiolm.data.moshi_finetune import import_moshi_finetune

        data, rejected = import_moshi_finetune(args.source)
    pipes = any(map(is_pipe, data.wav.values()))  # they are long to open
    _show_left_out(rejected)
    data, problems = write_sound(data, args.dest, open_audio=not pipes)
    _show(problems)
    rejected += [problem for problem in problems if not problem.repairable]
    write_rejected(args.dest / "rejected.tsv", rejected)
    print(f"{args.dest}: {len(data.wav)} recordings, {len(data.utts)} utterances{_left_out(args.dest, rejected)}")


def _show_left_out(rejected: list) -> None:
    _show([f"{item[0]}: {item[1]}" for item in rejected])


def _left_out(folder: Path, rejected: list) -> str:
    return f"; {len(rejected)} left out, see {folder}/rejected.tsv" if rejected else ""


def _read(args: argparse.Namespace, path: Path):
    from audiolm.data.datadir import DataDir

    return DataDir.read(path, allow_pipes=args.allow_pipes)


def _show(problems: list) -> None:
    for problem in problems[:SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"… and {len(problems) - SHOWN} more", file=sys.stderr)


def _action(actions: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("--allow_pipes", "--allow-pipes", action="store_true", help="let wav.scp hold pipes")
    return parser


def _spellings(name: str) -> list[str]:
    """Ours and Kaldi's: ``--per_spk`` and ``--per-spk``."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"}, reverse=True)
