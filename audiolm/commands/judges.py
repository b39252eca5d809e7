"""Options of verbs in which recognisers judge words."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audiolm.commands.marks import add_marks_option, marks_of
from audiolm.errors import AudiolmError

if TYPE_CHECKING:
    from audiolm.score.asr_backends import Hearing
    from audiolm.score.words import WordRules


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    """Add who hears words, and what counts as one."""
    from audiolm.score.normalisers import CHOICES
    from audiolm.score.whisper_asr import EARS

    parser.add_argument(
        "--asr",
        nargs="*",
        choices=("ctc", "pocketsphinx", *EARS),
        default=["ctc", "pocketsphinx"],
        help="what hears the words of originals, resynthesis and generated speech (ctc pocketsphinx); none: words are "
        "not scored. Whisper's need --asr_model, and no vocabulary that they could guess from",
    )
    parser.add_argument("--asr_model", help="of Whisper's judges: folder, file, hub id or size")
    parser.add_argument("--asr_language", default="en", help="of the speech, for Whisper (en); auto: Whisper finds it")
    parser.add_argument(
        "--asr_normaliser",
        choices=CHOICES,
        help="what references and Whisper's texts go through before their words are compared: plain; english, "
        "Whisper's own (where the language is en); digits, the same with each digit a word, for strings of digits",
    )
    parser.add_argument("--asr_device", default="cpu", help="of Whisper's judges: cpu or cuda")
    add_marks_option(parser)
    parser.add_argument(
        "--optional_words",
        action="store_true",
        help="in word errors, a word of the reference in parentheses, (uh), may be missing and counts as right then: "
        "sclite's -D",
    )
    parser.add_argument(
        "--fragments",
        action="store_true",
        help="in word errors, th- is right for every word that begins so, -ing for every one that ends so: sclite's -F",
    )


def check_judges(args: argparse.Namespace) -> None:
    """Refuse judges whose model is not named or not there.

    Raises:
        AudiolmError: how to name it.
    """
    from audiolm.score.whisper_asr import EARS

    judges = [name for name in args.asr if name in EARS]
    if judges and args.asr_model is None:
        raise AudiolmError(
            f"--asr {judges[0]} needs a Whisper model: name its folder, file, hub id or size with --asr_model (of "
            "a recipe: --judge_model)"
        )
    if judges and args.asr_model.startswith(("/", "./", "../", "~")) and not Path(args.asr_model).expanduser().exists():
        raise AudiolmError(f"--asr_model {args.asr_model}: there is no such file or folder")
    if "ctc" in args.asr and args.recognizer is None:
        raise AudiolmError("--asr ctc needs --recognizer: name its experiment, or other recognisers with --asr")


def hearing_of(args: argparse.Namespace) -> "tuple[Hearing, WordRules]":
    """Which recognisers judge and how, and what counts as a word."""
    from audiolm.score.asr_backends import Hearing
    from audiolm.score.words import WordRules

    language = None if args.asr_language == "auto" else args.asr_language
    hearing = Hearing(args.asr, args.asr_model, language, args.asr_normaliser, args.asr_device)
    return hearing, WordRules(marks_of(args), args.optional_words, args.fragments)
