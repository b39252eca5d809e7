"""What all discriminators are made of: weight-normalised convolutions with leaky ReLUs between them."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Judged = tuple[list[Tensor], list[list[Tensor]]]  # scores of each discriminator, features of its layers


class Stack(nn.Module):
    """Convolutions of which all but the last are followed by a leaky ReLU, and are the features."""

    def __init__(self, layers: Iterable[nn.Module], last: nn.Module, slope: float):
        super().__init__()
        self.layers = nn.ModuleList(normed(layer, slope) for layer in layers)
        self.last = normed(last)
        self.slope = slope

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``[B, C, ...]`` -> scores ``[B, 1, ...]``, float32, and every other layer's output."""
        features = hidden(self.layers, x, self.slope)
        return self.last(features[-1]).float(), features


class LongConv1d(nn.Conv1d):
    """`nn.Conv1d` without dilation for kernels of more than 14 steps: on CPUs a third to a half of its time.

    There oneDNN has slow ways only for the weights' gradients of such kernels, and for strides and few channels. With
    stride s and step k = s (A i + a) + r of the kernel, r < s and a < A <= 14, this is a convolution of A steps and
    stride 1 whose channels are the pairs (i, r) of every channel. The products are the same, zeros added.
    """

    TAPS = 14

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C_in, T] -> [B, C_out, T']``"""
        if x.device.type != "cpu":
            return super().forward(x)
        (kernel,), (stride,), (padding,) = self.kernel_size, self.stride, self.padding
        parts = -(-kernel // (stride * self.TAPS))
        taps = -(-kernel // (stride * parts))
        length = (x.shape[-1] + 2 * padding - kernel) // stride + taps
        whole = stride * (length + taps * (parts - 1))
        phases = F.pad(x, (padding, whole - padding - x.shape[-1])).unflatten(-1, (-1, stride)).transpose(2, 3)
        pieces = torch.cat([phases[..., i * taps : i * taps + length] for i in range(parts)], dim=2)  # [B, C, i r, T']
        weight = F.pad(self.weight, (0, stride * taps * parts - kernel)).unflatten(-1, (parts, taps, stride))
        return F.conv1d(pieces.flatten(1, 2), weight.transpose(-1, -2).flatten(1, 3), self.bias, groups=self.groups)


def hidden(layers: Iterable[nn.Module], x: Tensor, slope: float) -> list[Tensor]:
    """Outputs of all ``layers``, each after a leaky ReLU in place: the backward pass needs no other copy of them."""
    outputs = []
    for layer in layers:
        x = F.leaky_relu(layer(x), slope, inplace=True)
        outputs.append(x)
    return outputs


@torch.no_grad()
def normed(layer: nn.Conv1d | nn.Conv2d, slope: float = 1.0) -> nn.Module:
    """``layer`` with its weights split into length and direction; at first it keeps the power of its input.

    Weights are normal and biases zero, so that behind a leaky ReLU of ``slope`` the power is that of the input (He et
    al. 2015, section 2.2). With torch's own, which the references keep, small discriminators begin almost deaf: after
    150 steps on a codec that stands still their hinge loss is 1.84 of 2, and 1.66 with these.
    """
    nn.init.normal_(layer.weight, std=(2 / (1 + slope**2) / layer.weight[0].numel()) ** 0.5)
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)
