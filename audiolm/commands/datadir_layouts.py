"""``audiolm datadir export, import, textgrid``: data directories in other tools' layouts."""

import argparse
from pathlib import Path

from audiolm.commands.datadir_tables import read_dir, show
from audiolm.errors import AudiolmError


def textgrid(args: argparse.Namespace) -> None:
    from audiolm.data.tables import read_ctm, read_rttm
    from audiolm.data.textgrid import write_textgrids

    data = read_dir(args, args.source)
    words = read_ctm(args.ctm) if args.ctm else data.ctm
    turns = read_rttm(args.rttm) if args.rttm else data.rttm
    if not words and not turns:
        raise AudiolmError(f"{args.source} has neither ctm nor rttm, and none is named: nothing to write")
    tables = args.ctm or args.source / "ctm", args.rttm or args.source / "rttm"
    print(f"{write_textgrids(data, args.dest, words, turns, tables)} files in {args.dest}")


def export(args: argparse.Namespace) -> None:
    data = read_dir(args, args.source)
    if args.layout == "lhotse":
        from audiolm.data.lhotse import export_lhotse

        rejected = export_lhotse(data, args.dest)
    else:
        from audiolm.data.moshi_finetune import export_moshi_finetune

        rejected = export_moshi_finetune(data, args.dest, args.main)
    _show_left_out(rejected)
    print(f"{args.dest}: {len(data.wav)} recordings{_left_out(args.dest, rejected)}")


def import_dir(args: argparse.Namespace) -> None:
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
    show(problems)
    rejected += [problem for problem in problems if not problem.repairable]
    write_rejected(args.dest / "rejected.tsv", rejected)
    print(f"{args.dest}: {len(data.wav)} recordings, {len(data.utts)} utterances{_left_out(args.dest, rejected)}")


def _show_left_out(rejected: list) -> None:
    show([f"{item[0]}: {item[1]}" for item in rejected])


def _left_out(folder: Path, rejected: list) -> str:
    return f"; {len(rejected)} left out, see {folder}/rejected.tsv" if rejected else ""
