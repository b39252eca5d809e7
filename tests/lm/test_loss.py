"""The chunked loss of linear heads against logits in one piece."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from audiolm.lm import loss as chunked
from audiolm.lm.loss import head_losses

K, N, D, V = 3, 37, 5, 11


def plain(states: Tensor, heads: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    logits = torch.bmm(states, heads).float()
    targets = torch.where((targets >= 0) & (targets < V), targets, -100)
    losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100, reduction="none")
    return (losses * weights).sum(dim=1)


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(K, N, D, generator=generator).requires_grad_()
    heads = torch.randn(K, D, V, generator=generator).requires_grad_()
    targets = torch.randint(-1, V + 1, (K, N), generator=generator)  # -1 and V: no targets
    return states, heads, targets, torch.rand(K, N, generator=generator)


@pytest.fixture(params=[1, 4 * K * V, 2**24], ids=["one position", "ragged", "one chunk"])
def chunks(request, monkeypatch):
    monkeypatch.setattr(chunked, "LOGITS", request.param)


@pytest.mark.parametrize("layout", ["inputs first", "outputs first"])
def test_equals_the_plain_loss(chunks, layout):
    states, heads, targets, weights = inputs()
    ours = heads if layout == "inputs first" else heads.mT.contiguous().mT
    factors = torch.tensor([0.1, 2.0, -1.0])
    expected, found = plain(states, heads, targets, weights), head_losses(states, ours, targets, weights)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    for one, other in zip(
        torch.autograd.grad((found * factors).sum(), (states, heads)),
        torch.autograd.grad((expected * factors).sum(), (states, heads)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_what_is_frozen_gets_no_gradient(chunks):
    states, heads, targets, weights = inputs()
    full = torch.autograd.grad(head_losses(states, heads, targets, weights).sum(), (states, heads))
    head_losses(states, heads.detach(), targets, weights).sum().backward()
    torch.testing.assert_close(states.grad, full[0])
    head_losses(states.detach(), heads, targets, weights).sum().backward()
    torch.testing.assert_close(heads.grad, full[1])
    with torch.no_grad():
        assert not head_losses(states, heads, targets, weights).requires_grad


def test_one_state_for_all_heads():
    states, heads, targets, weights = inputs()
    shared = states[0].detach().requires_grad_()
    found = head_losses(shared.expand(K, -1, -1), heads, targets, weights).sum()
    expected = plain(shared.expand(K, -1, -1), heads, targets, weights).sum()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, shared)[0] for loss in (found, expected)))


def test_bfloat16_products_under_autocast(chunks):
    states, heads, targets, weights = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        found = head_losses(states, heads, targets, weights)
    expected = plain(states, heads, targets, weights)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.02)
    for one, other in zip(
        torch.autograd.grad(found.sum(), (states, heads)),
        torch.autograd.grad(expected.sum(), (states, heads)),
        strict=True,
    ):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.02)
    low = [y.detach().bfloat16().requires_grad_() for y in (states, heads)]
    head_losses(*low, targets, weights.bfloat16()).sum().backward()
    assert [y.grad.dtype for y in low] == [torch.bfloat16] * 2


def test_backward_twice_is_refused():
    states, heads, targets, weights = inputs()
    loss = head_losses(states, heads, targets, weights).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
