"""Train a recogniser, codec, text LM or audio LM.

A run is defined by YAML files and --dotted.key options, written out complete to EXP/config.yaml. It ends with
EXP/model.safetensors. Run the same command again after any interruption and it goes on, bit for bit; after the end it
returns at once.
"""

import argparse
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiolm.train.options import Override

EXAMPLES = """\
examples:
  audiolm train --config conf/codec.yaml --exp exp/codec
  audiolm train --config conf/codec.yaml --config conf/large.yaml --exp exp/codec_large --trainer.max_steps 20000
  audiolm train --config conf/lm.yaml --init exp/lm_pretrain --exp exp/lm_dialogue
  audiolm train --config conf/codec.yaml --help      # all keys of that system
"""


def main(argv: list[str]) -> int:
    """Parse ``argv`` and train; options that are not named here are keys of the configuration."""
    args, overrides, parser = options_of(argv)

    from audiolm.errors import AudiolmError
    from audiolm.train.options import describe, read_config

    if args.help:
        options = parser.format_help().replace("[--help]", "[--KEY VALUE …]")
        print(f"{options}\n{__doc__}\n{EXAMPLES}\n{_keys(describe(args.config, overrides))}")
        return 0
    if not args.config and not any(key == "system" for key, _ in overrides):
        raise AudiolmError("no --config: name a YAML file (audiolm train --help)")
    run = read_config(args.config, overrides)
    if args.print_config:
        from audiolm.config.yaml_files import dump_yaml

        print(dump_yaml(run.complete), end="")
        return 0
    if args.exp is None:
        raise AudiolmError("no --exp: name the experiment directory to write, for instance --exp exp/codec")
    from audiolm.train.loop import train

    train(run, args.exp)
    return 0


def options_of(argv: list[str]) -> "tuple[argparse.Namespace, list[Override], argparse.ArgumentParser]":
    """The verb's own options, the keys of the configuration that are set besides, and the parser of the former."""
    from audiolm.train.options import pair_overrides

    parser = argparse.ArgumentParser("audiolm train", add_help=False, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="YAML file; later files override")
    parser.add_argument("--exp", metavar="DIR", help="experiment directory to write; resumed if training began there")
    parser.add_argument("--init", metavar="DIR", help="start from the exported weights of this experiment")
    parser.add_argument("--print_config", action="store_true", help="print the complete configuration and exit")
    parser.add_argument("-h", "--help", action="store_true", help="print this, and every key of the configuration")
    args, rest = parser.parse_known_args(argv)
    overrides = pair_overrides(rest)
    if args.init is not None:
        overrides.append(("init", args.init))
    return args, overrides, parser


def _keys(leaves) -> str:
    """Return the table of configuration keys: name, type, default, explanation."""
    from audiolm.config.schema import NOTHING
    from audiolm.config.yaml_files import dump_yaml

    lines = ["keys of the configuration (YAML, or --KEY VALUE):"]
    for leaf in leaves:
        default = "required" if leaf.default is NOTHING else f"default {dump_yaml(leaf.default).split(chr(10))[0]}"
        lines.append(f"  --{leaf.name}  ({leaf.type}; {default})")
        lines += textwrap.wrap(leaf.help, 110, initial_indent=" " * 10, subsequent_indent=" " * 10)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
