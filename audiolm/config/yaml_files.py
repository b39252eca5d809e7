"""YAML text ↔ plain values, without two surprises of PyYAML: ``1e-4`` is a number, and a repeated key is an error."""

import re
from pathlib import Path
from typing import Any

import yaml

from audiolm.data.files import atomic
from audiolm.errors import AudiolmError


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' stands twice, on lines {seen[key]} and {line}", key_node.start_mark
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


# YAML 1.2 writes floats without a point (1e-4); YAML 1.1, which PyYAML reads, takes them for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> Any:
    """Return the plain value of YAML ``text``; ``where`` names it in an error.

    Raises:
        AudiolmError: not YAML, or a key stands twice in one mapping.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: plain values only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise AudiolmError(f"{where}{line}: {getattr(error, 'problem', None) or error}; correct the YAML") from error


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file gives an empty one.

    Raises:
        AudiolmError: no such file, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise AudiolmError(f"cannot read config file {path}: {reason}") from error
    values = parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise AudiolmError(f"{path}: found {type(values).__name__} at the top level, expected 'key: value' lines")
    return values


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_list(self, data: list) -> yaml.Node:
        scalars = not any(isinstance(item, (list, dict)) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=scalars)


_Dumper.add_representer(list, _Dumper.represent_list)


def dump_yaml(values: Any) -> str:
    """Return plain values as YAML text: mappings in their own order, a line a key, lists of scalars on one line."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)


def write_yaml(path: str | Path, values: Any) -> None:
    """Write plain values to a YAML file, atomically."""
    with atomic(path) as file:
        file.write(dump_yaml(values))
