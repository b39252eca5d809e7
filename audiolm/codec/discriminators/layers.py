"""What all discriminators are made of: weight-normalised convolutions with leaky ReLUs between them."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Judged = tuple[list[Tensor], list[list[Tensor]]]  # scores of each discriminator, features of its layers


class Stack(nn.Module):
    """Convolutions of which all but the last are followed by a leaky ReLU, and are the features."""

    def __init__(self, layers: Iterable[nn.Module], last: nn.Module, slope: float):
        super().__init__()
        self.layers = nn.ModuleList(map(normed, layers))
        self.last = normed(last)
        self.slope = slope

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``[B, C, ...]`` -> scores ``[B, 1, ...]``, float32, and every other layer's output."""
        features = hidden(self.layers, x, self.slope)
        return self.last(features[-1]).float(), features


def hidden(layers: Iterable[nn.Module], x: Tensor, slope: float) -> list[Tensor]:
    """Outputs of all ``layers``, each after a leaky ReLU in place: the backward pass needs no other copy of them."""
    outputs = []
    for layer in layers:
        x = F.leaky_relu(layer(x), slope, inplace=True)
        outputs.append(x)
    return outputs


def normed(layer: nn.Module) -> nn.Module:
    """``layer`` with its weights split into length and direction."""
    return weight_norm(layer)
