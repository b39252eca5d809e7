"""What ``audiolm check`` looks at in a command line of a stage."""

import argparse
import contextlib
import io
import os
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from audiolm.errors import AudiolmError


class Command(NamedTuple):
    """A command that a stage would call: its name, and ``audiolm``'s verb and options."""

    stage: str
    words: list[str]


class Facts(NamedTuple):
    """What is known of the recipe: Hz of its sound and frames; sets without transcripts."""

    fs: str
    frame_rate: str
    silent: frozenset[str]


def check(command: Command, facts: Facts) -> None:
    """Refuse a command that its verb would refuse, or whose result would not fit the recipe.

    Raises:
        AudiolmError: what is wrong.
    """
    verb, *options = command.words
    if verb == "train":
        _check_training(options, facts)
        return
    module = import_module(f"audiolm.commands.{verb}")
    args = _parse(verb, module, options)
    if hasattr(module, "check"):
        module.check(args)
    if verb == "align":
        _check_transcripts(args, facts)
    if verb == "diarize":
        _check_diarizer(args)


def _parse(verb: str, module, options: list[str]) -> argparse.Namespace:
    from audiolm.commands.main import Parser

    parser = Parser(prog=f"audiolm {verb}", allow_abbrev=False)
    module.add_arguments(parser)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return parser.parse_args(options)
    except SystemExit:
        line = (said.getvalue().strip().splitlines() or [f"audiolm {verb}: wrong options"])[-1]
        raise AudiolmError(line.replace(": error:", ":", 1)) from None


def _check_training(options: list[str], facts: Facts) -> None:
    from audiolm.commands.train import options_of
    from audiolm.train.options import read_config

    args, overrides, _ = options_of(options)
    files = args.config
    if not all(os.path.isfile(file) for file in files if file.endswith("/shape.yaml")):
        return  # an earlier stage writes it: the shape of a released LM
    run = read_config(files, overrides)
    if run.system == "recognizer":
        for name in facts.silent & {Path(path).parent.name for key, path in overrides if key == "train_data"}:
            raise AudiolmError(
                f"'{name}' has no transcripts, which the recogniser learns from: name one that is trained "
                "(--recognizer DIR), or do without (--teacher none)"
            )
    found = run.config.model.sample_rate if run.system == "recognizer" else getattr(run.config, "sample_rate", None)
    if facts.fs and found is not None and float(facts.fs) != found:
        key = "model.sample_rate" if run.system == "recognizer" else "sample_rate"
        raise AudiolmError(
            f"--fs {facts.fs} makes audio of {facts.fs} Hz, and {' '.join(files)} makes a {run.system} of {found} Hz "
            f"({key}): expected one rate; run with --fs {found}, or change {key} ("
            + ("--recognizer.model.sample_rate)" if run.system == "recognizer" else CODEC_KEYS)
        )
    if run.system == "codec" and getattr(run.config, "teacher", None) is not None:
        run.config.teacher.check(run.config.frame_rate)
    rate = getattr(run.config, "frame_rate", None) if run.system == "codec" else None
    if facts.frame_rate and rate is not None and float(facts.frame_rate) != rate:
        raise AudiolmError(
            f"--frame_rate {facts.frame_rate} is of text streams, and {' '.join(files)} makes a codec of {rate:g} "
            f"frames a second: run with --frame_rate {rate:g}, or change frame_rate (--codec.frame_rate)"
        )


CODEC_KEYS = (
    "with the hops, filters and mel windows of encoder, decoder and losses that go with it: docs/guide.md, '16 or 24 "
    "kHz')"
)


def _check_diarizer(args: argparse.Namespace) -> None:
    from audiolm.annotate.diarize import BACKENDS
    from audiolm.errors import did_you_mean

    if args.backend not in (*BACKENDS, "given"):
        raise AudiolmError(f"no diarizer '{args.backend}'{did_you_mean(args.backend, (*BACKENDS, 'given'))}")
    if args.backend == "pyannote" and args.model is None:
        raise AudiolmError("--backend pyannote needs a pipeline: name its folder or hub id (--diarize.model)")


def _check_transcripts(args: argparse.Namespace, facts: Facts) -> None:
    from audiolm.annotate import transcribe

    if args.backend in transcribe.BACKENDS or args.backend == "given":
        return
    for name in args.sets:
        if name in facts.silent:
            raise AudiolmError(
                f"'{name}' has no transcripts, whose words {args.backend} would find the times of: take a backend that "
                f"hears the words, {', '.join(transcribe.BACKENDS)} (--train_aligner for the first two sets, --aligner "
                "for the others; --align.model names Whisper's)"
            )


def has_no_text(data: Path) -> bool:
    """Whether the corpus stage has left a set without transcripts."""
    if not (data / "wav.scp").is_file():
        return False  # not made yet, or text alone
    return not (data / "text").is_file() or not (data / "text").stat().st_size
