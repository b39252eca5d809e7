"""Sums and samples over all ranks of a distributed run; without one, over this process alone."""

import torch
import torch.distributed as dist
from torch import Tensor


def distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_first_rank() -> bool:
    """Whether this process is the one that writes files: the only one, or rank 0."""
    return not distributed() or dist.get_rank() == 0


def sum_ranks(x: Tensor) -> Tensor:
    """Sum of ``x`` over the ranks, the same on each."""
    if distributed():
        x = x.clone()
        dist.all_reduce(x)
    return x


def mean_ranks(x: Tensor) -> Tensor:
    """Mean of ``x`` over the ranks: of a mean over a rank's samples, the mean over those of all."""
    return sum_ranks(x) / dist.get_world_size() if distributed() else x


def gather_samples(x: Tensor, index: Tensor) -> Tensor:
    """All ranks' samples ``x`` [B, ...] in the order of their global ``index`` [B]: the same on any number of ranks."""
    if distributed():
        every, indices = ([torch.empty_like(t) for _ in range(dist.get_world_size())] for t in (x, index))
        dist.all_gather(every, x.contiguous())
        dist.all_gather(indices, index.contiguous())
        x, index = torch.cat(every), torch.cat(indices)
    return x[index.argsort()]
