"""From YAML files and ``--dotted.key value`` options to a validated :class:`TrainConfig`.

Files are merged in order, mappings key by key, everything else replaced; the command line comes last. So the order of
keys inside a file never matters, only the order of files.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiolm.config.schema import NOTHING, Leaf, build, check_keys, fields_of, leaves, plain
from audiolm.config.yaml_files import read_mapping
from audiolm.errors import AudiolmError
from audiolm.train.config import PLACE_KEYS, OptimizerConfig, TrainConfig, TrainerConfig
from audiolm.train.registry import system_class, system_names

COMMAND_LINE = "the command line"
Override = tuple[str, str | list[str]]  # dotted key, text of its value or values
COMMON = ("system", "init", "trainer", "optimizers")


def read_config(files: Sequence[str | Path], overrides: Sequence[Override] = ()) -> TrainConfig:
    """Merge ``files`` and ``overrides`` (pairs of dotted key and text of its value), add every default, validate.

    Raises:
        AudiolmError: a key is unknown, missing or of the wrong type; the message names the key, the file it stands in,
            and the nearest valid name or the expected type.
    """
    given, sources = merge(files, overrides)

    def source(name: str) -> str:
        name = re.sub(r"\[\d+\]", "", name)  # items of lists
        while name and name not in sources:
            name = name.rpartition(".")[0]
        return sources.get(name) or ", ".join(map(str, files)) or COMMAND_LINE

    name = given.get("system", NOTHING)
    if name is NOTHING:
        raise AudiolmError(f"system: not given in {source('')}; choose one of: {', '.join(system_names())}")
    system = system_class(str(name))
    own = fields_of(system.config_class)
    check_keys(given, [*COMMON, *own], "", source)

    init, _ = build(str | None, given.get("init", NOTHING), None, "init", source)
    trainer, trainer_plain = build(TrainerConfig, given.get("trainer", NOTHING), NOTHING, "trainer", source)
    optimizers, optimizers_plain = build(
        dict[str, OptimizerConfig], given.get("optimizers", NOTHING), system.optimizers, "optimizers", source
    )
    check_keys(optimizers, system.optimizers, "optimizers", source)
    config, config_plain = build(
        system.config_class, {key: given[key] for key in own if key in given}, NOTHING, "", source
    )
    common = {"system": str(name), "init": init, "trainer": trainer_plain, "optimizers": optimizers_plain}
    return TrainConfig(str(name), init, trainer, optimizers, config, {**common, **config_plain})


def merge(files: Sequence[str | Path], overrides: Sequence[Override] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (merged plain values, dotted key → where it was last given)."""
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def update(target: dict[str, Any], values: Mapping[str, Any], prefix: str, source: str) -> None:
        for key, value in values.items():
            name = f"{prefix}{key}"
            sources[name] = source
            if isinstance(value, dict):
                if not isinstance(target.get(key), dict):
                    target[key] = {}
                update(target[key], value, f"{name}.", source)
            else:
                target[key] = value

    for file in files:
        update(merged, read_mapping(file), "", str(file))
    for name, text in overrides:
        for key in reversed(name.split(".")):
            text = {key: text}
        update(merged, text, "", COMMAND_LINE)
    return merged, sources


def pair_overrides(arguments: Sequence[str]) -> list[Override]:
    """Return (dotted key, text) pairs of ``--key value`` and ``--key=value`` arguments; of several values, a list.

    >>> pair_overrides(["--trainer.max_steps", "5", "--gain=-3", "--train_dir", "a", "b"])
    [('trainer.max_steps', '5'), ('gain', '-3'), ('train_dir', ['a', 'b'])]
    """
    pairs, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise AudiolmError(f"found '{word}' on {COMMAND_LINE}, expected --key value")
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not rest:
                raise AudiolmError(f"option '--{key}' on {COMMAND_LINE} has no value; write --{key} value")
            value = rest.pop(0)
            while rest and not rest[0].startswith("--"):
                value = [*([value] if isinstance(value, str) else value), rest.pop(0)]
        pairs.append((key, value))
    return pairs


def differences(old: Mapping[str, Any], new: Mapping[str, Any], of_data: Collection[str] = ()) -> list[str]:
    """Return one text per key in which two complete configurations differ, but for keys that may change on a resume.

    These are where a run computes (:data:`PLACE_KEYS`), a larger ``trainer.max_steps``, and the keys ``of_data``,
    whose values training finds there.
    """
    before, after = dict(flatten(old)), dict(flatten(new))
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        a, b = before.get(key, NOTHING), after.get(key, NOTHING)
        if a == b or key in PLACE_KEYS or key in of_data or (key == "trainer.max_steps" and b > a):
            continue
        found.append(f"{key} is {_show(b)}, was {_show(a)}")
    return found


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of nested mappings."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def describe(files: Sequence[str | Path], overrides: Sequence[Override] = ()) -> Iterator[Leaf]:
    """Yield every key that may be set, with its default and explanation: of the system that the files name, or,
    without one, those that all systems share."""
    name = merge(files, overrides)[0].get("system")
    yield from leaves(TrainerConfig, name="trainer")
    if name is None:
        yield from leaves(OptimizerConfig, name="optimizers.NAME")
        return
    system = system_class(str(name))
    for optimizer, default in system.optimizers.items():
        yield from leaves(OptimizerConfig, default, f"optimizers.{optimizer}")
    yield from leaves(system.config_class)


def _show(value: Any) -> str:
    return "absent" if value is NOTHING else repr(plain(value))
