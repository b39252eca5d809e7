"""Sequences of several vocabularies and of features: batches, embeddings, and the loss on targets alone.

A grid (:mod:`audiolm.streams.grid`) has all its streams at every frame and one length; a sequence has one token or one
piece of features at a place, and a length of its own. :class:`SequenceExamples` packs sequences of several tasks into
rows, or gives batches of like lengths; :class:`SequenceEmbedding` turns rows into the input of a transformer;
:func:`target_loss` asks for targets alone. Every sequence has in a row the outputs that it has alone.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.lm.embedding import StreamEmbedding
from audiolm.lm.items import TaskItems
from audiolm.lm.loss import head_losses
from audiolm.lm.tasks import Part, Task
from audiolm.streams.grid import ABSENT
from audiolm.streams.vocabulary import Kind, Vocabulary
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.logs import logger
from audiolm.train.mixing import turn
from audiolm.train.packing import Buckets, Packing, pack
from audiolm.train.randomness import Key
from audiolm.train.ranks import mean_ranks
from audiolm.train.rejected import TABLE, Rejected
from audiolm.train.system import Examples

__all__ = ["Kind", "Part", "SequenceEmbedding", "SequenceExamples", "Task", "Vocabulary", "target_loss", "target_nats"]

PLACES = {"ids": ABSENT, "targets": ABSENT, "part": ABSENT, "prefix": False}  # arrays by place, and what fills them


class Sequences(Protocol):
    """What a task offers: :class:`audiolm.lm.items.TaskItems`, or a family's own.

    Attributes:
        weight: share of the rows.
        lengths: places of each sequence, at most, int64 [N].
        problems: items that cannot be used, with the reason.
        features: of each kind of features, (frames of a place, numbers of a frame).
    """

    weight: float
    lengths: np.ndarray
    problems: Mapping[str, AudiolmError]
    features: Mapping[str, tuple[int, int]]

    def item(self, index: int) -> str:
        """Name of a sequence's item, for messages."""

    def sequence(self, index: int, key: Key) -> dict[str, np.ndarray]:
        """See :meth:`audiolm.lm.items.TaskItems.sequence`; drawn from the key alone."""


