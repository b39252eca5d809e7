"""Models by their names, of whatever family: loaded to look at (:func:`load`), or with all it takes to use them."""

from pathlib import Path
from typing import Any

import torch

from audiolm.errors import AudiolmError
from audiolm.spec import ModelSpec, all_specs, find_spec, resolve
from audiolm.train.saved import system_of

MANIFEST = "audiolm.json"  # of a directory that audiolm export has made of a model and its parts


def family_of(name: str | Path) -> ModelSpec:
    """The family of an experiment directory, or of a folder or hub id of another layout.

    Raises:
        AudiolmError: no family takes it.
    """
    path = Path(name)
    if (path / "config.yaml").is_file():
        return find_spec(system_of(path))
    if not path.exists():
        from audiolm.encoders.hub import find_weights

        path = find_weights(str(name), "model", "config.json")
    # A repository of a dialogue LM also holds its codec: the codecs are asked last.
    specs = list(all_specs().values())[::-1]
    for spec in specs:
        if spec.finds and resolve(spec.finds)(path):
            return spec
    kinds = ", ".join(spec.title for spec in specs if spec.finds)
    raise AudiolmError(f"{name} is neither an experiment (config.yaml) nor, in a layout that is known here, {kinds}")


def load(name: str | Path, device: torch.device | str = "cpu") -> Any:
    """A model, in evaluation mode: what its family's own loader gives.

    Args:
        name: what ``audiolm train`` or ``audiolm export`` left, a folder of another layout, or a hub id.

    Raises:
        AudiolmError: there is none, or it is not finished.
    """
    folder = Path(name)
    if (folder / MANIFEST).is_file():
        return open_model(model=folder, device=device)[1]
    return family_of(name).get("load")(name, device)


def load_as(name: str | Path, family: str, device: torch.device | str = "cpu") -> Any:
    """The same, of one family.

    Raises:
        AudiolmError: it is of another.
    """
    spec = family_of(name)
    if spec.name != family:
        raise AudiolmError(f"{name} is {spec.title} (system: {spec.name}), expected {find_spec(family).title}")
    return spec.get("load")(name, device)


def open_model(
    model: str | Path | None = None, device: torch.device | str = "cpu", precision: str = "fp32", **parts: str | None
) -> tuple[ModelSpec, Any]:
    """A model's family, and the model with all it takes to use it, laid out for the steps of generation.

    Args:
        model: a directory that ``audiolm export`` has made; or its parts by name:
        parts: ``lm`` and what the family's spec names besides.
        device: where to compute.
        precision: of the LM's products.

    Raises:
        AudiolmError: parts are missing, both ways are taken, or the parts do not belong together.
    """
    given = {name: value for name, value in parts.items() if value is not None}
    if model is not None:
        if given:
            raise AudiolmError(f"--model holds {_options(parts)}; give it alone, or them")
        spec, given = bundle_parts(model)
    else:
        if "lm" not in given:
            raise AudiolmError(f"no --lm: give --model, or all of {_options(parts)}")
        spec = family_of(given["lm"])
        if missing := [name for name in spec.parts if name not in given]:
            raise AudiolmError(
                f"no {', '.join(f'--{name}' for name in missing)}: give --model, or all of "
                f"{_options(['lm', *spec.parts])}"
            )
    return spec, spec.get("open")(given, device, precision)


def bundle_parts(directory: str | Path) -> tuple[ModelSpec, dict[str, Path]]:
    """The family and the parts of a directory that ``audiolm export`` made.

    Raises:
        AudiolmError: it is none.
    """
    directory = Path(directory)
    if not (directory / MANIFEST).is_file():
        raise AudiolmError(
            f"{directory} has no {MANIFEST}, expected a directory that audiolm export --lm … has made, such as "
            "exp/lm_speech/export of a recipe; or name the parts by --lm, --codec and --tokenizer"
        )
    spec = family_of(directory / "lm")
    return spec, {name: directory / name for name in ("lm", *spec.parts)}


def _options(names) -> str:
    *most, last = (f"--{name}" for name in names)
    return f"{', '.join(most)} and {last}" if most else last
