"""Causal layers in steps: each takes the next chunk of many sequences and keeps what it needs of the chunks before.

Here time comes before channels, [B, T, C], so that a convolution is one product of windows that lie in memory as they
are with packed weights. A layer holds weights and is shared; ``layer.open(slots)`` gives the function that takes one
chunk after another, with state of its own in ``slots``.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.nn.conv import PaddedConv1d, PaddedConvTranspose1d, SkippedLSTM
from audiolm.nn.packed import PackedLinear, Precision, pack_linears
from audiolm.nn.transformer import Transformer

Step = Callable[[Tensor], Tensor]  # [B, T, C] -> [B, T', C']


class Slots:
    """Buffers that layers keep from chunk to chunk for ``batch`` sequences. All zero: nothing heard yet.

    Attributes:
        chunk: the most steps of a chunk where a transformer sees it.
        active: bool [B], where False a chunk leaves the state as it is; None: all are active.
    """

    def __init__(self, batch: int, chunk: int, device: torch.device, dtype: torch.dtype = torch.float32):
        self.batch, self.chunk, self.device, self.dtype = batch, chunk, device, dtype
        self.buffers: list[Tensor] = []
        self.active: Tensor | None = None

    def buffer(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A new buffer [B, *shape]."""
        return self.adopt(torch.zeros(self.batch, *shape, dtype=dtype or self.dtype, device=self.device))

    def adopt(self, buffer: Tensor) -> Tensor:
        """Reset this buffer [B, ...] of another's with the others."""
        self.buffers.append(buffer)
        return buffer

    def store(self, buffer: Tensor, new: Tensor) -> None:
        """What follows the chunk, in the active slots."""
        if self.active is not None:
            new = torch.where(self.active.view(-1, *[1] * (buffer.ndim - 1)), new, buffer)
        buffer.copy_(new)

    def reset(self, slots: Sequence[int] | Tensor | None = None) -> None:
        """Begin new sequences in ``slots`` (indices; None = all)."""
        for buffer in self.buffers:
            buffer[slice(None) if slots is None else slots] = 0


class Layer(Protocol):
    """Weights, and how a sequence of chunks goes through them."""

    def open(self, slots: Slots) -> Step:
        """The function from chunk to chunk, with state in ``slots``."""


class Past:
    """The last ``length`` steps before a chunk: zeros at the start, or the first step where ``replicate``."""

    def __init__(self, slots: Slots, length: int, channels: int, replicate: bool = False):
        self.slots, self.length = slots, length
        self.steps = slots.buffer(length, channels)
        self.begun = slots.buffer(dtype=torch.bool) if replicate else None

    def join(self, x: Tensor, elu: bool = False) -> Tensor:
        """[B, T, C] -> [B, length + T, C] with the past before it, both after the non-linearity if ``elu``."""
        if not self.length and not elu:
            return x
        joined = x.new_empty(len(x), self.length + x.shape[1], x.shape[2])
        before, now = joined[:, : self.length], joined[:, self.length :]
        if elu:
            elu_into(now, x)
        else:
            now.copy_(x)
        if not self.length:
            return joined
        if self.begun is None:
            before.copy_(self.steps)
        else:
            before.copy_(torch.where(self.begun[:, None, None], self.steps, now[:, :1]))
            self.slots.store(self.begun, torch.ones_like(self.begun))
        self.slots.store(self.steps, joined[:, x.shape[1] :])
        return joined


class Conv:
    """A causal :class:`PaddedConv1d`, after an ELU where ``elu``. Chunks are whole multiples of its stride."""

    def __init__(self, layer: PaddedConv1d, precision: Precision, elu: bool = False):
        conv = layer.conv
        self.elu, self.stride, self.padding = elu, layer.stride, layer.padding
        self.kernel, self.dilation = conv.kernel_size[0], conv.dilation[0]
        self.channels, self.outputs = conv.in_channels, conv.out_channels
        self.replicate = layer.pad_mode == "replicate"
        if conv.groups != 1 or layer.right or layer.pad_mode == "reflect":
            raise TypeError(f"no steps for {layer}")
        self.linear = PackedLinear(conv.weight.permute(0, 2, 1).flatten(1), conv.bias, precision)

    def open(self, slots: Slots) -> Step:
        past = Past(slots, self.padding, self.channels, self.replicate)
        return lambda x: self.linear(windows(past.join(x, self.elu), self.kernel, self.stride, self.dilation))


