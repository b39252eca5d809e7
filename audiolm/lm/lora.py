"""Low-rank adaptation (Hu et al. 2021): y = W x + scaling · B A x, where only A and B train."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.lm.depth import LevelLinear

PARTS = (".lora_A.weight", ".lora_B.weight")


@dataclass
class LoraConfig:
    """What trains where most weights stay as they are.

    Attributes:
        rank: rows of A, columns of B (moshi-finetune: 128).
        scaling: factor on B A (moshi-finetune: 2; elsewhere written alpha / rank).
        modules: names of the products in the transformers' layers that get A and B, with ``*`` for anything
            (``backbone.transformer.*``).
        train: names of parameters that train in full beside them, such as ``*text_embedding*`` and ``*text_head*`` for
            a new tokenizer.
    """

    rank: int = 128
    scaling: float = 2.0
    modules: list[str] = field(default_factory=lambda: ["backbone.transformer.*", "depth.layers.*"])
    train: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.rank < 1:
            raise AudiolmError(f"rank: found {self.rank}, expected a number of at least 1")


def add_lora(model: nn.Module, config: LoraConfig, layers: Sequence[str] = ("",)) -> None:
    """Freeze ``model`` but for new low-rank matrices beside its products, and for the parameters of ``config.train``.

    A [rank, inputs] is random and B [outputs, rank] zero, so that the model computes what it did; a level's matrices
    have an axis of levels in front, and are transposed as its weights are. They are called ``<product>.lora_A.weight``
    and ``<product>.lora_B.weight`` (as in moshi-finetune); all other names stay.

    Args:
        layers: how the names of products begin that may be chosen: not those whose matrices are used without a call.

    Raises:
        AudiolmError: a name of the config matches no product, or no parameter.
    """
    products = {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | LevelLinear) and name.startswith(tuple(layers))
    }
    parameters = dict(model.named_parameters())
    chosen = _matching("modules", config.modules, products, "product in a layer")
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
                f"lora.{key}: '{pattern}' matches no {what}; there are {', '.join(names[:3])}, … {names[-1]} "
                "('*' stands for anything)"
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _add(product: nn.Linear | LevelLinear, config: LoraConfig) -> None:
    if isinstance(product, LevelLinear):
        _, inputs, outputs = product.weight.shape
        product.lora_A = LevelLinear(product.sets, inputs, config.rank)
        product.lora_B = LevelLinear(product.sets, config.rank, outputs)
    else:
        product.lora_A = nn.Linear(product.in_features, config.rank, bias=False)
        product.lora_B = nn.Linear(config.rank, product.out_features, bias=False)
        nn.init.normal_(product.lora_A.weight, std=product.in_features**-0.5)
    nn.init.zeros_(product.lora_B.weight)
    product.lora_scaling = config.scaling
    product.register_forward_hook(_add_low_rank)


def _add_low_rank(product: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    x, *level = inputs
    return output + product.lora_scaling * product.lora_B(product.lora_A(x, *level), *level)


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """The low-rank matrices by name; empty where the model has none."""
    return {name: p for name, p in model.named_parameters() if name.endswith(PARTS)}


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict with W + scaling · B A in place of W, A and B: that of a model without them."""
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(PARTS)}
    for name, product in model.named_modules():
        if hasattr(product, "lora_A"):
            a, b = product.lora_A.weight, product.lora_B.weight
            low = a @ b if isinstance(product, LevelLinear) else b @ a
            state[f"{name}.weight"] = product.weight + product.lora_scaling * low
    return state
