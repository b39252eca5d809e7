"""Codebooks: entries that follow the vectors that choose them, by moving averages or by gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.train.ranks import gather_samples, sum_ranks


class Codebook(nn.Module):
    """Vectors -> the number of the nearest entry, and back; watches how often each entry is chosen.

    The first update starts the entries by k-means (SoundStream, section III-C). An entry that none of the last
    ``dead_after`` * size vectors chose is dead: it moves to one of the update's vectors. Draws depend on ``seed`` and
    the number of updates alone, and vectors of all ranks are ordered by sample, so ranks agree.

    Buffers are named as in released Mimi files; ``updates`` and ``idle`` are ours.

    Args:
        size, dim: number of entries and their channels.
        decay: of the moving averages, per update.
        dead_after: see above; 0: no entry is ever replaced.
    """

    KMEANS_ITERATIONS = 10
    USAGE_WINDOW = 50  # an entry is in use if chosen within the last 50 * size vectors

    def __init__(self, size: int, dim: int, decay: float = 0.99, dead_after: int = 50, seed: int = 0):
        super().__init__()
        self.size = size
        self.decay = decay
        self.dead_after = dead_after
        self.seed = seed
        self.register_buffer("initialized", torch.zeros(1))
        self.register_buffer("cluster_usage", torch.ones(size))  # moving average of choices: N
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.register_buffer("idle", torch.zeros(size, dtype=torch.int64))  # vectors since the entry was last chosen

    @property
    def entries(self) -> Tensor:
        """[size, dim]"""
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """[..., dim] -> int64 [...]; of equally near entries, the first."""
        return nearest(x.flatten(0, -2), self.entries).view(x.shape[:-1])

    def decode(self, codes: Tensor) -> Tensor:
        """int64 [...] -> [..., dim]"""
        return F.embedding(codes, self.entries)

    @torch.no_grad()
    def start(self, x: Tensor, index: Tensor) -> None:
        """Before the first update: k-means on the vectors x [B, F, dim] of samples ``index`` [B]."""
        if self.initialized:
            return
        vectors = gather_samples(x, index).flatten(0, 1)
        centres, counts = kmeans(vectors, self.size, self.KMEANS_ITERATIONS, self._generator())
        self.cluster_usage.copy_(counts.clamp(min=1))
        self._set(torch.ones_like(counts, dtype=torch.bool), centres)
        self.initialized.fill_(1)

    @torch.no_grad()
    def update(self, x: Tensor, codes: Tensor, index: Tensor) -> None:
        """Count and move the entries after ``codes`` [B, F] were chosen for ``x`` [B, F, dim] of samples ``index``."""
        counts = self._learn(x.flatten(0, 1), codes.flatten())
        self.updates += 1
        self.idle.copy_(torch.where(counts > 0, 0, self.idle + counts.sum().long()))
        self.cluster_usage.lerp_(counts, 1 - self.decay)
        if self.dead_after == 0:
            return
        dead = self.idle >= self.dead_after * self.size
        if dead.any():
            vectors = gather_samples(x, index).flatten(0, 1)
            drawn = torch.randint(len(vectors), (self.size,), generator=self._generator()).to(x.device)
            self.cluster_usage.copy_(torch.where(dead, self.cluster_usage.mean(), self.cluster_usage))
            self._set(dead, vectors[drawn])

    def usage(self) -> Tensor:
        """Share of the entries chosen within the last `USAGE_WINDOW` * size vectors."""
        return (self.idle < self.USAGE_WINDOW * self.size).float().mean()

    def perplexity(self) -> Tensor:
        """exp of the entropy of the moving average of the choices: 1 (collapsed) … size (all equally often)."""
        share = self.cluster_usage / self.cluster_usage.sum()
        return torch.special.entr(share).sum().exp()

    def _learn(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """Move the entries towards vectors [M, dim] that chose them; return how often each was chosen on all ranks."""
        raise NotImplementedError

    def _set(self, which: Tensor, entries: Tensor) -> None:
        """Replace the entries ``which`` [size] by those of [size, dim]."""
        raise NotImplementedError

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.updates))


class EuclideanCodebook(Codebook):
    """Entries are moving averages of the vectors that choose them, not parameters.

    With n_i vectors of sum s_i nearest to entry i in one update (van den Oord et al. 2017, appendix A.1):
    N_i <- decay N_i + (1 - decay) n_i,  m_i <- decay m_i + (1 - decay) s_i,  entry_i = m_i / N_i.
    A replaced entry takes the mean of all N.
    """

    EPSILON = 1e-5

    def __init__(self, size: int, dim: int, decay: float = 0.99, dead_after: int = 50, seed: int = 0):
        super().__init__(size, dim, decay, dead_after, seed)
        self.register_buffer("embed_sum", torch.zeros(size, dim))  # m

    @property
    def entries(self) -> Tensor:
        return self.embed_sum / self.cluster_usage.clamp(min=self.EPSILON)[:, None]

    def _learn(self, vectors: Tensor, codes: Tensor) -> Tensor:
        sums = torch.zeros_like(self.embed_sum).index_add_(0, codes, vectors)
        counts = torch.bincount(codes, minlength=self.size).to(sums)
        totals = sum_ranks(torch.cat([sums, counts[:, None]], dim=1))
        self.embed_sum.lerp_(totals[:, :-1], 1 - self.decay)
        return totals[:, -1]

    def _set(self, which: Tensor, entries: Tensor) -> None:
        sums = entries * self.cluster_usage[:, None]
        self.embed_sum.copy_(torch.where(which[:, None], sums, self.embed_sum))


class GradientCodebook(Codebook):
    """Entries are a parameter, moved by the codebook loss of the quantizer (van den Oord et al. 2017, equation 3)."""

    def __init__(self, size: int, dim: int, decay: float = 0.99, dead_after: int = 50, seed: int = 0):
        super().__init__(size, dim, decay, dead_after, seed)
        self.embed = nn.Parameter(torch.randn(size, dim))

    @property
    def entries(self) -> Tensor:
        return self.embed

    def _learn(self, vectors: Tensor, codes: Tensor) -> Tensor:
        return sum_ranks(torch.bincount(codes, minlength=self.size).to(self.cluster_usage))

    def _set(self, which: Tensor, entries: Tensor) -> None:
        self.embed.copy_(torch.where(which[:, None], entries, self.embed))


class CosineCodebook(GradientCodebook):
    """A vector chooses the entry of the nearest direction, lengths aside (Kumar et al. 2023, section 3.2)."""

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        return nearest(F.normalize(x.flatten(0, -2)), F.normalize(self.entries)).view(x.shape[:-1])


def nearest(x: Tensor, entries: Tensor) -> Tensor:
    """Number of the nearest of ``entries`` [N, D] for each of ``x`` [M, D]: argmin |e|^2 - 2 x e."""
    return torch.addmm(entries.square().sum(1), x, entries.T, alpha=-2).argmin(dim=1)


def kmeans(x: Tensor, size: int, iterations: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lloyd's k-means of x [M, D], started from vectors drawn without replacement (with, where M < size).

    Returns:
        Centres [size, D] and how many vectors each has; one that gets none stays where it was.
    """
    if len(x) >= size:
        drawn = torch.randperm(len(x), generator=generator)[:size]
    else:
        drawn = torch.randint(len(x), (size,), generator=generator)
    centres = x[drawn.to(x.device)]
    for _ in range(iterations):
        codes = nearest(x, centres)
        counts = torch.bincount(codes, minlength=size).to(x)
        sums = torch.zeros_like(centres).index_add_(0, codes, x)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres, torch.bincount(nearest(x, centres), minlength=size).to(x)
