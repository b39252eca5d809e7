"""Tiny systems that train in milliseconds: a plain one, and an adversarial one with two optimizers and a buffer."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from audiolm.train.config import OptimizerConfig
from audiolm.train.randomness import Key
from audiolm.train.system import Examples, System, decay_matrices, frozen


@dataclass
class Layer:
    """One layer.

    Attributes:
        width: Hidden units.
    """

    width: int = 8


@dataclass
class LineConfig:
    """A small regression.

    Attributes:
        inputs: Inputs of the network.
        layer: The hidden layer.
        extra: A second hidden layer.
        dropout: Share of hidden units dropped.
        bad_step: Step whose loss is made infinite; -1: none.
        names: A list.
        rates: A mapping.
    """

    inputs: int = 4
    layer: Layer = field(default_factory=Layer)
    extra: Layer | None = None
    dropout: float = 0.0
    bad_step: int = -1
    names: list[str] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)


class LineExamples(Examples):
    """y = sum of x, plus noise."""

    def __init__(self, inputs: int):
        self.inputs = inputs

    def __call__(self, key: Key):
        x = key.rng("x").normal(size=self.inputs).astype(np.float32)
        return {"x": x, "y": np.float32(x.sum() + 0.1 * key.rng("noise").normal()), "index": key.index}


class Line(System):
    """A network with dropout and one optimizer."""

    config_class = LineConfig

    def __init__(self, config: LineConfig):
        super().__init__(config)
        hidden = config.layer.width
        self.net = nn.Sequential(nn.Linear(config.inputs, hidden), nn.Tanh(), nn.Dropout(config.dropout))
        self.out = nn.Linear(hidden, 1)

    def examples(self):
        return LineExamples(self.config.inputs)

    def forward(self, x):
        return self.out(self.net(x)).squeeze(1)

    def losses(self, batch, step):
        loss = (self(batch["x"]) - batch["y"]).square().mean()
        if step == self.config.bad_step:
            loss = loss / 0
        return {"main": loss}, {"rmse": loss.detach().sqrt()}

    def validation_batches(self):
        examples = self.examples()
        for start in range(0, 12, 4):
            yield examples.collate([examples(Key(seed=99, index=start + i)) for i in range(4)])

    def validate(self, batch):
        return {"loss": ((self(batch["x"]) - batch["y"]).square().sum(), len(batch["y"]))}


class Types(Line):
    """Tells in its metrics which types it computes in: 1 where its input is float32, its products bfloat16."""

    def losses(self, batch, step):
        losses, metrics = super().losses(batch, step)
        return losses, metrics | self._types(batch)

    def validate(self, batch):
        return {name: (value, 1) for name, value in self._types(batch).items()} | super().validate(batch)

    def _types(self, batch):
        products = self.net[0](batch["x"]).dtype
        return {
            "input_fp32": torch.tensor(float(batch["x"].dtype == torch.float32)),
            "product_bf16": torch.tensor(float(products == torch.bfloat16)),
        }


class Gan(System):
    """A generator of numbers against a critic that joins at step 5; a buffer counts, noise comes from torch."""

    config_class = LineConfig
    optimizers = {"generator": OptimizerConfig(lr=0.01), "critic": OptimizerConfig(lr=0.02, betas=(0.5, 0.9))}

    def __init__(self, config: LineConfig):
        super().__init__(config)
        self.generator = nn.Linear(config.inputs, 2)
        self.critic = nn.Sequential(nn.Linear(2, config.layer.width), nn.ReLU(), nn.Linear(config.layer.width, 1))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def examples(self):
        return LineExamples(self.config.inputs)

    def parameter_groups(self):
        return {"generator": decay_matrices(self.generator), "critic": decay_matrices(self.critic)}

    def losses(self, batch, step):
        self.seen += len(batch["x"])
        real = torch.stack([batch["y"], batch["y"].square()], 1)
        fake = self.generator(batch["x"] + 0.1 * torch.randn_like(batch["x"]) * (self.config.dropout > 0))
        losses = {"generator": (fake - real).abs().mean()}
        if step >= 5:
            with frozen(self.critic):
                losses["generator"] = losses["generator"] - 0.1 * self.critic(fake).mean()
            margin = 1 - self.critic(real), 1 + self.critic(fake.detach())
            losses["critic"] = sum(m.relu().mean() for m in margin)
        return losses, {}

    def export_state(self):
        return {f"net.{name}": tensor for name, tensor in self.generator.state_dict().items()}
