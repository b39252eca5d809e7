"""Nested dataclasses as the schema of a YAML file: which keys there are, and plain values → validated instances.

A *section* is a dataclass, an optional dataclass, ``dict[str, dataclass]`` or ``list[dataclass]``; any other type is a
*leaf*, checked and converted by jsonargparse (``Literal``, unions, tuples, nested lists, …). Sections are walked here,
so that an error can name the exact key, the file it came from and the nearest valid name.
"""

import copy
import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any, Union

from jsonargparse import ArgumentParser

from audiolm.config.yaml_files import parse_yaml
from audiolm.errors import AudiolmError, did_you_mean

NOTHING = dataclasses.MISSING
Source = Callable[[str], str]  # dotted key -> the file that gave it


@dataclasses.dataclass
class Leaf:
    """A key that is not a section: dotted name, its type in words, default (``NOTHING`` if required), explanation."""

    name: str
    type: str
    default: Any
    help: str


def build(kind: Any, given: Any, default: Any, name: str, source: Source) -> tuple[Any, Any]:
    """Return (validated value, plain value with every default) of one key.

    Args:
        kind: type of the key, as annotated.
        given: its plain value from YAML or the command line, or ``NOTHING``.
        default: value where nothing is given, or ``NOTHING`` if the key is required; a section that is given in part
            takes its other fields from here.
        name: dotted name of the key; empty for the whole configuration.
        source: tells where a key was given.

    Raises:
        AudiolmError: unknown or missing key, or wrong type.
    """
    if given is NOTHING and default is NOTHING and not _is_dataclass(kind):
        raise AudiolmError(f"{name}: not given in {source(name)}, and it has no default; add it")
    inner = section_type(kind)
    if inner is None:
        value = convert(kind, given, name, source) if given is not NOTHING else copy.deepcopy(default)
        return value, plain(value)
    required = _without_none(kind)
    if isinstance(given, str):  # a whole section on the command line
        given = parse_yaml(given, f"{name} on {source(name)}")
    if required is not kind and (given is None or (given is NOTHING and default is None)):
        return None, None
    origin = typing.get_origin(required)
    if origin is list:
        return _build_list(inner, given, default, name, source)
    if given is not NOTHING and not isinstance(given, dict):
        raise AudiolmError(f"{name}: found {plain(given)!r} in {source(name)}, expected a section (key: value)")
    given = {} if given is NOTHING else given
    default = NOTHING if default is None else default
    if origin is dict:
        return _build_dict(inner, given, {} if default is NOTHING else default, name, source)
    return _build_dataclass(inner, given, default, name, source)


def _build_dataclass(kind: type, given: dict, default: Any, name: str, source: Source) -> tuple[Any, dict]:
    fields = fields_of(kind)
    check_keys(given, fields, name, source)
    values, raw = {}, {}
    for field, (field_type, field_default) in fields.items():
        if default is not NOTHING:
            field_default = getattr(default, field)
        values[field], raw[field] = build(
            field_type, given.get(field, NOTHING), field_default, join(name, field), source
        )
    try:
        return kind(**values), raw
    except (AudiolmError, ValueError) as error:  # from __post_init__, which does not know its section's name
        raise AudiolmError(f"{join(name, '') if name else ''}{error} (in {source(name)})") from error


def _build_dict(kind: type, given: dict, default: Mapping[str, Any], name: str, source: Source) -> tuple[dict, dict]:
    values, raw = {}, {}
    for key in [*default, *(key for key in given if key not in default)]:
        if given.get(key, NOTHING) is None:  # left out, which the complete file must tell
            raw[key] = None
            continue
        values[key], raw[key] = build(
            kind, given.get(key, NOTHING), default.get(key, NOTHING), join(name, str(key)), source
        )
    return values, raw


def _build_list(kind: type, given: Any, default: Any, name: str, source: Source) -> tuple[list, list]:
    if given is NOTHING:
        return copy.deepcopy(default), plain(default)
    if not isinstance(given, list):
        raise AudiolmError(f"{name}: found {plain(given)!r} in {source(name)}, expected a list of sections")
    pairs = [build(kind, item, NOTHING, f"{name}[{i}]", source) for i, item in enumerate(given)]
    return [value for value, _ in pairs], [item for _, item in pairs]


