"""Low-rank updates of the moshi package's linear layers (moshi-finetune's ``lora.safetensors``), merged on loading."""

import re
from collections.abc import Mapping

from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.interchange.rules import Tensors

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
# Attention's matrices, one a set of weights, are stored below each other (released_names of moshi_package).
STACKED = re.compile(r"(.+\.self_attn\.(?:in|out)_proj)s\.(\d+)")


def merge_lora(state: Tensors, lora: Mapping[str, Tensor], scaling: float) -> None:
    """Add ``scaling · B · A`` to the matrices of ``state``, in place (Hu et al. 2021); whole tensors replace theirs.

    Args:
        state: the model's tensors, attention's matrices stacked.
        lora: the file's: ``<layer>.lora_A.weight`` [rank, inputs] and ``<layer>.lora_B.weight`` [outputs, rank] of
            linear layers; where embeddings were trained too, ``<embedding>.weight``.

    Raises:
        AudiolmError: half a pair, or a layer that the model does not have, or has in another shape.
    """
    for name, tensor in lora.items():
        if name.endswith(UP):
            continue
        layer = name.removesuffix(DOWN)
        if layer == name:
            rows = _rows(state, name, len(tensor))
            _check(name, tensor.shape, rows.shape)
            rows.copy_(tensor)
            continue
        if (up := lora.get(layer + UP)) is None:
            raise AudiolmError(f"LoRA weights lack '{layer}{UP}', which goes with '{name}'; get them again")
        rows = _rows(state, f"{layer}.weight", len(up))
        _check(name, (len(up), tensor.shape[1]), rows.shape)
        rows.addmm_(up, tensor, alpha=scaling)


def _rows(state: Tensors, name: str, count: int) -> Tensor:
    """What a layer's weight is in the model's tensors; of stacked matrices, ``count`` rows."""
    layer = name.removesuffix(".weight")
    stacked = STACKED.fullmatch(layer)
    layer = stacked[1] if stacked else layer
    for found in (f"{layer}.weight", f"{layer}_weight"):
        if found in state:
            return state[found][int(stacked[2]) * count :][:count] if stacked else state[found]
    raise AudiolmError(f"LoRA weights are of '{layer}', which the model does not have; name the model they belong to")


def _check(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if tuple(found) != tuple(expected):
        raise AudiolmError(
            f"LoRA weights '{name}' are of a layer {list(found)}, the model's is {list(expected)}; name the model they "
            "were made of"
        )
