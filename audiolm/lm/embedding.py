"""Embeddings of token streams, summed."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StreamEmbedding(nn.Module):
    """One embedding table a stream; a frame's embedding is the sum over its streams (Moshi, section 3.4.1).

    A stream of V ids has V + 1 rows, the last for its start token; -1 (absent) adds nothing. The tables lie in one
    matrix, so that a frame costs one look-up: stream s begins at row ``offsets[s]``, the last row is that of -1.

    Args:
        vocab_sizes: V of each stream.
        dim: channels of the sum.
        rank: channels of the tables, where fewer; a matrix takes their sum to ``dim``. None = ``dim``, without it.
    """

    def __init__(self, vocab_sizes: Sequence[int], dim: int, rank: int | None = None):
        super().__init__()
        ends = list(accumulate(size + 1 for size in vocab_sizes))
        self.register_buffer("offsets", torch.tensor([0, *ends[:-1]]), persistent=False)
        self.absent = ends[-1]
        self.weight = nn.Parameter(torch.empty(self.absent + 1, rank or dim))
        nn.init.normal_(self.weight, std=self.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.weight[self.absent] = 0
        self.proj = None
        if rank is not None:
            self.proj = nn.Linear(rank, dim, bias=False)
            nn.init.normal_(self.proj.weight, std=dim**-0.5)  # rows of the tables have length 1, and so has the output

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [..., streams] -> [..., dim]."""
        rows = torch.where(tokens < 0, self.absent, tokens + self.offsets)
        bags = F.embedding_bag(rows.flatten(0, -2), self.weight, mode="sum", padding_idx=self.absent)
        summed = bags.view(*tokens.shape[:-1], -1)
        return summed if self.proj is None else self.proj(summed)
