"""What a trainable thing must offer: a :class:`System` (module, losses, validation) and its :class:`Examples` (data).

The loop (:mod:`audiolm.train.loop`) knows nothing else of a codec, a recogniser or a language model. A complete system:

>>> import torch
>>> from dataclasses import dataclass
>>> from audiolm.train.randomness import Key
>>> @dataclass
... class LineConfig:
...     width: int = 4          # inputs of the linear layer
...     noise: float = 0.1      # standard deviation of the targets' noise
>>> class LineExamples(Examples):
...     def __init__(self, config):
...         self.config = config
...     def __call__(self, key):
...         x = key.rng("x").normal(size=self.config.width).astype("float32")
...         return {"x": x, "y": x.sum() + self.config.noise * key.rng("noise").normal()}
>>> class LineSystem(System):
...     config_class = LineConfig
...     def __init__(self, config):
...         super().__init__(config)
...         self.layer = torch.nn.Linear(config.width, 1)
...     def examples(self):
...         return LineExamples(self.config)
...     def losses(self, batch, step):
...         error = (self.layer(batch["x"]).squeeze(1) - batch["y"].float()).square().mean()
...         return {"main": error}, {"rmse": error.detach().sqrt()}
>>> system = LineSystem(LineConfig())
>>> examples = system.examples()
>>> batch = examples.collate([examples(Key(seed=0, index=i)) for i in range(8)])
>>> batch["x"].shape, batch["y"].shape
(torch.Size([8, 4]), torch.Size([8]))
>>> losses, metrics = system.losses(batch, step=0)

It trains with ``system: my_package.my_module:LineSystem`` in a YAML file, or under a short name once it stands in
:mod:`audiolm.train.registry`:

    system: line
    width: 16                     # fields of config_class stand at the top level of the file
    trainer: {max_steps: 1000, batch_size: 32}
    optimizers: {main: {lr: 0.001, warmup: 100}}
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from audiolm.train.config import OptimizerConfig
from audiolm.train.randomness import Key
from audiolm.train.sounds import Sounds
from audiolm.train.tensors import check_same_tensors

Batch = Any  # what collate returns: tensors in dicts, lists, tuples or dataclasses


class Examples:
    """Training data as a function: key → example. Nothing is iterated, so any step can be resumed at once.

    It is called from another thread or process than the training: it owns what it reads, touches no module, and draws
    only from ``key.rng(name)``.
    """

    def __call__(self, key: Key) -> dict[str, Any]:
        """Make the example that ``key`` names: a dict of tensors, arrays or numbers, the same each time."""
        raise NotImplementedError

    def collate(self, examples: list[dict[str, Any]]) -> Batch:
        """Join examples into a batch. By default every entry is stacked: [...] → [B, ...]; shapes must agree."""
        return {name: torch.stack([torch.as_tensor(e[name]) for e in examples]) for name in examples[0]}


class System(nn.Module):
    """A module with its losses, data and validation: what ``audiolm train`` trains.

    Everything that training changes lives in parameters and persistent buffers; checkpoints hold nothing else of it.
    Parameters that do not train have ``requires_grad`` False; override ``train`` to hold a frozen part in evaluation
    mode.

    Class attributes:
        config_class: the dataclass that ``__init__`` takes; its fields are the keys of the YAML file.
        optimizers: names and default settings of the optimizers; the YAML file overrides them field by field.
        found_keys: keys of the configuration whose values `found` gives: of the data, not of the user.
    """

    config_class: ClassVar[type]
    optimizers: ClassVar[dict[str, OptimizerConfig]] = {"main": OptimizerConfig()}
    found_keys: ClassVar[frozenset[str]] = frozenset()
    exp_dir: Path | None = None  # where the run is written; the loop sets it

    def __init__(self, config: Any):
        super().__init__()
        self.config = config

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return, for every name in ``optimizers`` that this configuration trains with, its groups of parameters.

        A group is a dict: ``params`` (parameters), and optionally ``lr_scale`` (factor on the optimizer's learning
        rate, 1 if absent), ``weight_decay`` (instead of the optimizer's) and ``hidden`` (true: matrices between two
        layers, which the optimizer's ``kind: muon`` orthogonalises; ``kernels``, true: each is a convolution's and one
        matrix, see :class:`audiolm.train.muon.Muon`). A parameter may belong to several
        optimizers (two kinds of batches, each with an optimizer state of its own). By default one optimizer, ``main``,
        has all.
        """
        return {"main": decay_matrices(self)}

    def found(self) -> dict[str, Any]:
        """Return what ``config.yaml`` is to say of the data, by dotted key; asked once, before training begins."""
        return {}

    def examples(self) -> Examples:
        """Return the training data."""
        raise NotImplementedError

    def losses(self, batch: Batch, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (loss of each optimizer, metrics to log) of a batch, which lies on the module's device.

        Losses are scalar means over the batch (with ``trainer.accumulate`` or several ranks: over a part of it, and the
        parts' means are averaged). One backward pass runs on their sum, and only the optimizers named here are stepped,
        so losses of different optimizers must not share gradients: detach, or use :func:`frozen`. ``step`` counts from
        0. Metrics are scalars without gradient, averaged over the steps between two log lines; leave them on the device
        (``float(x)`` or ``.item()`` would wait for it). The module is in training mode, under autocast where the
        precision is bf16; torch's random state depends on (seed, step, rank) alone.
        """
        raise NotImplementedError

    def validation_batches(self) -> Iterable[Batch]:
        """Return the validation batches, the same ones every time; empty means no validation."""
        return ()

    def validate(self, batch: Batch) -> dict[str, tuple[Tensor | float, Tensor | float]]:
        """Return (sum, count) of each validation metric over a batch; the loop adds them over batches and ranks.

        Runs without gradients, in evaluation mode, on the averaged weights where there is an EMA. The metric
        ``loss`` chooses the best checkpoint unless ``trainer.best_metric`` names another.
        """
        raise NotImplementedError

    def sounds(self) -> Sounds | None:
        """Return sounds to listen to after a validation, under its conditions; by default there are none.

        Called on one rank only.
        """

    @classmethod
    def skeleton(cls, config: Any) -> "System | None":
        """Return the system with shapes and no values (torch's ``meta`` device), from which
        :mod:`audiolm.train.memory` tells whether a run fits; by default None, and nothing is checked.
        """

    def activation_bytes(self, examples: int, checkpointing: bool, bf16: bool) -> int:
        """Return at least how many bytes of ``losses`` of so many examples the backward pass needs."""
        return 0

    def blocks(self) -> list[nn.Module]:
        """Return the modules that ``losses`` and ``validate`` call once each, one after another: what FSDP shards by
        itself. By default there are none, and the system cannot be sharded.
        """
        return []

    def recomputed(self) -> list[nn.Module]:
        """Return the modules of which ``trainer.activation_checkpointing`` keeps the input only."""
        return self.blocks()

    def after_step(self, step: int) -> None:
        """Called after the optimizers' step ``step`` (from 0), before the EMA takes the weights."""

    def export_state(self) -> dict[str, Tensor]:
        """Return what ``model.safetensors`` holds: by default the whole state dict."""
        return self.state_dict()

    def export_parts(self) -> dict[str, dict[str, Tensor]]:
        """Return what else the export holds: file name → tensors; by default nothing."""
        return {}

    def read_init(self, name: str) -> Mapping[str, Tensor]:
        """Return what :meth:`load_init` takes, of the experiment that ``--init`` names.

        Override it where training may also start from a model of another layout.

        Raises:
            AudiolmError: there is none, or its training has not finished.
        """
        from audiolm.train.checkpoint import load_model

        return load_model(name)

    def load_init(self, state: Mapping[str, Tensor]) -> None:
        """Start from the exported weights of another experiment (``--init``), strictly: same names, same shapes.

        Override it where a phase adds or drops parameters, or where ``export_state`` computes its tensors.

        Raises:
            AudiolmError: names or shapes differ; the message names the first ones.
        """
        own = self.export_state()
        check_same_tensors(own, state)
        owned = {tensor.data_ptr() for tensor in (*self.parameters(), *self.buffers())}
        with torch.no_grad():
            for name, tensor in own.items():
                if tensor.data_ptr() not in owned:
                    raise TypeError(f"export_state computes '{name}': {type(self).__name__} must override load_init")
                tensor.copy_(state[name])


def decay_matrices(*modules: nn.Module, lr_scale: float = 1.0, hidden: bool = False) -> list[dict[str, Any]]:
    """Return groups in which only matrices, convolutions and embeddings (two axes or more) take weight decay.

    Biases, gains and other vectors get ``weight_decay`` 0; frozen parameters are left out. ``hidden`` marks the
    matrices as such, for modules that have no embedding and no output layer.
    """
    params = list(dict.fromkeys(p for module in modules for p in module.parameters() if p.requires_grad))
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "lr_scale": lr_scale, "hidden": hidden},
        {"params": [p for p in params if p.ndim < 2], "lr_scale": lr_scale, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def hidden_kernels(*modules: nn.Module) -> list[dict[str, Any]]:
    """Return the group of the modules' convolution kernels that join all channels, marked as hidden matrices."""
    convolutions = [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Conv1d)]
    kernels = [layer.weight for layer in convolutions if layer.groups == 1 and not is_parametrized(layer)]
    return [{"params": kernels, "hidden": True, "kernels": True}] if kernels else []


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass through ``modules`` but not into their parameters: a discriminator in its generator's loss."""
    params = [p for module in modules for p in module.parameters() if p.requires_grad]
    try:
        for p in params:
            p.requires_grad_(False)
        yield
    finally:
        for p in params:
            p.requires_grad_(True)
