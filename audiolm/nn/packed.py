"""Matrix products with weights laid out once for the processor's kernels, in full or reduced precision.

A step of streaming multiplies few rows by many weights, and a CPU waits for memory. For two rows and more, oneDNN reads
its own layout faster than torch's `linear` reads weights as training leaves them; for one row `linear` is faster.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.nn.processor import wide_vectors

Precision = Literal["fp32", "fp16", "bf16", "int8"]

SMALLEST = 4096  # weights; below, a plain product is as fast
ROWS = 4  # with AVX-512, oneDNN multiplies so many in less time than one or two (0.8 of it); with AVX2, in 2.8 times
FEW = 2**19  # weights; up to there one row is multiplied fastest by the transposed matrix


class PackedLinear(nn.Module):
    """``x Wᵀ + b`` for inference: [..., K] -> [..., N], in the type of x.

    Args:
        weight: [N, K].
        bias: [N] or None.
        precision: "fp32"; "fp16": weights are stored as halves, all else is float32 (CPUs only); "bf16": weights and
            inputs are rounded, sums are float32; "int8": weights are rounded by row, inputs by tensor (CPUs only).

    Raises:
        AudiolmError: the precision does not exist on the weights' device or in this build of torch.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: Precision = "fp32"):
        super().__init__()
        weight, bias = weight.detach().float(), None if bias is None else bias.detach().float()
        if weight.device.type == "cpu":
            self._product = _cpu_product(weight, bias, precision)
        else:
            self._product = _plain_product(weight, bias, precision)

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x)


class PackedPointwise(PackedLinear):
    """The same over time, in place of a convolution of one step: [B, K, T] -> [B, N, T]."""

    def __init__(self, conv: nn.Conv1d, precision: Precision = "fp32"):
        super().__init__(conv.weight[..., 0], conv.bias, precision)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def pack_linears(module: nn.Module, precision: Precision) -> nn.Module:
    """``module`` with packed products in place of its `nn.Linear`s and its convolutions of one step, for good."""
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, nn.Linear):
                setattr(part, name, PackedLinear(child.weight, child.bias, precision))
            elif isinstance(child, nn.Conv1d) and child.kernel_size == (1,):
                setattr(part, name, PackedPointwise(child, precision))
    return module


def _cpu_product(weight: Tensor, bias: Tensor | None, precision: Precision) -> Callable[[Tensor], Tensor]:
    if weight.numel() < SMALLEST or len(weight) == 1:
        return _plain_product(weight, bias, "bf16" if precision == "bf16" else "fp32")
    if precision in ("fp16", "int8") and "fbgemm" not in torch.backends.quantized.supported_engines:
        raise AudiolmError(f"precision {precision} needs torch's FBGEMM (x86 processors); choose from: fp32, bf16")
    if precision == "fp16":
        packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)
    if precision == "int8":
        scales = weight.abs().amax(1).clamp(min=1e-12) / 127
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(rounded, bias)
        seven_bits = not torch.cpu._is_vnni_supported()  # of the inputs, where sums of products have 16
        return lambda x: torch.ops.quantized.linear_dynamic(x, packed, seven_bits)
    supported = torch.backends.mkldnn.is_available()
    if not supported or (precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return _plain_product(weight, bias, precision)
    kind = _kind(precision)
    bias = None if bias is None else bias.to(kind)
    weight = weight.to(kind)
    least = ROWS if wide_vectors() else 1
    plain = precision == "fp32"  # one row waits for memory in any layout
    transposed = weight.T.contiguous() if plain and weight.numel() <= FEW else None
    packed = None  # until several rows come: a live conversation never holds a second copy

    def product(x: Tensor) -> Tensor:
        nonlocal packed
        rows = x.to(kind).reshape(-1, x.shape[-1])
        count = len(rows)
        if count == 1 and plain:
            if transposed is None:
                y = F.linear(rows, weight, bias)
            else:
                y = rows @ transposed if bias is None else torch.addmm(bias, rows, transposed)
            return y.to(x.dtype).view(*x.shape[:-1], -1)
        if packed is None:
            packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        if count < least:
            rows = F.pad(rows, (0, 0, 0, least - count))
        y = torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "none", [], "")
        return y[:count].to(x.dtype).view(*x.shape[:-1], -1)

    return product


def _plain_product(weight: Tensor, bias: Tensor | None, precision: Precision) -> Callable[[Tensor], Tensor]:
    kind = _kind(precision)
    weight, bias = weight.to(kind), None if bias is None else bias.to(kind)
    return lambda x: F.linear(x.to(kind), weight, bias).to(x.dtype)


def _kind(precision: Precision) -> torch.dtype:
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision not in kinds:
        raise AudiolmError(f"precision {precision} is for CPUs; on other devices choose from: {', '.join(kinds)}")
    return kinds[precision]
