"""Random draws that depend on nothing but names: the same run, resumed or on other ranks, draws the same numbers.

Two kinds of draws are made in training, and each has its key:

- what an *example* is made of (item, crop, gain, noise, mask, delay): :class:`Key`, from (seed, global sample index,
  name). Global sample indices count 0, 1, 2, … over the whole training, whatever the number of ranks, worker processes
  or accumulated parts;
- what the *model* draws on its device (dropout, noise): torch's generators, re-seeded before every step by
  :func:`seed_torch` from (seed, step, rank).
"""

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True)
class Key:
    """Names one training example: every draw for it is a pure function of (``seed``, ``index``, name of the draw).

    ``seed`` is the run's seed, ``index`` the global sample index (0, 1, 2, … over the whole training), ``batch`` the
    examples of one optimizer step, over all ranks: what all of them must agree on goes by ``step``.

    >>> key = Key(seed=0, index=7)
    >>> float(key.rng("gain").uniform()) == float(Key(0, 7).rng("gain").uniform())
    True
    >>> sorted(Key(0, index).item(4) for index in range(4))  # one epoch: every item once
    [0, 1, 2, 3]
    """

    seed: int
    index: int
    batch: int = 1

    @property
    def step(self) -> int:
        """The optimizer step (from 0) that the example is made for."""
        return self.index // self.batch

    def at(self, step: int) -> "Key":
        """The key of the same place in the batch of another step: for data that only some steps take."""
        return Key(self.seed, step * self.batch + self.index % self.batch, self.batch)

    def rng(self, name: str) -> np.random.Generator:
        """Return the generator of the draw called ``name`` (about 10 µs; equal names give equal draws).

        Give every decision a name of its own ("crop", "noise", …): adding one later leaves the others unchanged.
        """
        return np.random.Generator(np.random.Philox(key=_hash(self.seed, self.index, name)))

    def item(self, count: int, name: str = "order") -> int:
        """Return which of ``count`` items this example takes: every item once an epoch, in a new random order."""
        if count < 1:
            raise ValueError(f"no item to choose from: count is {count}")
        epoch, position = divmod(self.index, count)
        return int(_permutation(self.seed, epoch, count, name)[position])


def seed_torch(*words: int | str) -> None:
    """Seed the generators of torch (all devices), numpy and Python from ``words``, for instance (seed, step, rank).

    The loop calls it before every step, so that dropout after a resume is what it would have been. numpy's and Python's
    global generators are included for libraries that draw from them (SpecAugment, layer drop).
    """
    import torch

    low, high = (int(word) for word in _hash(*words))
    torch.default_generator.manual_seed(
        low >> 1
    )  # 63 bits; torch.manual_seed itself takes 1 ms where CUDA is not in use
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(low >> 1)
    random.seed(high)
    np.random.seed(high & 0xFFFFFFFF)


def _hash(*words: int | str) -> np.ndarray:
    """128 bits of BLAKE2b of the words, as uint64 [2]."""
    text = "\0".join(map(str, words)).encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype=np.uint64)


@lru_cache(maxsize=8)  # neighbouring epochs of a few lists; a permutation of a million items is 8 MB
def _permutation(seed: int, epoch: int, count: int, name: str) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=_hash(seed, "epoch", epoch, name))).permutation(count)
