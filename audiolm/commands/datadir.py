"""Validate, fix, split, subset or combine Kaldi data directories; import and export other layouts, TextGrids too.

The options are those of Kaldi's utils/*_data_dir.sh, whose namesakes in utils/ call this verb.
"""

import argparse
from pathlib import Path

LAYOUTS = {
    "lhotse": "lhotse's manifests (a folder with recordings.jsonl.gz, supervisions.jsonl.gz)",
    "moshi_finetune": "moshi-finetune's stereo WAV and JSON files (a data.jsonl)",
}


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
    from audiolm.commands import datadir_layouts, datadir_tables

    actions = {
        "validate": datadir_tables.validate,
        "fix": datadir_tables.fix_dirs,
        "split": datadir_tables.split_dir,
        "subset": datadir_tables.subset_dir,
        "combine": datadir_tables.combine_dirs,
        "export": datadir_layouts.export,
        "import": datadir_layouts.import_dir,
        "textgrid": datadir_layouts.textgrid,
    }
    return actions[args.action](args)


def _action(actions: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("--allow_pipes", "--allow-pipes", action="store_true", help="let wav.scp hold pipes")
    return parser


def _spellings(name: str) -> list[str]:
    """Ours and Kaldi's: ``--per_spk`` and ``--per-spk``."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"}, reverse=True)
