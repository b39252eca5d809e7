"""Packed products against plain ones, in every precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from audiolm.errors import AudiolmError
from audiolm.nn import packed
from audiolm.nn.packed import PackedLinear, PackedPointwise, pack_linears

ERRORS = {"fp32": 1e-6, "fp16": 1e-3, "bf16": 2e-2, "int8": 5e-2}  # of the outputs' size


@pytest.mark.parametrize("rows", [(1,), (2, 7), (1, 130)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("precision", ERRORS)
@torch.no_grad()
def test_product(precision, bias, rows):
    torch.manual_seed(0)
    for inputs, outputs in ((96, 80), (7, 5), (600, 1)):  # packed, too small to pack, one output
        linear = nn.Linear(inputs, outputs, bias=bias)
        x = torch.randn(*rows, inputs)
        y = PackedLinear(linear.weight, linear.bias, precision)(x)
        assert y.dtype == x.dtype
        size = ERRORS[precision] * linear.weight.norm(dim=1).max()
        torch.testing.assert_close(y, linear(x), atol=4 * float(size), rtol=0)


@pytest.mark.parametrize("wide, least", [(True, 4), (False, 2)])
@torch.no_grad()
def test_rows_are_added_only_where_vectors_are_wide(wide, least, monkeypatch):
    """And one row takes no packed weights, which would be a second copy."""
    seen, product = [], torch.ops.mkldnn._linear_pointwise
    monkeypatch.setattr(packed, "wide_vectors", lambda: wide)
    monkeypatch.setattr(
        torch.ops.mkldnn, "_linear_pointwise", lambda x, *rest: seen.append(len(x)) or product(x, *rest)
    )
    linear = nn.Linear(1024, 600)  # too large to be transposed
    packed_linear = PackedLinear(linear.weight, linear.bias)
    for rows in (1, 2, 5):
        x = torch.randn(rows, 1024)
        torch.testing.assert_close(packed_linear(x), linear(x), atol=1e-5, rtol=0)
    assert seen == [least, 5]


@torch.no_grad()
def test_output_has_the_type_of_the_input():
    linear = nn.Linear(96, 80)
    y = PackedLinear(linear.weight, linear.bias, "bf16")(torch.randn(3, 96).bfloat16())
    assert y.dtype == torch.bfloat16


@torch.no_grad()
def test_linears_and_convolutions_of_one_step_are_replaced():
    module = nn.Sequential(nn.Conv1d(80, 96, 1), nn.Flatten(), nn.Sequential(nn.Linear(5 * 96, 90)), nn.Conv1d(1, 1, 3))
    x = torch.randn(2, 80, 5)
    expected = module[:3](x)
    assert pack_linears(module, "fp32") is module
    assert isinstance(module[0], PackedPointwise) and isinstance(module[2][0], PackedLinear)
    assert isinstance(module[3], nn.Conv1d)
    torch.testing.assert_close(module[:3](x), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_without_onednn(monkeypatch):
    monkeypatch.setattr(packed.torch.backends.mkldnn, "is_available", lambda: False)
    linear, x = nn.Linear(96, 80), torch.randn(3, 96)
    torch.testing.assert_close(PackedLinear(linear.weight, linear.bias)(x), linear(x), atol=1e-5, rtol=0)


def test_without_fbgemm_halves_are_refused(monkeypatch):
    monkeypatch.setattr(packed.torch.backends, "quantized", SimpleNamespace(supported_engines=["qnnpack"]))
    with pytest.raises(AudiolmError, match="precision fp16 needs torch's FBGEMM"):
        PackedLinear(torch.zeros(80, 96), None, "fp16")


def test_precisions_of_cpus_elsewhere_are_refused():
    with pytest.raises(AudiolmError, match="precision int8 is for CPUs; on other devices choose from: fp32, bf16"):
        PackedLinear(torch.zeros(4, 4, device="meta"), None, "int8")
