"""Causal convolutions over time with the padding of EnCodec and Mimi: no output ever sees a later input.

A convolution of stride ``s`` turns T steps into ceil(T / s); its transpose turns T into T * s. Frame ``t`` of the first
ends at input step ``(t + 1) * s``; step ``t`` of the second comes from frames up to ``t // s``: a chain of them neither
looks ahead nor shifts time (EnCodec, section 3.1.1; Moshi, section 3.3.1).
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

Norm = Literal["none", "weight_norm"]
PadMode = Literal["constant", "replicate"]


class CausalConv1d(nn.Module):
    """``[B, C_in, T] -> [B, C_out, ceil(T / stride)]``, after (kernel - 1) * dilation + 1 - stride steps of padding.

    ``pad_mode``: "constant" pads with zeros, "replicate" with the first step (Mimi's halving of the frame rate). A last
    window that is not full is filled on the right in the same mode. ``norm``: "weight_norm" trains the length and the
    direction of each output channel's weights apart (Salimans & Kingma 2016).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        pad_mode: PadMode = "constant",
        norm: Norm = "none",
    ):
        super().__init__()
        self.stride = stride
        self.pad_mode = pad_mode
        self.padding = (kernel_size - 1) * dilation + 1 - stride  # on the left, in steps
        if self.padding < 0:
            raise ValueError(f"a kernel of {kernel_size} steps leaves gaps at stride {stride}")
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel_size, stride, dilation=dilation, groups=groups, bias=bias
        )
        if norm == "weight_norm":
            parametrizations.weight_norm(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        fill = -x.shape[-1] % self.stride  # steps that the last window lacks
        if self.padding or fill:
            x = F.pad(x, (self.padding, fill), mode=self.pad_mode)
        return self.conv(x)


class CausalConvTranspose1d(nn.Module):
    """``[B, C_in, T] -> [B, C_out, T * stride]``: a transposed convolution without its last (kernel - stride) steps."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        groups: int = 1,
        bias: bool = True,
        norm: Norm = "none",
    ):
        super().__init__()
        if kernel_size < stride:
            raise ValueError(f"a kernel of {kernel_size} steps leaves gaps at stride {stride}")
        self.stride = stride
        self.conv = nn.ConvTranspose1d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=bias)
        if norm == "weight_norm":  # dim 0 of its weight is the input channel, as in the released codecs
            parametrizations.weight_norm(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[..., : x.shape[-1] * self.stride]


def folded_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state dict that ``module`` would have with plain convolutions in place of weight-normalised ones."""
    state = module.state_dict()
    for name, part in module.named_modules():
        if parametrize.is_parametrized(part, "weight"):
            for original in ("original0", "original1"):
                del state[f"{name}.parametrizations.weight.{original}"]
            state[f"{name}.weight"] = part.weight.detach()
    return state


def load_folded_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Set all of ``module`` from such a state; weight-normalised convolutions split it into length and direction."""
    with torch.no_grad():
        for name, tensor in state.items():
            path, _, leaf = name.rpartition(".")
            part = module.get_submodule(path)
            if parametrize.is_parametrized(part, leaf):
                setattr(part, leaf, tensor)
            else:
                getattr(part, leaf).copy_(tensor)


def fold_weight_norm(module: nn.Module) -> None:
    """Turn the weight-normalised convolutions of ``module`` into plain ones of equal weights, for good."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
