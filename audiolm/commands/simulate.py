"""Write dialogue scripts and speak them: two-channel recordings with exact words and turns.

  audiolm simulate scripts   the grammar's dialogues as JSON lines, data/local/scripts/<set>.jsonl
  audiolm simulate speak     their audio, an array job
  audiolm simulate tables    data/<set>, from what the jobs wrote
  audiolm simulate text      data/<set>/text, a dialogue a line, unspoken: for a text LM

Scripts of your own (see audiolm/simulate/script.py) in data/local/scripts go through `speak` and `tables` alike.
"""

import argparse
from pathlib import Path

from audiolm.commands.simulate_steps import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand a step."""
    step = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    scripts = step.add_parser("scripts", help="write the dialogue scripts", allow_abbrev=False)
    speak = step.add_parser("speak", help="speak them", allow_abbrev=False)
    tables = step.add_parser("tables", help="write the data directories", allow_abbrev=False)
    text = step.add_parser("text", help="write the dialogues as text", allow_abbrev=False)
    for each in (scripts, speak, tables, text):
        each.add_argument("--dir", type=Path, required=True, help="the recipe's work directory; holds data/")
    scripts.add_argument("--hours", type=float, default=6.0, help="length of train (default: %(default)s)")
    scripts.add_argument("--eval_minutes", type=float, default=8.0, help="of dev and of test (default: %(default)s)")
    scripts.add_argument(
        "--grammar",
        default="audiolm.simulate.grammar",
        help="module of what is said, with the same names as this (default: %(default)s)",
    )
    scripts.add_argument(
        "--language", help="of espeak-ng, such as de, for the variants of the English voices (default: English)"
    )
    for each in (scripts, speak):
        each.add_argument("--seed", type=int, default=0, help="of every random choice (default: %(default)s)")
    for each in (speak, tables, text):
        each.add_argument("--sets", nargs="+", default=list(SPLITS), help="which scripts (default: train dev test)")
    scripts.add_argument(
        "--voices", default="espeak", help="whose names are drawn: espeak, kokoro or piper (default: %(default)s)"
    )
    speak.add_argument(
        "--voices",
        default="espeak",
        help="who speaks: espeak, kokoro, piper, or module:function (default: %(default)s)",
    )
    for each in (scripts, speak):
        each.add_argument(
            "--voices_model", help="folder of Kokoro's or Piper's weights (default: $AUDIOLM_WEIGHTS/<voices>)"
        )
    tables.add_argument(
        "--max_rejected", default="1%", help="largest share of a set that may be rejected (default: %(default)s)"
    )
    speak.add_argument(
        "--aligner",
        choices=("pocketsphinx", "ctc", "wav2vec2"),
        default="pocketsphinx",
        help="finds the times of words where voices give none: Kokoro, Piper (default: %(default)s, English)",
    )
    speak.add_argument(
        "--aligner_model", help="what it takes: a recogniser's experiment directory (ctc), a CTC model (wav2vec2)"
    )
    speak.add_argument("--fs", type=int, default=16000, help="sample rate in Hz (default: %(default)s)")
    speak.add_argument("--job", type=int, default=1, help="which share of the dialogues (default: %(default)s)")
    speak.add_argument("--num_jobs", type=int, default=1, help="of how many shares (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Do the step."""
    from audiolm.commands import simulate_steps as steps

    {"scripts": steps.scripts, "speak": steps.speak_share, "tables": steps.tables, "text": steps.text}[args.step](args)
