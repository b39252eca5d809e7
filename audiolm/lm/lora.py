"""Low-rank adaptation (Hu et al. 2021): y = W x + scaling · B A x, where only A and B train."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiolm.errors import AudiolmError
from audiolm.lm.depth import LevelLinear

NAMES = ("lora_A", "lora_B")


@dataclass
class LoraConfig:
    """What trains where most weights stay as they are.

    Attributes:
        rank: rows of A, columns of B (moshi-finetune: 128).
        scaling: factor on B A (moshi-finetune: 2; elsewhere written alpha / rank).
        modules: names of the layers that get A and B, with ``*`` for anything (``backbone.transformer.*``).
        train: names of parameters that train in full beside them, such as ``*embedding*`` for a new tokenizer.
    """

    rank: int = 128
    scaling: float = 2.0
    modules: list[str] = field(default_factory=lambda: ["backbone.transformer.*", "depth.layers.*"])
    train: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.rank < 1:
            raise AudiolmError(f"rank: found {self.rank}, expected a number of at least 1")


def add_lora(model: nn.Module, config: LoraConfig) -> None:
    """Freeze ``model`` but for new low-rank matrices beside its products, and for the parameters of ``config.train``.

    A [rank, inputs] is random and B [outputs, rank] zero, so that the model computes what it did; a level's matrices
    have an axis of levels in front, and are transposed as its weights are. They are called ``<layer>.lora_A`` and
    ``<layer>.lora_B``; all other names stay.

    Raises:
        AudiolmError: a name of the config matches no product, or no parameter.
    """
    products = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear | LevelLinear)}
    parameters = dict(model.named_parameters())
    chosen = _matching("modules", config.modules, products, "product")
    trained = _matching("train", config.train, parameters, "parameter")
    model.requires_grad_(False)
    for name in trained:
        parameters[name].requires_grad_(True)
    for name in chosen:
        _add(products[name], config)


def _matching(key: str, patterns: list[str], names: Iterable[str], what: str) -> list[str]:
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise AudiolmError(
                f"lora.{key}: '{pattern}' matches no {what} of the model; its {what}s are: {', '.join(names[:3])}, … "
                f"{names[-1]} ('*' stands for anything)"
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _add(product: nn.Module, config: LoraConfig) -> None:
    weight = product.weight
    if isinstance(product, LevelLinear):
        levels, inputs, outputs = weight.shape
        a, b = weight.new_empty(levels, inputs, config.rank), weight.new_zeros(levels, config.rank, outputs)
    else:
        outputs, inputs = weight.shape
        a, b = weight.new_empty(config.rank, inputs), weight.new_zeros(outputs, config.rank)
    nn.init.normal_(a, std=inputs**-0.5)
    product.lora_A, product.lora_B = nn.Parameter(a), nn.Parameter(b)
    product.lora_scaling = config.scaling
    product.register_forward_hook(_add_low_rank)


def _add_low_rank(product: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    a, b = product.lora_A, product.lora_B
    if isinstance(product, LevelLinear):
        x, level = inputs[0], inputs[1] if len(inputs) > 1 else None
        low = torch.bmm(torch.bmm(x, a[: len(x)]), b[: len(x)]) if level is None else x @ a[level] @ b[level]
    else:
        low = F.linear(F.linear(inputs[0], a), b)
    return output + product.lora_scaling * low


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """The low-rank matrices by name; empty where the model has none."""
    return {name: p for name, p in model.named_parameters() if name.endswith(NAMES)}


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict with W + scaling · B A in place of W, A and B: that of a model without them."""
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(NAMES)}
    for name, product in model.named_modules():
        if hasattr(product, "lora_A"):
            a, b = product.lora_A, product.lora_B
            low = a @ b if isinstance(product, LevelLinear) else b @ a
            state[f"{name}.weight"] = product.weight + product.lora_scaling * low
    return state