def check_keys(given: Mapping[str, Any], known: Mapping[str, Any] | set[str], name: str, source: Source) -> None:
    """Raise an :class:`AudiolmError` for the first key of a section that is not known, with the nearest that is."""
    for key in given:
        if key not in known:
            full = join(name, str(key))
            raise AudiolmError(f"unknown key '{full}' in {source(full)}{did_you_mean(str(key), known)}")


def convert(kind: Any, given: Any, name: str, source: Source) -> Any:
    """Return ``given`` as a value of the leaf type ``kind``; text is read as the type needs (``"1e-4"`` as a float)."""
    try:
        return _parser(kind).parse_object({"value": given}).value
    except Exception as error:  # jsonargparse raises several; its text spans lines and knows no file
        raise AudiolmError(f"{name}: found {given!r} in {source(name)}, expected {in_words(kind)}") from error


@cache
def _parser(kind: Any) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    return parser


def leaves(kind: Any, default: Any = NOTHING, name: str = "", help: str = "") -> Iterator[Leaf]:
    """Yield every leaf of a type, with its default and the explanation in the docstring of its dataclass."""
    inner = section_type(kind)
    if inner is None or typing.get_origin(_without_none(kind)) is list:
        yield Leaf(name, in_words(kind), default if default is NOTHING else plain(default), help)
    elif typing.get_origin(_without_none(kind)) is dict:
        named = default if isinstance(default, Mapping) else {}
        for key in [*named, "NAME"]:
            yield from leaves(inner, named.get(key, NOTHING), join(name, key), help)
    else:
        if default is None:
            yield Leaf(name, "section or null", None, help)
        explained = attribute_help(inner)
        for field, (field_type, field_default) in fields_of(inner).items():
            field_default = getattr(default, field) if dataclasses.is_dataclass(default) else field_default
            yield from leaves(field_type, field_default, join(name, field), explained.get(field, ""))


def fields_of(kind: type) -> dict[str, tuple[Any, Any]]:
    """Return name → (type, default or ``NOTHING``) of the fields that a dataclass's constructor takes."""
    hints = typing.get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default_factory() if field.default is NOTHING
                     and field.default_factory is not NOTHING else field.default)
        for field in dataclasses.fields(kind)
        if field.init
    }  # fmt: skip


def attribute_help(kind: type) -> dict[str, str]:
    """Return field → explanation from the ``Attributes:`` sections of a dataclass and its parents."""
    from docstring_parser import parse

    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__[:-1]):
        for entry in parse(parent.__doc__ or "").params:
            found[entry.arg_name] = " ".join((entry.description or "").split())
    return found


def section_type(kind: Any) -> type | None:
    """Return the dataclass inside a section's type (itself, optional, in a dict or list), or None if it is a leaf."""
    kind = _without_none(kind)
    if _is_dataclass(kind):
        return kind
    if typing.get_origin(kind) in (dict, list) and _is_dataclass(typing.get_args(kind)[-1]):
        return typing.get_args(kind)[-1]
    if any(_is_dataclass(part) for part in typing.get_args(kind)):
        raise TypeError(f"configuration type {in_words(kind)} is not supported: choose by a Literal field instead")
    return None


def plain(value: Any) -> Any:
    """Return ``value`` as YAML can hold it: dataclasses → dicts, tuples → lists, paths → text."""
    if dataclasses.is_dataclass(value):
        return {field: plain(getattr(value, field)) for field in fields_of(type(value))}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def in_words(kind: Any) -> str:
    """Return a type as a user reads it.

    >>> from typing import Literal
    >>> in_words(int | None), in_words(tuple[float, float]), in_words(Literal["a", "b"])
    ('int or null', '[float, float]', 'one of: a, b')
    """
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is type(None):
        return "null"
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(part) for part in parts)
    if origin is typing.Literal:
        return "one of: " + ", ".join(map(str, parts))
    if origin is tuple:
        return f"[{', '.join('…' if part is Ellipsis else in_words(part) for part in parts)}]"
    if origin is list:
        return f"list of {in_words(parts[0])}"
    if origin is dict:
        return f"mapping of {in_words(parts[0])} to {in_words(parts[1])}"
    return getattr(kind, "__name__", str(kind))


def join(name: str, key: str) -> str:
    """Return the dotted name of ``key`` in section ``name``."""
    return f"{name}.{key}" if name else key


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
        return parts[0] if len(parts) == 1 else kind
    return kind


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)
