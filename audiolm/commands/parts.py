"""Options that verbs of trained dialogue models share: its directory or its three parts, and guards."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audiolm.commands.arrays import named_device
from audiolm.errors import AudiolmError

if TYPE_CHECKING:
    from audiolm.lm.sampling import RepetitionGuard
    from audiolm.models.moshi.parts import Parts


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--lm``, ``--codec``, ``--tokenizer``, ``--device`` and ``--precision``."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="what audiolm export has made; or its parts:")
    parser.add_argument("--lm", metavar="DIR", help="experiment directory of the audio LM")
    parser.add_argument("--codec", metavar="NAME", help="the codec: experiment directory, folder, file or hub id")
    parser.add_argument("--tokenizer", metavar="DIR", help="folder of the text tokenizer")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "bf16", "int8"),
        default="fp32",
        help="of the LM's products; less is faster, and rounds (fp16, int8: on CPUs)",
    )


def load_model(args: argparse.Namespace) -> "Parts":
    """The model that the options name, laid out for the steps of generation (``MoshiModel.prepare``).

    Raises:
        AudiolmError: neither a directory nor all three parts are named, or both; and as ``load_parts``.
    """
    from audiolm.models.moshi.parts import NAMES, bundle_parts, load_parts

    given = {name: getattr(args, name) for name in NAMES}
    if args.model is None and None in given.values():
        missing = ", ".join(f"--{name}" for name, value in given.items() if value is None)
        raise AudiolmError(f"no {missing}: give --model, or all of --lm, --codec and --tokenizer")
    if args.model is not None:
        if any(value is not None for value in given.values()):
            raise AudiolmError("--model holds --lm, --codec and --tokenizer; give it alone, or them")
        given = bundle_parts(args.model)
    parts = load_parts(**given, device=named_device(args.device))
    parts.model = parts.model.prepare(args.precision)
    return parts


def add_guard_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--repetition_window`` and ``--repetition_share``."""
    parser.add_argument(
        "--repetition_window",
        type=int,
        default=0,
        help="draw a semantic code again, from all, that fills --repetition_share of so many frames (VALL-E 2: 10); "
        "0 = never",
    )
    parser.add_argument("--repetition_share", type=float, default=0.1, help="see there; a code may fill less, of 1")


def repetition_guard(args: argparse.Namespace) -> "RepetitionGuard | None":
    """The guard against loops that the options ask for."""
    from audiolm.lm.sampling import RepetitionGuard

    return RepetitionGuard(args.repetition_window, args.repetition_share) if args.repetition_window else None


def check_numbers(args: argparse.Namespace, least: dict[str, float]) -> None:
    """Refuse options below their least value, and those that are no number; None passes.

    Raises:
        AudiolmError: one is.
    """
    for option, bound in least.items():
        value = getattr(args, option)
        if value is not None and not bound <= value < float("inf"):  # NaN is neither
            raise AudiolmError(f"--{option} {value}: expected a number, at least {bound}")
