"""Tensors by name, compared."""

from collections.abc import Mapping

from torch import Tensor

from audiolm.errors import AudiolmError


def check_same_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise an :class:`AudiolmError` that names the first differing names and shapes, or return if there are none."""
    shapes = [
        f"'{name}' {list(found[name].shape)} for {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    kinds = {
        "missing": [f"'{name}'" for name in expected if name not in found],
        "not known here": [f"'{name}'" for name in found if name not in expected],
        "of another shape": shapes,
    }
    problems = [
        f"{len(names)} {kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for kind, names in kinds.items()
        if names
    ]
    if problems:
        raise AudiolmError(f"weights do not fit this model: {'; '.join(problems)}; use the config they were made with")
