"""Muon: momentum whose matrices are orthogonalised before they are subtracted (Jordan et al. 2024).

Where AdamW scales every weight by itself, Muon gives all directions of a matrix the same length of step. Small models
on a short schedule need fewer steps; each step costs some matrix products more.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from audiolm.nn.processor import product_type

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of the quintic iteration (Jordan et al. 2024)
# Jordan et al. take 5, which brings even singular values of 0.002 of a matrix's norm to 0.7. With 3 those below 0.018
# end smaller, for two fifths fewer matrix products: on CPUs 5 are a third of a small model's step.
ITERATIONS = 3


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum with decoupled weight decay.

    Updates have the root mean square that AdamW's have, about 0.2 (Liu et al. 2025, section 2.2), so that its learning
    rate and weight decay serve here too.

    Args:
        params: tensors of two or more axes; the last two are a matrix, those before number matrices of their own. In a
            group with ``kernels: True`` each is one matrix instead, the first axis by all others: a convolution's.
        lr: learning rate.
        momentum: decay of the mean of gradients.
        weight_decay: decoupled.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}  # equal shapes are orthogonalised in one product
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                updates = torch.stack([self._direction(p, group["momentum"]) for p in params])
                matrix = (shape[0], shape[1:].numel()) if group.get("kernels") else shape[-2:]
                updates = orthogonalise(updates.view(-1, *matrix)).view_as(updates)
                scale = -0.2 * max(matrix) ** 0.5 * group["lr"]
                for p, update in zip(params, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=scale)

    def _direction(self, p: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(state["momentum"], momentum)


def orthogonalise(x: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to each of x [B, N, M]: singular values between 0.7 and 1.2, smaller where
    they were below 0.018 of the matrix's norm.

    In bfloat16 where the device multiplies it: on processors that emulate it, those products took 84 % of a small
    model's step.
    """
    a, b, c = NEWTON_SCHULZ
    tall = x.shape[-2] > x.shape[-1]
    y = (x.mT if tall else x).to(product_type(x.device))
    y = y / y.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return (y.mT if tall else y).to(x.dtype)