class SequenceExamples(Examples):
    """Sequences of several tasks in rows.

    ``packed``: an example is a row of ``places`` places with as many sequences of one task as fit; ``bucketed``: an
    example is one sequence, and those of a step are of one task and of like lengths. Tasks take rows (steps) by turns,
    in proportion to their weights, and each counts its own epochs. All is a function of the key.

    Args:
        tasks: by name; their order does not matter.
        places: of a row, the longest sequence that is taken: the model's context.
        vocabulary: of the model; needed by a :class:`Task`.
        tokenizer: of text parts.
        batching: see above.
        exp_dir: experiment whose ``rejected.tsv`` names items that are too long or cannot be read; None: they are
            errors.
        max_rejected: largest share of the items that may be so.

    Attributes:
        sources: checksums of what made the archives, by the name of the part, where tasks tell them.
        features: (frames of a place, numbers of a frame) by the name of the part.

    Raises:
        AudiolmError: see :class:`audiolm.lm.items.TaskItems`; too many items that cannot be used; a task without any
            that can.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task | Sequences],
        places: int,
        vocabulary: Vocabulary | None = None,
        tokenizer: Tokenizer | None = None,
        batching: Literal["packed", "bucketed"] = "packed",
        exp_dir: Path | None = None,
        max_rejected: float = 0.01,
    ):
        self.places, self.batching = places, batching
        self.names = sorted(tasks)
        self.tasks: list[Sequences] = [
            TaskItems(name, tasks[name], vocabulary, tokenizer) if isinstance(tasks[name], Task) else tasks[name]
            for name in self.names
        ]
        self.weights = [task.weight for task in self.tasks]
        self.sources: dict[str, str] = {}
        self.features: dict[str, tuple[int, int]] = {}
        for task in self.tasks:
            self._agree(self.sources, getattr(task, "sources", {}))
            self._agree(self.features, task.features)
        total = sum(len(task.lengths) + len(task.problems) for task in self.tasks)
        rejected = Rejected(exp_dir, total, max_rejected)
        self.plans = [self._plan(name, task, rejected) for name, task in zip(self.names, self.tasks, strict=True)]

    @staticmethod
    def _agree(known: dict[str, Any], found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            if known.setdefault(name, value) != value:
                raise AudiolmError(
                    f"'{name}' is {value} in one task and {known[name]} in another; write one of the archives "
                    "again, or give it another name"
                )

    def _plan(self, name: str, task: Sequences, rejected: Rejected) -> Packing | Buckets:
        total = len(task.lengths) + len(task.problems)
        for item, error in task.problems.items():
            rejected.add(item, error)
        if not (task.lengths <= self.places).any():
            shortest = f", the shortest has {task.lengths.min()}" if len(task.lengths) else ""
            raise AudiolmError(
                f"task '{name}': none of {total} sequences can be used in {self.places} places{shortest}; raise the "
                "context, or cut the items into windows (seconds)"
            )
        kind = Packing if self.batching == "packed" else Buckets
        plan = kind(task.lengths, self.places, name)
        for index in plan.too_long:
            why = f"has {task.lengths[index]} places, a row has {self.places}; raise the context, or set seconds"
            rejected.add(task.item(index), AudiolmError(f"task '{name}': '{task.item(index)}' {why}"))
        if lost := len(plan.too_long) + len(task.problems):
            logger.warning(
                "task '%s': %d of %d sequences are left out, %d of them longer than %d places: see %s", name, lost,
                total, len(plan.too_long), self.places, TABLE,
            )  # fmt: skip
        return plan

    def __call__(self, key: Key) -> dict[str, Any]:
        """``task``, the number of the task in ``names``, and ``sequences``, one or more."""
        if self.batching == "packed":
            number, row = turn(key.index, self.weights)
            return self._row(number, Key(key.seed, row))
        number, step = turn(key.step, self.weights)
        own = key.at(step)
        task, index = self.tasks[number], self.plans[number].index(own)
        return {"task": number, "sequences": [task.sequence(index, Key(key.seed, own.index))]}

    def _row(self, number: int, key: Key) -> dict[str, Any]:
        task, packing = self.tasks[number], self.plans[number]
        epoch = key.index // packing.rows * len(task.lengths)
        indices = packing.row(key)
        return {"task": number, "sequences": [task.sequence(index, Key(key.seed, epoch + index)) for index in indices]}

    def collate(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Rows of sequences.

        Returns:
            int64 [B, T] ``ids``, ``targets`` (absent where nothing is to be learnt), ``part``, ``segments`` (number of
            the sequence in its row, absent where there is none); bool ``prefix``; int64 [B] ``task``. Of each kind of
            features ``<name>`` float32 [N, window, dim] of all rows, and ``<name>_places`` int64 [N], in the rows one
            after another. T is ``places`` of packed rows, else the length of the longest.
        """
        groups = [example["sequences"] for example in examples]
        places = self.places if self.batching == "packed" else max(len(group[0]["ids"]) for group in groups)
        rows = [pack([{name: s[name] for name in PLACES} for s in group], places, PLACES) for group in groups]
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        batch["task"] = torch.tensor([example["task"] for example in examples])
        for name, (window, dim) in self.features.items():
            values, at = [np.empty((0, window, dim), dtype=np.float32)], [np.empty(0, dtype=np.int64)]
            for row, group in enumerate(groups):
                first = row * places
                for sequence in group:
                    if name in sequence:
                        values.append(sequence[name])
                        at.append(sequence[f"{name}_places"] + first)
                    first += len(sequence["ids"])
            batch[name] = torch.from_numpy(np.concatenate(values))
            batch[f"{name}_places"] = torch.from_numpy(np.concatenate(at))
        return batch

    def epoch(self, batch_size: int, seed: int = 0) -> Iterator[dict[str, Tensor]]:
        """Batches that hold every sequence of every task once, always the same ones: for validation."""
        for number, (task, plan) in enumerate(zip(self.tasks, self.plans, strict=True)):
            if isinstance(plan, Packing):
                rows = [self._row(number, Key(seed, row)) for row in range(plan.rows)]
            else:
                order = sorted(set(range(len(task.lengths))) - set(plan.too_long), key=task.lengths.__getitem__)
                rows = [{"task": number, "sequences": [task.sequence(i, Key(seed, i))]} for i in order]
            for first in range(0, len(rows), batch_size):
                yield self.collate(rows[first : first + batch_size])


class SequenceEmbedding(nn.Module):
    """The input of a transformer: a table for all ids of a vocabulary, and projected features at their places.

    Args:
        size: of the vocabulary.
        dim: channels.
        features: by the name of the part, what turns its features [N, window, dim of a frame] into [N, dim]: see
            :func:`project_frames`, or a Q-Former.
    """

    def __init__(self, size: int, dim: int, features: Mapping[str, nn.Module] | None = None):
        super().__init__()
        self.tokens = StreamEmbedding([size], dim)
        self.features = nn.ModuleDict(features or {})

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """``ids`` [B, T] and features of :meth:`SequenceExamples.collate` -> [B, T, dim]."""
        x = self.tokens(batch["ids"][..., None])
        for name, project in self.features.items():
            projected = project(batch[name]).to(x.dtype)
            x = x.flatten(0, 1).index_copy(0, batch[f"{name}_places"], projected).view_as(x)
        return x


def project_frames(window: int, frame_dim: int, dim: int) -> nn.Module:
    """A linear layer on the frames of a place, one after another: [N, window, frame_dim] -> [N, dim]."""
    return nn.Sequential(nn.Flatten(1), nn.Linear(window * frame_dim, dim))


def target_nats(states: Tensor, head: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross entropy of the targets alone, and their number: no logits are computed elsewhere.

    Args:
        states: [B, T, dim].
        head: weight of the output layer, [V, dim].
        targets: int64 [B, T]; absent = nothing is to be learnt here.

    Returns:
        nats, float32, and the number of targets, int64, both scalars.
    """
    at = (targets.flatten() != ABSENT).nonzero()[:, 0]
    wanted = targets.flatten()[at]
    chosen = states.flatten(0, 1)[at]
    nats = head_losses(chosen[None], head.T[None], wanted[None], states.new_ones(1, 1))
    return nats[0], at.new_tensor(len(at))


def target_loss(states: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy of the targets of all ranks, whose losses are averaged: see :func:`target_nats`."""
    nats, count = target_nats(states, head, targets)
    return nats / mean_ranks(count)
