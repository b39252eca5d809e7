"""Exponential moving average of a module's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from audiolm.train.shard import shard_like


class EMA:
    """Keeps s ← d · s + (1 − d) · w for every trainable parameter w of ``module``.

    d = min(decay, (1 + t) / (10 + t)) at update t = 0, 1, …: its rise forgets the initial weights (as in TensorFlow's
    ExponentialMovingAverage). Buffers are not averaged: running statistics and EMA codebooks are averages already, so
    :meth:`applied` leaves the current ones in place.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.weights = [p for _, p in named]
        self.averages = [p.detach().clone() for p in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, self.weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Exchange weights and averages inside the block; the weights come back bit for bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, average in zip(self.weights, self.averages, strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)

    def state(self) -> dict[str, Tensor]:
        """Return parameter name → average."""
        return dict(zip(self.names, self.averages, strict=True))

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the averages from a checkpoint's :meth:`state`."""
        for name, average in self.state().items():
            average.copy_(shard_like(state[name], average))
