"""Cross entropy of linear heads, chunk by chunk: the logits of all positions are never in memory at once."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LOGITS = 2**24  # of one chunk, over all heads: with less, adding up the heads' gradients costs as much as the products


def head_losses(states: Tensor, heads: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of the cross entropy of K linear heads.

    While a chunk's logits are at hand its share of the gradients is computed too (as in Hsu et al. 2024, Liger Kernel):
    none are kept for the backward pass and none computed twice. Under autocast the products are in its type; softmax,
    sums and the heads' gradient are in float32.

    Args:
        states: [K, N, D].
        heads: [K, D, V]; head k turns ``states[k]`` into logits.
        targets: int64 [K, N]; outside 0 … V - 1 = not a target.
        weights: of each position's cross entropy, broadcast to [K, N]; no gradient.

    Returns:
        Σₙ weights · CE in nats, float32 [K].
    """
    return _HeadLosses.apply(states, heads, targets, weights, torch.is_grad_enabled())


class _HeadLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, heads: Tensor, targets: Tensor, weights: Tensor, learn: bool) -> Tensor:
        device, vocab = states.device.type, heads.shape[2]
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else heads.dtype
        is_target = (targets >= 0) & (targets < vocab)
        weights = torch.where(is_target, weights.float(), 0.0)
        targets = torch.where(is_target, targets, 0)
        sums = torch.zeros(len(states), device=states.device)
        grad_states = torch.empty_like(states) if learn and ctx.needs_input_grad[0] else None
        grad_heads = torch.zeros_like(heads, dtype=torch.float32) if learn and ctx.needs_input_grad[1] else None
        rows = max(1, LOGITS // (len(states) * vocab))
        with torch.autocast(device, enabled=False):
            heads = heads.to(kind)
            for start in range(0, states.shape[1], rows):
                part = slice(start, start + rows)
                x, weight, target = states[:, part].to(kind), weights[:, part, None], targets[:, part, None]
                logs = torch.bmm(x, heads).log_softmax(dim=2, dtype=torch.float32)
                sums -= (logs.gather(2, target) * weight).sum(dim=(1, 2))
                if grad_states is None and grad_heads is None:
                    continue
                grad = logs.exp_().mul_(weight).scatter_add_(2, target, -weight).to(kind)  # of the logits
                if grad_states is not None:
                    grad_states[:, part] = torch.bmm(grad, heads.mT)
                if grad_heads is not None:
                    _add_product(grad_heads, x.mT, grad)
        ctx.save_for_backward(grad_states, grad_heads)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor) -> tuple[Tensor | None, ...]:
        # In place, as the heads' gradient may be large; torch then refuses to go backward a second time.
        grads = [None if grad is None else grad.mul_(grad_sums[:, None, None]) for grad in ctx.saved_tensors]
        return *grads, None, None, None


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left · right, all [K, ., .], in the order in which ``total`` lies in memory."""
    if total.stride(2) != 1:
        total, left, right = total.mT, right.mT, left.mT
    if left.dtype == total.dtype:
        total.baddbmm_(left, right)
    else:
        total += torch.bmm(left, right)
