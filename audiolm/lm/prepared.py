"""The inference form of language models: packed weights in place of those that training changes.

A step of generation multiplies each weight by a row or a few: its time is that of reading the weights. Packed, they are
read at the machine's speed, and fewer bits of them in reduced precision.
"""

from copy import copy
from typing import TypeVar, get_args

import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.lm.depth import LevelLinear
from audiolm.nn.norms import RMSNorm
from audiolm.nn.packed import PackedLinear, Precision
from audiolm.nn.processor import multiplies_bf16, never_slower
from audiolm.nn.transformer import Transformer

Model = TypeVar("Model", bound=nn.Module)


class PackedLevels(nn.Module):
    """A :class:`LevelLinear` for one level at a time."""

    def __init__(self, layer: LevelLinear, precision: Precision):
        super().__init__()
        self.matrices = nn.ModuleList(PackedLinear(weight.T, None, precision) for weight in layer.weight)
        self.sets = layer.sets

    def forward(self, x: Tensor, level: int) -> Tensor:  # [N, inputs] -> [N, outputs]
        return self.matrices[self.sets[level]](x)


class FewRowsNorm(nn.Module):
    """An :class:`RMSNorm` in fewer operations than torch's, whose calls take longer than the work on a row or a few."""

    def __init__(self, norm: RMSNorm):
        super().__init__()
        self.weight = norm.weight.detach().float() * len(norm.weight) ** 0.5
        self.least = self.weight.new_tensor((len(norm.weight) * norm.eps) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:  # [..., dim] -> [..., dim]
        x = x.float()
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self.least) * self.weight


def prepared(model: Model, precision: Precision = "fp32") -> Model:
    """A twin of ``model`` in evaluation mode, for inference alone, with packed products; embeddings, norms and buffers
    are the model's own. The copy does not follow later training.

    Args:
        model: on the device where it will be used; any shape of the depth transformer, or heads instead of it.
        precision: of the products, see :class:`audiolm.nn.packed.PackedLinear`; with bf16 and int8 also keys and
            values are kept in bfloat16, where the device multiplies that. All else is computed as before. A device
            that only emulates bf16 computes in fp32 instead, and a warning says so.

    Raises:
        AudiolmError: no such precision, or not on the model's device; products with low-rank matrices beside them.
    """
    if precision not in get_args(Precision):
        raise AudiolmError(f"no precision '{precision}'{did_you_mean(precision, get_args(Precision))}")
    device = next(model.parameters()).device
    precision = never_slower(precision, device)
    twin = _twin(model, precision).eval()
    for part in twin.modules():
        if isinstance(part, Transformer) and precision in ("bf16", "int8") and multiplies_bf16(device):
            part.cache_dtype = torch.bfloat16
    return twin


def _twin(module: nn.Module, precision: Precision) -> nn.Module:
    if isinstance(module, nn.Linear | LevelLinear) and module._modules:
        raise AudiolmError(
            f"a product with {', '.join(module._modules)} beside it cannot be packed: merge low-rank matrices into "
            "their weights first"
        )
    if isinstance(module, nn.Linear):
        return PackedLinear(module.weight, module.bias, precision)
    if isinstance(module, LevelLinear):
        return PackedLevels(module, precision)
    if isinstance(module, RMSNorm) and module.weight.device.type == "cpu":
        return FewRowsNorm(module)
    twin = copy(module)
    twin._modules = {
        name: None if child is None else _twin(child, precision) for name, child in module._modules.items()
    }
    return twin
