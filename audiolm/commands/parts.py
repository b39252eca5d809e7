"""Options that verbs of trained models share: a model's directory or its parts."""

import argparse
from pathlib import Path
from typing import Any

from audiolm.commands.arrays import named_device
from audiolm.errors import AudiolmError
from audiolm.spec import ModelSpec

PARTS = ("lm", "codec", "tokenizer")


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


def load_model(args: argparse.Namespace) -> tuple[ModelSpec, Any]:
    """The family and the model that the options name, laid out for the steps of generation.

    Raises:
        AudiolmError: neither a directory nor all parts are named, or both; and as the family's loader.
    """
    from audiolm.models.open import open_model

    parts = {name: getattr(args, name) for name in PARTS}
    return open_model(args.model, named_device(args.device), args.precision, **parts)


def check_numbers(args: argparse.Namespace, least: dict[str, float]) -> None:
    """Refuse options below their least value, and those that are no number; None passes.

    Raises:
        AudiolmError: one is.
    """
    for option, bound in least.items():
        value = getattr(args, option)
        if value is not None and not bound <= value < float("inf"):  # NaN is neither
            raise AudiolmError(f"--{option} {value}: expected a number, at least {bound}")