class ConvTranspose:
    """A causal :class:`PaddedConvTranspose1d`, after an ELU where ``elu``.

    Steps t * stride … (t + 1) * stride - 1 of its output are one product of the last kernel / stride inputs.
    """

    def __init__(self, layer: PaddedConvTranspose1d, precision: Precision, elu: bool = False):
        conv = layer.conv
        if conv.groups not in (1, conv.in_channels) or layer.left:
            raise TypeError(f"no steps for {layer}")
        self.elu, self.stride = elu, layer.stride
        self.channels, self.outputs = conv.in_channels, conv.out_channels
        self.taps = -(-conv.kernel_size[0] // self.stride)
        weight = F.pad(conv.weight.detach(), (0, self.taps * self.stride - conv.kernel_size[0]))
        weight = weight.unflatten(2, (self.taps, self.stride)).flip(2)  # [C, C' or 1, tap, stride], oldest tap first
        if conv.groups == 1:
            bias = None if conv.bias is None else conv.bias.repeat(self.stride)
            self.linear = PackedLinear(weight.permute(3, 1, 2, 0).flatten(2).flatten(0, 1), bias, precision)
        else:
            self.linear, self.bias = None, conv.bias
            self.weight = weight[:, 0].permute(1, 2, 0).contiguous()  # [tap, stride, C]

    def open(self, slots: Slots) -> Step:
        past = Past(slots, self.taps - 1, self.channels)

        def step(x: Tensor) -> Tensor:
            batch, steps, _ = x.shape
            joined = past.join(x, self.elu)
            if self.linear is not None:
                return self.linear(windows(joined, self.taps, 1, 1)).view(batch, steps * self.stride, -1)
            y = sum(joined[:, k : k + steps, None] * self.weight[k].to(x.dtype) for k in range(self.taps))
            y = y.flatten(1, 2)
            return y if self.bias is None else y + self.bias

        return step


class Residual:
    """``shortcut(x) + branch(x)``."""

    def __init__(self, shortcut: Layer | None, branch: Layer):
        self.shortcut, self.branch = shortcut, branch

    def open(self, slots: Slots) -> Step:
        branch = self.branch.open(slots)
        shortcut = None if self.shortcut is None else self.shortcut.open(slots)
        return lambda x: branch(x).add_(x if shortcut is None else shortcut(x))


class LSTM:
    """A forward :class:`SkippedLSTM`."""

    def __init__(self, layer: SkippedLSTM):
        if layer.bidirectional:
            raise TypeError(f"no steps for {layer}")
        self.lstm = layer.lstm

    def open(self, slots: Slots) -> Step:
        shape = (self.lstm.num_layers, self.lstm.hidden_size)
        state = [slots.buffer(*shape, dtype=torch.float32) for _ in range(2)]  # [B, layers, C]

        def step(x: Tensor) -> Tensor:
            y, after = self.lstm(x.float(), tuple(part.transpose(0, 1).contiguous() for part in state))
            for part, new in zip(state, after, strict=True):
                slots.store(part, new.transpose(0, 1))
            return x + y.to(x.dtype)

        return step


class Attending:
    """A causal :class:`Transformer`, in float32 between its products."""

    def __init__(self, transformer: Transformer, precision: Precision):
        self.transformer = pack_linears(deepcopy(transformer), precision)

    def open(self, slots: Slots) -> Step:
        cache = self.transformer.make_cache(slots.batch, slots.chunk)
        slots.adopt(cache.position)

        def step(x: Tensor) -> Tensor:
            y = self.transformer(x.float(), cache).to(x.dtype)
            if slots.active is not None:  # what paused slots wrote is beyond their last frame: never seen
                cache.position.sub_(x.shape[1] * ~slots.active)
            return y

        return step


class Chain:
    """One layer after the other."""

    def __init__(self, layers: Sequence[Layer]):
        self.layers = layers

    def open(self, slots: Slots) -> Step:
        steps = [layer.open(slots) for layer in self.layers]

        def step(x: Tensor) -> Tensor:
            for part in steps:
                x = part(x)
            return x

        return step


def elu_into(out: Tensor, x: Tensor) -> None:
    """ELU as max(x, exp(min(x, 0)) - 1): on CPUs three quarters of the time of torch's, which calls expm1."""
    torch.clamp(x, max=0, out=out)
    torch.maximum(x, out.exp_().sub_(1), out=out)


def windows(x: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """[B, T, C] -> [B, T', kernel * C]: T' windows of ``kernel`` steps, one every ``stride`` steps."""
    if kernel == stride == 1:
        return x
    x = x.contiguous()
    batch, steps, channels = x.shape
    count = (steps - (kernel - 1) * dilation - 1) // stride + 1
    shape, strides = (batch, count, kernel, channels), (x.stride(0), stride * channels, dilation * channels, 1)
    return x.as_strided(shape, strides).reshape(batch, count, kernel * channels)


def plain_layer(module: nn.Module, precision: Precision, elu: bool = False) -> Layer:
    """The layer that does what ``module`` does on whole sequences.

    Raises:
        TypeError: it looks ahead, or is of another kind.
    """
    if isinstance(module, PaddedConv1d):
        return Conv(module, precision, elu)
    if isinstance(module, PaddedConvTranspose1d):
        return ConvTranspose(module, precision, elu)
    if isinstance(module, SkippedLSTM) and not elu:
        return LSTM(module)
    raise TypeError(f"no steps for {module}")
