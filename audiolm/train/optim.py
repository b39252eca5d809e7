"""Named AdamW optimizers over a system's parameter groups, with schedule, clipping and a state of named tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.train.config import OptimizerConfig
from audiolm.train.schedule import learning_rate
from audiolm.train.system import System


class Optimizer:
    """AdamW of one name: sets the learning rate of each step, clips, steps, and saves itself by parameter names.

    Args:
        names: name of every parameter of the system.
        groups: as :meth:`System.parameter_groups` gives them for this optimizer.
        max_steps: end of the schedule where the config sets none.
    """

    def __init__(
        self, config: OptimizerConfig, groups: list[dict[str, Any]], names: Mapping[Tensor, str], max_steps: int
    ):
        self.config = config
        self.max_steps = max_steps
        groups = [{**group, "params": list(group["params"])} for group in groups]
        self.lr_scales = [group.pop("lr_scale", 1.0) for group in groups]
        self.params = [p for group in groups for p in group["params"]]
        self.names = [names[p] for p in self.params]
        self.adamw = torch.optim.AdamW(
            groups, lr=config.lr, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay, fused=True
        )

    def step(self, step: int) -> Tensor | None:
        """Clip the gradients, update the parameters; return the gradients' norm before clipping, None if clip is 0."""
        norm = nn.utils.clip_grad_norm_(self.params, self.config.clip) if self.config.clip else None
        lr = self.learning_rate(step)
        for group, scale in zip(self.adamw.param_groups, self.lr_scales, strict=True):
            group["lr"] = lr * scale
        self.adamw.step()
        return norm

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of ``step`` (from 0) of a group with ``lr_scale`` 1."""
        return learning_rate(self.config, step, self.max_steps)

    def state(self) -> dict[str, Tensor]:
        """Return ``<moment>/<parameter>`` → tensor; parameters without a gradient so far have none."""
        state = self.adamw.state
        return {
            f"{moment}/{name}": tensor
            for name, p in zip(self.names, self.params, strict=True)
            for moment, tensor in state.get(p, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the moments from a checkpoint's :meth:`state`."""
        moments: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            moment, _, name = key.partition("/")
            moments.setdefault(name, {})[moment] = tensor
        by_index = {index: moments[name] for index, name in enumerate(self.names) if name in moments}
        self.adamw.load_state_dict({"state": by_index, "param_groups": self.adamw.state_dict()["param_groups"]})


def make_optimizers(system: System, configs: Mapping[str, OptimizerConfig], max_steps: int) -> dict[str, Optimizer]:
    """Return the optimizers of a system by name.

    Raises:
        AudiolmError: the config and ``system.parameter_groups()`` name different optimizers.
    """
    groups = system.parameter_groups()
    if set(groups) != set(configs):
        raise AudiolmError(
            f"optimizers: the config has {sorted(configs)}, but {type(system).__name__} trains with {sorted(groups)}"
        )
    names = {p: name for name, p in system.named_parameters()}
    return {name: Optimizer(configs[name], groups[name], names, max_steps) for name in configs}
