"""What the whole house knows of a family of models: a small spec, from which training, verbs, scores and the page find
everything else.

A family is a folder of :mod:`audiolm.models` whose ``__init__.py`` holds ``SPEC``; or a module of your own, which an
installed package adds under the entry points' group ``audiolm.models``, or which the environment's ``AUDIOLM_PLUGINS``
names (``export AUDIOLM_PLUGINS="my_models.tts my_models.metrics"``; metrics are found there too). A spec names
functions and classes as ``"package.module:attribute"``: they are imported when they are used, so that nothing heavy is
loaded to look a family up.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec as find_module
from pathlib import Path
from types import ModuleType
from typing import Any

from audiolm.errors import AudiolmError, did_you_mean

FAMILIES = "audiolm.models"  # the room whose folders are families, and the group of other packages' entry points
PLUGINS = "AUDIOLM_PLUGINS"  # of the environment: modules with families and metrics of one's own
OTHERS = ("audiolm.recognizer", "audiolm.codec")  # rooms that train one kind of model each


@dataclass(frozen=True)
class Action:
    """Something that a model can be asked for.

    Attributes:
        run: the function that does it.
        options: the dataclass of its options, which the verb shows and reads; None: it has none.
    """

    run: str
    options: str | None = None


@dataclass(frozen=True)
class Mode:
    """One way to generate, ``audiolm generate --modes NAME``.

    Attributes:
        run: function (session, options) -> items; ``session`` is what the spec's ``session`` has made.
        options: the dataclass of its options. Modes of a family may share options; these have one default then.
        help: what it does, in a line.
        shown_as: how the page shows its items: ``conversations``, ``speech``, ``transcripts``, or "module:function",
            (folder) -> HTML.
        title, lead: heading and first sentence on the page.
        special: the page does not miss it where it was not run.
    """

    run: str
    options: str
    help: str
    shown_as: str
    title: str
    lead: str
    special: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the page that a family adds.

    Attributes:
        name: of the HTML anchor.
        title, lead: heading and first sentence.
        make: function (work directory, set) -> HTML; an empty text leaves the section out.
    """

    name: str
    title: str
    lead: str
    make: str


@dataclass(frozen=True)
class ModelSpec:
    """A family.

    Attributes:
        name: ``system: NAME`` of its configs.
        system: its :class:`audiolm.train.system.System`.
        title: what it is, for readers: "a dialogue LM".
        load: function (name, device) -> the model in evaluation mode, of an experiment directory or a folder or hub id
            of another layout.
        finds: function (name) -> whether ``name`` is a model of another layout that ``load`` takes; None: of none.
        open: function (parts, device, precision) -> the model with what it takes to use it; ``parts`` are paths by
            name, ``lm`` among them.
        parts: names of what ``open`` and ``session`` need beside the LM, such as the codec.
        session: function (:class:`audiolm.models.actions.Request`) -> what the modes generate with; its ``usual`` lists
            the modes that run where none are named, and without one all do.
        modes: by name, in the order in which they run.
        actions: what else the model can do, ``speak``, ``transcribe``, ``export`` …; :mod:`audiolm.models.actions` says
            what each takes and gives.
        sections: of the page.
    """

    name: str
    system: str
    title: str
    load: str | None = None
    finds: str | None = None
    open: str | None = None
    parts: tuple[str, ...] = ()
    session: str | None = None
    modes: Mapping[str, Mode] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()

    def get(self, part: str) -> Any:
        """What the attribute ``part`` names.

        Raises:
            AudiolmError: this family has none.
        """
        return resolve(self._needed(part, getattr(self, part)))

    def action(self, name: str) -> Action:
        """What the model can do under this name.

        Raises:
            AudiolmError: this family cannot.
        """
        return self._needed(f"actions['{name}']", self.actions.get(name))

    def _needed(self, part: str, found: Any) -> Any:
        if not found:
            able = ", ".join(self.actions) or "nothing"
            raise AudiolmError(
                f"{self.title} (system: {self.name}) cannot do this: its spec has no {part}; its actions are: {able}"
            )
        return found


@dataclass
class ExportRequest:
    """What is to be written where (``audiolm export``).

    Attributes:
        parts: paths or hub ids by the names of the options: ``lm``, ``codec``, ``tokenizer`` …
        out: the folder to make.
        to: the layout; None: ours.
    """

    parts: dict[str, str]
    out: Path
    to: str | None = None


def resolve(where: str) -> Any:
    """The object that ``"package.module:attribute"`` names.

    Raises:
        AudiolmError: no such module or attribute.
    """
    module_name, _, attribute = where.partition(":")
    module = _module(module_name, f"'{where}'")
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise AudiolmError(f"'{where}': module '{module_name}' has no '{attribute}'") from None


def _module(name: str, what: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the module is there, one of its own imports is not
        raise AudiolmError(f"{what}: no module '{error.name}' on the Python path") from error


def plugins(name: str) -> list[tuple[str, Any]]:
    """(module, object) of every module in ``AUDIOLM_PLUGINS`` that has an attribute ``name``.

    Raises:
        AudiolmError: a module is not on the Python path.
    """
    modules = os.environ.get(PLUGINS, "").split()
    found = [(module, getattr(_module(module, f"{PLUGINS} names '{module}'"), name, None)) for module in modules]
    return [(module, value) for module, value in found if value is not None]


def all_specs() -> dict[str, ModelSpec]:
    """Every family by its name: ours, those of installed packages, and those of ``AUDIOLM_PLUGINS``.

    Raises:
        AudiolmError: two families have one name.
    """
    found = [*_installed(), *plugins("SPEC")]
    specs: dict[str, tuple[str, ModelSpec]] = {}
    for place, spec in found:
        if spec.name in specs:
            raise AudiolmError(
                f"two families are called '{spec.name}': {specs[spec.name][0]} and {place}; rename one of them"
            )
        specs[spec.name] = (place, spec)
    return {name: spec for name, (_, spec) in specs.items()}


@cache
def _installed() -> list[tuple[str, ModelSpec]]:
    rooms = [*OTHERS, *(f"{FAMILIES}.{name}" for name in _folders(FAMILIES))]
    found = [(room, resolve(f"{room}:SPEC")) for room in rooms]
    return found + [(entry.value, entry.load()) for entry in entry_points(group=FAMILIES)]


def find_spec(system: str) -> ModelSpec:
    """The family of a config's ``system``.

    Args:
        system: a family's name; or ``package.module:Class`` of a system of one's own, whose module may hold a ``SPEC``.

    Raises:
        AudiolmError: there is none.
    """
    module, _, name = system.partition(":")
    if not name:
        if system not in all_specs():
            raise AudiolmError(
                f"unknown system '{system}'{did_you_mean(system, all_specs())} (or package.module:Class)"
            )
        return all_specs()[system]
    resolve(system)
    spec = getattr(import_module(module), "SPEC", None)
    return spec if isinstance(spec, ModelSpec) else ModelSpec(system, system, f"a model of {module}")


def _folders(package: str) -> list[str]:
    """Names of the packages inside a package, sorted; none of them is imported."""
    places = find_module(package).submodule_search_locations
    return sorted(path.parent.name for place in places for path in Path(place).glob("*/__init__.py"))
