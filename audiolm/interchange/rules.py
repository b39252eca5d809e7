"""Names and shapes of one layout's tensors told as a table of rules, read in both directions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.nn.rope import halves_to_pairs, pairs_to_halves
from audiolm.nn.transformer import TransformerConfig

Tensors = dict[str, Tensor]
Convert = Callable[..., Sequence[Tensor]]


def as_they_are(*tensors: Tensor) -> Sequence[Tensor]:
    """The tensors themselves."""
    return tensors


@dataclass(frozen=True)
class Rule:
    """Tensors of ours <-> tensors of theirs. ``{}`` in a name stands for any text, the same on both sides.

    Attributes:
        ours, theirs: names that go together; theirs may be none: what only training needs.
        load: their tensors, in this order -> ours.
        save: our tensors, in this order -> theirs.

    >>> rename = [Rule("layers.{}.norm.{}", "blocks.{}.layernorm.{}")]
    >>> list(save_state(rename, {"layers.0.norm.weight": None}))
    ['blocks.0.layernorm.weight']
    """

    ours: str | tuple[str, ...]
    theirs: str | tuple[str, ...]
    load: Convert = as_they_are
    save: Convert = as_they_are

    @cached_property
    def sides(self) -> dict[str, list[re.Pattern]]:
        """Patterns of the names on each side."""
        return {
            side: [re.compile("(.+)".join(map(re.escape, name.split("{}")))) for name in names_of(getattr(self, side))]
            for side in ("ours", "theirs")
        }


def names_of(names: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names of one side of a rule."""
    return (names,) if isinstance(names, str) else names


def load_state(rules: Sequence[Rule], state: Mapping[str, Tensor]) -> Tensors:
    """Their tensors -> ours, each used once.

    Raises:
        AudiolmError: a name that no rule knows, or tensors of which a rule's others are missing.
    """
    return _translate(rules, state, "theirs", "ours")


def save_state(rules: Sequence[Rule], state: Mapping[str, Tensor]) -> Tensors:
    """Our tensors -> theirs, each used once; see `load_state`."""
    return _translate(rules, state, "ours", "theirs")


def _translate(rules: Sequence[Rule], state: Mapping[str, Tensor], source: str, target: str) -> Tensors:
    groups: dict[tuple[Rule, tuple[str, ...]], dict[int, str]] = {}  # rule and texts of {} -> place -> name
    for name in state:
        rule, place, texts = _match(rules, name, source)
        groups.setdefault((rule, texts), {})[place] = name
    result: Tensors = {}
    for (rule, texts), found in groups.items():
        wanted = names_of(getattr(rule, source))
        if len(found) < len(wanted):
            missing = next(name for place, name in enumerate(wanted) if place not in found)
            name = next(iter(found.values()))
            raise AudiolmError(f"weights lack '{_fill(missing, texts)}', which goes with '{name}'; get them again")
        convert = rule.load if target == "ours" else rule.save
        made = convert(*(state[found[place]] for place in range(len(wanted))))
        for name, tensor in zip(names_of(getattr(rule, target)), made, strict=bool(rule.theirs)):
            result[_fill(name, texts)] = tensor
    return result


def _match(rules: Sequence[Rule], name: str, source: str) -> tuple[Rule, int, tuple[str, ...]]:
    for rule in rules:
        for place, pattern in enumerate(rule.sides[source]):
            if match := pattern.fullmatch(name):
                return rule, place, match.groups()
    raise AudiolmError(f"weights hold '{name}', which this layout does not have; use the files of its release")


def _fill(name: str, texts: tuple[str, ...]) -> str:
    return name.format(*texts)


def rotary_turns(config: TransformerConfig) -> tuple[Callable[[Tensor], list[Tensor]], ...]:
    """Both ways of a :class:`Rule` for queries, keys and values in one matrix, whose rotary pairs are neighbours there
    and half a head apart here; nothing to do where there are no positions.
    """
    if not config.rope_base:
        return ()
    heads = config.heads + (config.kv_heads or config.heads)
    rows = heads * (config.dim // config.heads)  # of queries and keys, values below them

    def ours(weight: Tensor) -> list[Tensor]:
        return [torch.cat([pairs_to_halves(weight[:rows], heads), weight[rows:]])]

    def theirs(weight: Tensor) -> list[Tensor]:
        return [torch.cat([halves_to_pairs(weight[:rows], heads), weight[rows:]])]

    return ours, theirs
