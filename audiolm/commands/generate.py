"""Generate with a trained audio LM what its family can: continue, transcribe, speak … (stage 12).

Reads dump/<set>/{audio,text,codes}; writes <lm>/generate/<mode>/ as a data directory with ctm (the words of the text
stream and their times) and meta.jsonl (one line an item: where it comes from and how it was drawn).
"""

import argparse
from pathlib import Path

from audiolm.commands.options import add_options, mode_options, read_options, refuse_others
from audiolm.commands.parts import PARTS, check_numbers
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.spec import ModelSpec, all_specs, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options, and those of every family's modes."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as test")
    parser.add_argument("--lm", type=Path, required=True, help="experiment directory of the audio LM")
    parser.add_argument("--codec", type=Path, help="experiment directory of the codec")
    parser.add_argument("--tokenizer", type=Path, help="folder of the text tokenizer")
    parser.add_argument("--modes", nargs="+", help="what to do (default: all; turns where the text streams hold them)")
    parser.add_argument("--batch", type=int, default=64, help="sequences at once")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one")
    specs = all_specs().values()
    told = [f"  {name:<15}{mode.help}" for spec in specs for name, mode in spec.modes.items()]
    parser.description = "\n".join([parser.description or "", "Modes:", *told])
    add_options(parser, mode_options(specs))


def check(args: argparse.Namespace) -> None:
    """Refuse what no family takes, before there is a model.

    Raises:
        AudiolmError: the number of an option, or a mode, is wrong.
    """
    check_numbers(args, {"batch": 1})
    families = [_family(args)] if (args.lm / "config.yaml").is_file() else [s for s in all_specs().values() if s.modes]
    problems = []
    for spec in families:
        try:
            _options(spec, args)
            return
        except AudiolmError as error:
            problems.append(error)
    raise problems[0]


def run(args: argparse.Namespace) -> None:
    """Do every mode in turn and print its speed."""
    import time

    from audiolm.commands.arrays import named_device
    from audiolm.models.actions import Request

    check(args)
    spec = _family(args)
    options = _options(spec, args)
    parts = {name: path for name in PARTS[1:] if (path := getattr(args, name)) is not None}
    if missing := [name for name in spec.parts if name not in parts]:
        raise AudiolmError(f"no --{missing[0]}: {spec.title} generates with its {' and '.join(spec.parts)}")
    dumps = [args.dir / "dump" / name for name in args.sets]
    session = spec.get("session")(Request(dumps, args.lm, parts, args.batch, args.seed, named_device(args.device)))
    for mode in args.modes or getattr(session, "usual", spec.modes):
        start, directory = time.perf_counter(), args.lm / "generate" / mode
        made = resolve(spec.modes[mode].run)(session, options[mode], directory)
        took = time.perf_counter() - start
        print(f"{mode}: {made.items} items, {made.seconds:.0f} s of audio, in {took:.1f} s: {directory}")


def _family(args: argparse.Namespace) -> ModelSpec:
    from audiolm.models.open import family_of

    return family_of(args.lm)


def _options(spec: ModelSpec, args: argparse.Namespace) -> dict:
    """The options of each mode that is named, or of all."""
    for mode in args.modes or ():
        if mode not in spec.modes:
            raise AudiolmError(f"--modes {mode}: {spec.title} has no such mode{did_you_mean(mode, spec.modes)}")
    mine = mode_options([spec])
    refuse_others(args, mine, mode_options(all_specs().values()), spec.title)
    return {mode: read_options(resolve(spec.modes[mode].options), args) for mode in args.modes or spec.modes}
