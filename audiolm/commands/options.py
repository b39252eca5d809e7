"""Options that come from dataclasses: those of families' modes and actions, beside a verb's own.

Every family's are known to the verb, so that ``--help`` shows them and one pass reads the command line; which of them
count is known when the model is. So they have no default there but the dataclass's own.
"""

import argparse
from collections.abc import Iterable
from typing import Any, TypeVar

from audiolm.config.schema import NOTHING, build, fields_of, leaves
from audiolm.errors import AudiolmError
from audiolm.spec import ModelSpec, resolve

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser, classes: Iterable[type]) -> None:
    """Add ``--field`` for every field of some dataclasses; those of one name are one option."""
    there = {word for action in parser._actions for word in action.option_strings}
    for kind in classes:
        types = fields_of(kind)
        for leaf in leaves(kind):
            flag = f"--{leaf.name}"
            if flag in there:
                continue
            there.add(flag)
            told = leaf.help.removesuffix(".").replace("%", "%%")
            if types[leaf.name][0] is bool:
                parser.add_argument(flag, action="store_const", const=True, help=told)
                continue
            if leaf.type.startswith("list of "):
                told += f" (default: {' '.join(map(str, leaf.default))})"
                parser.add_argument(flag, nargs="*", metavar=_metavar(leaf.type.removeprefix("list of ")), help=told)
                continue
            if leaf.default is not None and leaf.default is not NOTHING:
                told += f" (default: {leaf.default})"
            parser.add_argument(flag, metavar=_metavar(leaf.type), help=told)


def read_options(kind: type[T], args: argparse.Namespace) -> T:
    """The instance of a dataclass that the command line asks for.

    Raises:
        AudiolmError: a value is of the wrong type, or refused by the dataclass.
    """
    given = {name: value for name in fields_of(kind) if (value := getattr(args, name, None)) is not None}
    try:
        return build(kind, given, NOTHING, "", lambda name: "the command line")[0]
    except AudiolmError as error:
        raise AudiolmError(f"--{str(error).removesuffix(' (in the command line)')}") from None


def refuse_others(args: argparse.Namespace, mine: Iterable[type], all_kinds: Iterable[type], who: str) -> None:
    """Refuse options that are given and belong to none of the dataclasses that count.

    Raises:
        AudiolmError: one is; the message names it.
    """
    known = {name for kind in mine for name in fields_of(kind)}
    for kind in all_kinds:
        for name in fields_of(kind):
            if name not in known and getattr(args, name, None) is not None:
                raise AudiolmError(f"--{name} is no option of {who}; leave it out")


def action_options(specs: Iterable[ModelSpec], action: str) -> list[type]:
    """The dataclasses of the options that families have for an action."""
    found = [spec.actions[action].options for spec in specs if action in spec.actions]
    return [resolve(options) for options in found if options]


def mode_options(specs: Iterable[ModelSpec]) -> list[type]:
    """The dataclasses of the options of all modes."""
    return [resolve(mode.options) for spec in specs for mode in spec.modes.values()]


def chosen(kinds: list[type], args: argparse.Namespace, options: str | None, who: str) -> Any:
    """The options of one action of one family, and no other's; None where it has none."""
    kind = resolve(options) if options else None
    refuse_others(args, [kind] if kind else [], kinds, who)
    return read_options(kind, args) if kind else None


def _metavar(words: str) -> str:
    """What stands for the value in ``--help``."""
    words = words.removesuffix(" or null")
    if words.startswith("one of: "):
        return f"{{{words.removeprefix('one of: ').replace(', ', ',')}}}"
    return {"str": "TEXT", "int": "N", "float": "X"}.get(words, "VALUE")
