"""The loss balancer against its formula."""

import torch

from audiolm.codec.balancer import Balancer


def test_first_update_gives_each_loss_its_share_of_a_unit_gradient():
    balancer = Balancer({"a": 3.0, "b": 1.0}, norm=2.0)
    output = torch.zeros(2, 4, requires_grad=True)
    a, b = torch.randn(2, 4), torch.randn(2, 4)
    gradient = balancer({"a": 100 * (output * a).sum(), "b": 0.01 * (output * b).sum()}, output)
    expected = 0.75 * a / a.norm(dim=1).mean() + 0.25 * b / b.norm(dim=1).mean()
    assert torch.allclose(gradient, expected, atol=1e-6)


def test_norms_are_averaged_over_updates():
    balancer = Balancer({"a": 1.0}, decay=0.5, norm=2.0)
    output = torch.zeros(1, 2, requires_grad=True)
    one = torch.tensor([[3.0, 4.0]])  # norm 5
    balancer({"a": (output * one).sum()}, output)
    gradient = balancer({"a": (output * 2 * one).sum()}, output)  # norm 10
    average = (0.5 * 5 + 10) / (0.5 + 1)
    assert torch.allclose(gradient, 2.0 * 2 * one / average)


def test_absent_losses_take_no_share_and_keep_their_average():
    balancer = Balancer({"a": 1.0, "b": 1.0}, decay=0.5, norm=1.0)
    output = torch.zeros(1, 1, requires_grad=True)
    assert balancer({"a": 7 * output.sum()}, output).item() == 1.0
    assert balancer({"a": 7 * output.sum(), "b": -output.sum()}, output).item() == 0.0
    assert balancer.counts.tolist() == [1.5, 1.0]


def test_gradient_of_a_constant_loss_is_zero_not_nan():
    balancer = Balancer({"a": 1.0})
    output = torch.zeros(1, 3, requires_grad=True)
    assert balancer({"a": (output * 0).sum()}, output).tolist() == [[0.0, 0.0, 0.0]]


def test_averages_are_saved():
    assert set(Balancer({"a": 1.0}).state_dict()) == {"sums", "counts"}
