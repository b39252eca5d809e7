"""Named optimizers over a system's parameter groups, with schedule, clipping and a state of named tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.train.config import OptimizerConfig
from audiolm.train.muon import Muon
from audiolm.train.schedule import learning_rate
from audiolm.train.shard import is_sharded, shard_like, whole
from audiolm.train.system import System

CLIP_EPS = 1e-6  # as torch's clip_grads_with_norm_ adds to the norm


class Optimizer:
    """AdamW, or AdamW and Muon, of one name: sets each step's learning rate, clips, steps, saves itself by names.

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
        orthogonal: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for group in groups:
            hidden = group.get("hidden", False) and config.kind == "muon"
            scale = group.get("lr_scale", 1.0) * (config.muon_scale if hidden else 1.0)
            group = {key: value for key, value in group.items() if key != "hidden"}
            (orthogonal if hidden else others).append({**group, "lr_scale": scale, "params": list(group["params"])})
        self.params = [p for group in [*others, *orthogonal] for p in group["params"]]
        self.names = {p: names[p] for p in self.params}
        self.parts: list[torch.optim.Optimizer] = []
        decay = config.weight_decay
        if others:
            adamw = torch.optim.AdamW(
                others, lr=config.lr, betas=config.betas, eps=config.eps, weight_decay=decay, fused=True
            )
            self.parts.append(adamw)
        if orthogonal:
            self.parts.append(Muon(orthogonal, lr=config.lr, weight_decay=decay))

    def step(self, step: int) -> Tensor | None:
        """Clip the gradients, update the parameters; return the gradients' norm before clipping, None if clip is 0."""
        norm = None
        if self.config.clip:
            norm = whole(nn.utils.get_total_norm([p.grad for p in self.params if p.grad is not None]))
        lr = self.learning_rate(step)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * group["lr_scale"]
            if norm is not None:
                self._clip(part, norm)
            part.step()
        return norm

    def _clip(self, part: torch.optim.Optimizer, norm: Tensor) -> None:
        """Scale a part's gradients down to the largest norm; AdamW's kernel does so on its way through them."""
        params = _parameters(part)
        if isinstance(part, Muon) or any(is_sharded(p) for p in params):
            nn.utils.clip_grads_with_norm_(params, self.config.clip, norm)
        else:  # what a GradScaler sets for one step (torch.amp)
            part.grad_scale = ((norm + CLIP_EPS) / self.config.clip).clamp(min=1)
            part.found_inf = torch.zeros_like(part.grad_scale)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of ``step`` (from 0) of a group with ``lr_scale`` 1."""
        return learning_rate(self.config, step, self.max_steps)

    def state(self) -> dict[str, Tensor]:
        """Return ``<moment>/<parameter>`` → tensor; parameters without a gradient so far have none."""
        return {
            f"{moment}/{self.names[p]}": tensor
            for part in self.parts
            for p in _parameters(part)
            for moment, tensor in part.state.get(p, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the moments from a checkpoint's :meth:`state`."""
        moments: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            moment, _, name = key.partition("/")
            moments.setdefault(name, {})[moment] = tensor
        for part in self.parts:
            named = [(p, moments.get(self.names[p], {})) for p in _parameters(part)]
            by_index = {
                index: {moment: shard_like(tensor, p) for moment, tensor in own.items()}
                for index, (p, own) in enumerate(named)
                if own
            }
            part.load_state_dict({"state": by_index, "param_groups": part.state_dict()["param_groups"]})


def _parameters(part: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in part.param_groups for p in group["params"]]


def make_optimizers(system: System, configs: Mapping[str, OptimizerConfig], max_steps: int) -> dict[str, Optimizer]:
    """Return the optimizers of a system by name.

    Raises:
        AudiolmError: ``system.parameter_groups()`` names an optimizer that the config has not.
    """
    groups = system.parameter_groups()
    if not set(groups) <= set(configs):
        raise AudiolmError(
            f"optimizers: the config has {sorted(configs)}, but {type(system).__name__} trains with {sorted(groups)}"
        )
    names = {p: name for name, p in system.named_parameters()}
    return {name: Optimizer(configs[name], groups[name], names, max_steps) for name in configs if name in groups}
