"""Causal convolutions: lengths, causality, Mimi's padding, weight norm."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.nn.conv import (
    PaddedConv1d,
    PaddedConvTranspose1d,
    SkippedLSTM,
    fold_weight_norm,
    folded_state,
    init_conv,
    load_folded_state,
)


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(1, 40),
    stride=st.integers(1, 4),
    extra=st.integers(0, 4),
    dilation=st.integers(1, 3),
    pad_mode=st.sampled_from(["constant", "replicate"]),
)
def test_frame_t_sees_nothing_after_its_end(length, stride, extra, dilation, pad_mode):
    torch.manual_seed(0)
    conv = PaddedConv1d(2, 3, stride + extra, stride, dilation=dilation, pad_mode=pad_mode)
    x = torch.randn(1, 2, length)
    y = conv(x)
    assert y.shape == (1, 3, -(-length // stride))
    for frame in range(y.shape[-1]):
        changed = x.clone()
        changed[..., (frame + 1) * stride :] += 1
        assert torch.equal(conv(changed)[..., : frame + 1], y[..., : frame + 1])


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 20), stride=st.integers(1, 4), extra=st.integers(0, 4))
def test_transposed_step_depends_on_the_frames_begun(length, stride, extra):
    torch.manual_seed(0)
    conv = PaddedConvTranspose1d(2, 3, stride + extra, stride)
    x = torch.randn(1, 2, length)
    y = conv(x)
    assert y.shape == (1, 3, length * stride)
    for frame in range(1, length):
        changed = x.clone()
        changed[..., frame:] += 1
        assert torch.equal(conv(changed)[..., : frame * stride], y[..., : frame * stride])


def test_convolution_by_hand():
    conv = PaddedConv1d(1, 1, 3, stride=2, bias=False)
    conv.conv.weight.data = torch.tensor([[[1.0, 10.0, 100.0]]])
    # one step of padding in front, one to fill the last window: 0 1 2 | 2 3 0
    assert conv(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[210.0, 32.0]]]
    conv.pad_mode = "replicate"  # 1 1 2 | 2 3 3
    assert conv(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[211.0, 332.0]]]


def test_convolution_that_looks_ahead_by_hand():
    conv = PaddedConv1d(1, 1, 4, bias=False, causal=False)  # two steps before, one after
    conv.conv.weight.data = torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]])
    assert conv(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[2100.0, 3210.0, 321.0]]]
    conv.pad_mode = "reflect"  # 3 2 | 1 2 3 | 2
    assert conv(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[2123.0, 3212.0, 2321.0]]]
    # too short to be reflected: 1 0 is, to 0 0 1 0, and what was added is cut off again
    assert conv(torch.tensor([[[1.0]]])).tolist() == [[[100.0]]]


def test_transposed_convolution_that_looks_ahead_by_hand():
    conv = PaddedConvTranspose1d(1, 1, 5, stride=2, bias=False, causal=False)  # two of three steps cut in front
    conv.conv.weight.data = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    assert conv(torch.tensor([[[1.0, 10.0]]])).tolist() == [[[13.0, 24.0, 35.0, 40.0]]]


def test_lstm_adds_to_its_input():
    for both in (False, True):
        lstm = SkippedLSTM(3, 2, bidirectional=both)
        x = torch.randn(2, 3, 5)
        y = lstm(x)
        assert y.shape == (2, 6 if both else 3, 5)
        for parameter in lstm.parameters():
            parameter.data.zero_()
        assert torch.equal(lstm(x), torch.cat([x, x], dim=1) if both else x)


def test_transposed_convolution_by_hand():
    conv = PaddedConvTranspose1d(1, 1, 4, stride=2, bias=False)
    conv.conv.weight.data = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    assert conv(torch.tensor([[[1.0, 10.0]]])).tolist() == [[[1.0, 2.0, 13.0, 24.0]]]


@pytest.mark.parametrize("kind", ["conv", "transposed"])
def test_padding_is_that_of_transformers_mimi(kind):
    mimi = pytest.importorskip("transformers.models.mimi.modeling_mimi")
    config = mimi.MimiConfig()
    torch.manual_seed(0)
    x = torch.randn(2, 4, 23)
    if kind == "conv":
        ours, theirs = PaddedConv1d(4, 6, 8, stride=4), mimi.MimiConv1d(config, 4, 6, 8, stride=4)
    else:
        ours, theirs = PaddedConvTranspose1d(4, 6, 8, stride=4), mimi.MimiConvTranspose1d(config, 4, 6, 8, stride=4)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(x), theirs(x))


def weight_normed():
    return torch.nn.Sequential(
        PaddedConv1d(2, 3, 5, norm="weight_norm"), PaddedConvTranspose1d(3, 2, 4, 2, norm="weight_norm")
    )


def test_weight_norm_folds_into_plain_convolutions():
    torch.manual_seed(0)
    module, plain = weight_normed(), torch.nn.Sequential(PaddedConv1d(2, 3, 5), PaddedConvTranspose1d(3, 2, 4, 2))
    x = torch.randn(1, 2, 9)
    plain.load_state_dict(folded_state(module))
    assert torch.allclose(plain(x), module(x), atol=1e-6)
    other = weight_normed()
    load_folded_state(other, plain.state_dict())
    assert torch.allclose(other(x), module(x), atol=1e-6)
    before = module(x)
    fold_weight_norm(module)
    assert torch.allclose(module(x), before, atol=1e-6)
    assert module.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("make", [PaddedConv1d, PaddedConvTranspose1d])
def test_kernel_shorter_than_stride_is_refused(make):
    with pytest.raises(ValueError, match="leaves gaps at stride 4"):
        make(1, 1, 3, stride=4)


@pytest.mark.parametrize("norm", ["none", "weight_norm"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda norm: PaddedConv1d(32, 48, 7, stride=3, norm=norm),
        lambda norm: PaddedConvTranspose1d(32, 48, 8, stride=4, norm=norm),
        lambda norm: PaddedConvTranspose1d(64, 64, 4, stride=2, groups=64, norm=norm),
    ],
    ids=["conv", "transposed", "by channel"],
)
def test_initial_weights_keep_the_power_of_noise(layer, norm):
    torch.manual_seed(0)
    conv = layer(norm)
    x = torch.randn(16, conv.conv.in_channels, 200)
    for gain in (1.0, 0.3):
        init_conv(conv, gain)
        assert float(conv(x).detach()[..., 8:-8].std()) == pytest.approx(gain, rel=0.1)
