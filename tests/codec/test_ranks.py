"""Two processes with half the batch each move the codebooks as one process with all of it does."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from audiolm.codec.balancer import Balancer
from audiolm.codec.codebook import EuclideanCodebook

STEPS = 6


def vectors(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(4, 5, 3, generator=generator) * (1 + step)  # [samples, frames, dim], drifting: entries die


def moved(parts):
    """A codebook and a balancer after some steps on ``parts`` of every batch of four samples."""
    book, balancer = EuclideanCodebook(8, 3, decay=0.8, dead_after=3), Balancer({"a": 1.0, "b": 2.0})
    for step in range(STEPS):
        x = vectors(step)[parts]
        book.start(x, torch.tensor(parts))
        book.update(x, book.encode(x), torch.tensor(parts))
        output = x.flatten(1).clone().requires_grad_()
        balancer({"a": output.square().sum(), "b": output.sum()}, output)
    return {**book.state_dict(), **balancer.state_dict()}


def run(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}/store", rank=rank, world_size=2)
    torch.save(moved([[0, 3], [1, 2]][rank]), f"{path}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_are_one(tmp_path):
    mp.spawn(run, args=(str(tmp_path),), nprocs=2)
    one = moved([0, 1, 2, 3])
    assert one["idle"].max() < 60  # entries were replaced
    for rank in (0, 1):
        two = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name in one:
            torch.testing.assert_close(two[name], one[name], rtol=1e-5, atol=1e-5)
