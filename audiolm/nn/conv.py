"""Convolutions over time with the padding of EnCodec, Mimi and DAC.

A convolution of stride ``s`` turns T steps into ceil(T / s); its transpose turns T into T * s. Causal ones see no later
input: frame ``t`` of the first ends at input step ``(t + 1) * s``; step ``t`` of the second comes from frames up to
``t // s``: a chain of them neither looks ahead nor shifts time (EnCodec, section 3.1.1; Moshi, section 3.3.1). Others
see as much before as after.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

Norm = Literal["none", "weight_norm"]
PadMode = Literal["constant", "replicate", "reflect"]


def with_norm(conv: nn.Module, norm: Norm) -> nn.Module:
    """``conv`` that trains the length and the direction of its weights along dim 0 apart (Salimans & Kingma 2016)."""
    return parametrizations.weight_norm(conv) if norm == "weight_norm" else conv


class PaddedConv1d(nn.Module):
    """``[B, C_in, T] -> [B, C_out, ceil(T / stride)]``, with (kernel - 1) * dilation + 1 - stride steps of padding.

    ``pad_mode``: "constant" pads with zeros, "replicate" with the outermost step (Mimi's halving of the frame rate),
    "reflect" with what lies behind it (EnCodec). A last window that is not full is filled on the right in the same
    mode. ``causal``: all padding is on the left, else half of it (of an odd number, the larger half).
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
        causal: bool = True,
    ):
        super().__init__()
        self.stride = stride
        self.pad_mode = pad_mode
        self.padding = (kernel_size - 1) * dilation + 1 - stride  # in steps
        if self.padding < 0:
            raise ValueError(f"a kernel of {kernel_size} steps leaves gaps at stride {stride}")
        self.right = 0 if causal else self.padding // 2
        conv = nn.Conv1d(in_channels, out_channels, kernel_size, stride, dilation=dilation, groups=groups, bias=bias)
        self.conv = with_norm(conv, norm)

    def forward(self, x: Tensor) -> Tensor:
        fill = -x.shape[-1] % self.stride  # steps that the last window lacks
        if self.padding or fill:
            x = pad(x, self.padding - self.right, self.right + fill, self.pad_mode)
        return self.conv(x)


class PaddedConvTranspose1d(nn.Module):
    """``[B, C_in, T] -> [B, C_out, T * stride]``: a transposed convolution without (kernel - stride) steps.

    Those are the last ones where ``causal``, else half of them are the first ones (of an odd number, the larger half).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        groups: int = 1,
        bias: bool = True,
        norm: Norm = "none",
        causal: bool = True,
    ):
        super().__init__()
        if kernel_size < stride:
            raise ValueError(f"a kernel of {kernel_size} steps leaves gaps at stride {stride}")
        self.stride = stride
        self.past = (kernel_size - 1) // stride  # input steps before one that bear on its output
        self.left = 0 if causal else -((stride - kernel_size) // 2)
        conv = nn.ConvTranspose1d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=bias)
        self.conv = with_norm(conv, norm)  # dim 0 of its weight is the input channel, as in the released codecs

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[..., self.left : self.left + x.shape[-1] * self.stride]


@torch.no_grad()
def init_conv(layer: PaddedConv1d | PaddedConvTranspose1d, gain: float = 1.0) -> None:
    """Normal weights of variance gain² / (inputs of an output), no bias: the output's power is gain² times the input's.

    torch's own start shrinks the power to a third and adds biases as large as speech: after a dozen layers the output
    is almost the same for any input, and a codec spends its first hundreds of steps on finding it again.
    """
    conv = layer.conv
    taps = conv.kernel_size[0] / (conv.stride[0] if isinstance(conv, nn.ConvTranspose1d) else 1)
    inputs = conv.in_channels // conv.groups * taps
    _set(conv, "weight", torch.randn_like(conv.weight) * (gain * inputs**-0.5))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


class SkippedLSTM(nn.Module):
    """``x + lstm(x)``: [B, C, T] -> [B, C, T] (EnCodec, section 3.1); in both directions ``[x, x] + lstm(x)``.

    In float32 on CPUs: a step of one or a few sequences waits for the weights, and bf16's backward pass reads them in
    twice the time.
    """

    def __init__(self, channels: int, layers: int, bidirectional: bool = False):
        super().__init__()
        self.bidirectional = bidirectional
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.transpose(1, 2)
        skipped = torch.cat((steps, steps), dim=-1) if self.bidirectional else steps
        with torch.autocast("cpu", enabled=False):
            return (skipped + self.lstm(steps.to(self.lstm.weight_hh_l0.dtype))[0]).transpose(1, 2)


def pad(x: Tensor, left: int, right: int, mode: PadMode) -> Tensor:
    """[B, C, T] -> [B, C, left + T + right]; what is too short to be reflected has zeros behind it (EnCodec's code)."""
    if mode == "reflect" and (lack := max(left, right) + 1 - x.shape[-1]) > 0:
        return F.pad(F.pad(x, (0, lack)), (left, right), mode)[..., :-lack]
    return F.pad(x, (left, right), mode)


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
            _set(module.get_submodule(path), leaf, tensor)


def fold_weight_norm(module: nn.Module) -> None:
    """Turn the weight-normalised convolutions of ``module`` into plain ones of equal weights, for good."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    """Set a tensor of ``module``, through its norm where it has one."""
    if parametrize.is_parametrized(module, name):
        setattr(module, name, value)
    else:
        getattr(module, name).copy_(value)
