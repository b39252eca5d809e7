"""What the training loop adds to a bare one: milliseconds a step, on a model small enough for it to matter.

    python benchmarks/train_loop.py [--steps 1000]

Both train the same network on the same ready-made batch with AdamW; the loop besides seeds, clips, averages (EMA),
checks that losses are finite, collects metrics and loads batches. Prints a line for each repetition.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from audiolm.train.loop import Trainer, make_fabric
from audiolm.train.options import read_config
from audiolm.train.system import Examples, System


@dataclass
class Config:
    """A perceptron.

    Attributes:
        layers: Number of layers.
        width: Units of each.
    """

    layers: int = 24
    width: int = 64


class Ready(Examples):
    """One batch, always the same."""

    def __init__(self, width: int):
        self.example = {"x": torch.from_numpy(np.random.default_rng(0).normal(size=(4, width)).astype(np.float32))}

    def __call__(self, key):
        return self.example

    def collate(self, examples):
        return examples[0]


class Perceptron(System):
    config_class = Config

    def __init__(self, config: Config):
        super().__init__(config)
        self.net = nn.Sequential(*(nn.Linear(config.width, config.width) for _ in range(config.layers)))

    def examples(self):
        return Ready(self.config.width)

    def losses(self, batch, step):
        return {"main": (self.net(batch["x"]) - batch["x"]).square().mean()}, {}


def bare(steps: int) -> float:
    """Return seconds a step of a loop with nothing but forward, backward and AdamW."""
    system = Perceptron(Config())
    batch = system.examples().example
    optimizer = torch.optim.AdamW(system.parameters(), fused=True)
    begin = time.perf_counter()
    for step in range(steps):
        system.losses({"x": batch["x"]}, step)[0]["main"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.perf_counter() - begin) / steps


def ours(steps: int) -> float:
    """Return seconds a step of audiolm's loop, start-up and the final checkpoint left out."""
    options = {"system": f"{__name__}:Perceptron", "trainer.max_steps": steps, "trainer.precision": "fp32"}
    options |= {"trainer.ema_decay": 0.99, "trainer.valid_every": 0, "trainer.save_every": 0}
    options |= {"trainer.accelerator": "cpu"}
    run = read_config([], [(key, str(value)) for key, value in options.items()])
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(run, Path(folder), make_fabric(run.trainer))
        times = []
        after_step = trainer._after_step
        trainer._after_step = lambda: (after_step(), times.append(time.perf_counter()))
        trainer.fit()
    return (times[-2] - times[0]) / (steps - 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bare(100), ours(100)
    added = []
    for _ in range(args.repeat):
        a, b = bare(args.steps), ours(args.steps)
        added.append(b - a)
        print(f"bare {a * 1e3:.2f} ms, audiolm {b * 1e3:.2f} ms, added {(b - a) * 1e3:.2f} ms a step")
    print(f"median added: {statistics.median(added) * 1e3:.2f} ms a step")
