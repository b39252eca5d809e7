"""Files of other projects: weights of which nothing is run, and configs in JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from audiolm.errors import AudiolmError, first_line
from audiolm.interchange.rules import Tensors
from audiolm.train.checkpoint import read_tensors


def read_weights(path: Path) -> Tensors:
    """Tensors of a safetensors file or of a pickled state dict, of which nothing is run; float32.

    Raises:
        AudiolmError: damaged, or a pickle that holds more than tensors.
    """
    if path.suffix == ".safetensors":
        state = read_tensors(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle's, zip's and torch's own, by the kind of damage
            raise AudiolmError(
                f"cannot read {path}: {first_line(error)}; only plain tensors are read from a pickle, nothing is run: "
                "name a safetensors file"
            ) from None
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        AudiolmError: missing or malformed.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise AudiolmError(f"{path} is not JSON: {first_line(error)}") from None
    if not isinstance(found, dict):
        raise AudiolmError(f"{path} holds no JSON object, expected a model's config")
    return found


def check_fixed(theirs: Mapping[str, Any], fixed: Mapping[str, Any], what: str) -> None:
    """Keys that our codecs can have one value of only; a missing one has that value.

    Raises:
        AudiolmError: another value.
    """
    for key, value in fixed.items():
        if theirs.get(key, value) != value:
            raise AudiolmError(f"{what} with {key} {theirs[key]!r} is not supported, expected {value!r}")
