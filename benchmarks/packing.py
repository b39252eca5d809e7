"""Packed rows against padded batches: real tokens a second in training on lengths like those of LibriSpeech.

    OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=2 python benchmarks/packing.py [--updates 4] [--data DIR]
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2 python benchmarks/packing.py

The same transformer (4 layers of 256 channels) and AdamW learn about the same number of real tokens an update, those of
16 utterances of 25 tokens a second, three ways: batches in random order, each padded to its longest sequence; batches
of like lengths, padded; rows of 70 s with as many sequences as fit. The three take turns. Padding stands at the end of
a row and attention is causal, so padded batches need no mask; their losses leave padding out.

Lengths: 1.3 to 35 s with a mean of 12.3 s, as LibriSpeech's 281 241 training utterances. The shape is an assumption:
six of ten about 14.8 s, the others spread evenly below, one of two hundred above 17 s. ``--data`` takes the real
lengths of the recordings of a Kaldi data directory instead.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from measuring import tell
from torch import Tensor, nn

from audiolm.data.datadir import DataDir
from audiolm.lm.sequence import SequenceEmbedding, SequenceExamples, target_loss
from audiolm.nn.transformer import Transformer, TransformerConfig
from audiolm.train.loader import batches, key_lists
from audiolm.train.randomness import Key

RATE, VOCABULARY, UTTERANCES, ROW = 25, 1024, 16, 70


class Random:
    """Sequences of random tokens, of given lengths."""

    weight, problems, features = 1.0, {}, {}

    def __init__(self, lengths: np.ndarray):
        self.lengths = lengths

    def item(self, index: int) -> str:
        return str(index)

    def sequence(self, index: int, key: Key) -> dict[str, np.ndarray]:
        ids = key.rng("ids").integers(0, VOCABULARY, self.lengths[index] + 1)
        nothing = np.zeros(self.lengths[index], dtype=np.int64)
        return {"ids": ids[:-1], "targets": ids[1:], "part": nothing, "prefix": nothing.astype(bool)}


class InRandomOrder(SequenceExamples):
    """Sequences of a step whatever their lengths."""

    def __call__(self, key: Key) -> dict:
        task = self.tasks[0]
        return {"task": 0, "sequences": [task.sequence(key.item(len(task.lengths)), Key(key.seed, key.index))]}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        config = TransformerConfig()
        self.embedding = SequenceEmbedding(VOCABULARY, config.dim)
        self.transformer = Transformer(config)
        self.head = nn.Linear(config.dim, VOCABULARY, bias=False)

    def loss(self, batch: dict[str, Tensor], packed: bool) -> Tensor:
        x = self.embedding(batch)
        states = self.transformer(x, segments=batch["segments"]) if packed else self.transformer(x)
        return target_loss(states, self.head.weight, batch["targets"])


def librispeech_lengths(count: int = 4000) -> np.ndarray:
    """Seconds, see above."""
    rng = np.random.default_rng(0)
    peak = rng.normal(14.8, 1.0, count)
    below, above = rng.uniform(1.3, 14.8, count), rng.uniform(17.0, 35.0, count)
    return np.choose(rng.choice(3, count, p=[0.61, 0.385, 0.005]), [peak, below, above]).clip(1.3, 35)


def filled(examples: SequenceExamples, rows: int, steps: int = 100) -> float:
    """Share of the places that hold a token, over many more steps than are timed."""
    lengths = [[sum(len(s["ids"]) for s in examples(key)["sequences"]) for key in keys]
               for keys in key_lists(0, range(steps), rows)]  # fmt: skip
    places = [examples.places if examples.batching == "packed" else max(step) for step in lengths]
    return sum(map(sum, lengths)) / (rows * sum(places))


class Way:
    """One way of making batches, with a model of its own that it trains."""

    def __init__(self, name: str, examples: SequenceExamples, rows: int):
        torch.manual_seed(0)
        self.name, self.packed = name, examples.batching == "packed"
        self.model = Model()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.examples, self.rows = examples, rows
        self.tokens = self.places = 0
        self.filled = filled(examples, rows)
        self.seconds = self.processor = 0.0

    def update(self, batch: dict[str, Tensor], count: bool) -> None:
        begin, processor = time.perf_counter(), time.process_time()
        self.model.loss(batch, self.packed).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if count:
            self.seconds += time.perf_counter() - begin
            self.processor += time.process_time() - processor
            self.tokens += int((batch["targets"] >= 0).sum())
            self.places += batch["targets"].numel()


def measure(lengths: np.ndarray, updates: int) -> Iterator[Way]:
    source = {"utterances": Random((lengths * RATE).astype(np.int64))}
    places = ROW * RATE
    packed = SequenceExamples(source, places)
    rows = round(UTTERANCES * source["utterances"].lengths.mean() / (0.98 * places))
    ways = [
        Way("padded, random order", InRandomOrder(source, places, batching="bucketed"), UTTERANCES),
        Way("padded, like lengths", SequenceExamples(source, places, batching="bucketed"), UTTERANCES),
        Way("packed", packed, rows),
    ]
    made = []
    for way in ways:
        with batches(way.examples, key_lists(0, range(updates + 1), way.rows)) as ahead:
            made.append(list(ahead))
    for number in range(updates + 1):
        for way, ready in zip(ways, made, strict=True):
            way.update(ready[number], count=number > 0)
    return ways


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=4, help="of each way, after one more")
    parser.add_argument("--data", help="Kaldi data directory whose utterances' lengths are taken")
    args = parser.parse_args()
    lengths = librispeech_lengths()
    if args.data:
        data = DataDir.read(args.data)
        lengths = np.array([data.duration(reco) for reco in data.recos])
    tell(utterances=len(lengths), mean_seconds=float(lengths.mean()), longest=float(lengths.max()),
         cpu=torch.backends.cpu.get_cpu_capability(), threads=torch.get_num_threads())  # fmt: skip
    ways = measure(lengths, args.updates)
    packed = ways[-1]
    for way in ways:
        tell(
            way=way.name,
            real_tokens_a_second=way.tokens / way.seconds,
            an_update=way.tokens / args.updates,
            filled=way.tokens / way.places,
            filled_in_100_updates=way.filled,
            packed_is_faster=packed.tokens / packed.seconds * way.seconds / way.tokens,
            by_processor_time=packed.tokens / packed.processor * way.processor / way.tokens,
        )
