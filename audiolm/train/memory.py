"""What a run takes of a device's memory at the least, told before hours of it have passed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from audiolm.errors import AudiolmError
from audiolm.train.config import TrainConfig, TrainerConfig
from audiolm.train.registry import system_class
from audiolm.train.system import System

CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Memory:
    """Bytes that one process needs at the same time.

    Attributes:
        weights: parameters; with FSDP this process's part, what is in no block, and two blocks gathered.
        gradients: of those that train.
        optimizer: moments, and the moving average where there is one.
        activations: what the backward pass needs of the forward pass of one part of the batch.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def estimate(run: TrainConfig, skeleton: System, bf16: bool, trainer: TrainerConfig | None = None) -> Memory:
    """The memory of ``run``, or of what it would be with another ``trainer``.

    A lower bound: logits, temporary values and fragmentation are left out.

    Args:
        skeleton: the system, whose parameters need no values.
    """
    trainer = trainer or run.trainer
    world = trainer.devices * trainer.num_nodes
    parts = world if trainer.strategy == "fsdp" else 1
    everything = [p for p in skeleton.parameters() if p.requires_grad]
    weights, trained = _bytes(skeleton.parameters()), _bytes(everything)
    whole = whole_trained = 0
    if parts > 1:
        blocks = [list(block.parameters()) for block in skeleton.blocks()]
        inside = {p for block in blocks for p in block}
        rest = [p for p in skeleton.parameters() if p not in inside]
        gathered = 2 * max((_bytes(block) for block in blocks), default=0) // (2 if bf16 else 1)
        whole, whole_trained = _bytes(rest) + gathered, _bytes(p for p in rest if p.requires_grad)
    moments = 0
    for name, groups in skeleton.parameter_groups().items():
        kept = 1 if run.optimizers[name].kind == "muon" else 2  # muon keeps one moment of most, AdamW two of all
        moments += kept * sum(_bytes(group["params"]) for group in groups)
    average = trained if trainer.ema_decay else 0
    examples = trainer.batch_size // (world * trainer.accumulate)
    activations = skeleton.activation_bytes(examples, trainer.activation_checkpointing, bf16)
    return Memory(weights // parts + whole, trained // parts + whole_trained, (moments + average) // parts, activations)


def check_memory(run: TrainConfig, accelerator: str, bf16: bool) -> None:
    """Raise an :class:`AudiolmError` if ``run`` cannot fit, which says what would; systems may give no estimate."""
    skeleton = system_class(run.system).skeleton(run.config)
    if skeleton is None:
        return
    needed, has = estimate(run, skeleton, bf16), device_memory(accelerator, run.trainer.devices)
    if needed.total <= has:
        return
    where = {"gpu": "GPU", "cpu": "process"}[accelerator]
    parts = ", ".join(
        f"{name} {value / 1e9:.1f}"
        for name, value in (
            ("weights", needed.weights),
            ("gradients", needed.gradients),
            ("optimizer", needed.optimizer),
            ("activations", needed.activations),
        )
    )
    fits = [text for text, other in alternatives(run, skeleton) if estimate(run, skeleton, bf16, other).total <= has]
    advice = f"it would fit with {fits[0]}" if fits else "make the model or its sequences smaller, or use more devices"
    raise AudiolmError(
        f"this run needs at least {needed.total / 1e9:.1f} GB of each {where}'s memory ({parts}), which has "
        f"{has / 1e9:.1f} GB; {advice}"
    )


def alternatives(run: TrainConfig, skeleton: System) -> Iterator[tuple[str, TrainerConfig]]:
    """Other ways to compute the same training, the cheapest in time first, in words and as a configuration."""
    trainer = run.trainer
    world = trainer.devices * trainer.num_nodes
    shardable = world > 1 and skeleton.blocks() and all(o.kind != "muon" for o in run.optimizers.values())
    share = trainer.batch_size // world
    for strategy in dict.fromkeys((trainer.strategy, "fsdp" if shardable else trainer.strategy)):
        for recompute in dict.fromkeys((trainer.activation_checkpointing, True)):
            for accumulate in [n for n in range(trainer.accumulate, share + 1) if share % n == 0]:
                changed = replace(trainer, strategy=strategy, activation_checkpointing=recompute, accumulate=accumulate)
                words = [
                    f"trainer.{name} {str(getattr(changed, name)).lower()}"
                    for name in ("strategy", "activation_checkpointing", "accumulate")
                    if getattr(changed, name) != getattr(trainer, name)
                ]
                if words:
                    yield ", ".join(words), changed


def layers_bytes(shapes: Sequence[tuple[Any, int]], checkpointing: bool, bf16: bool) -> int:
    """Bytes that the backward pass needs of transformers' layers.

    Args:
        shapes: of each transformer, with ``dim``, ``layers``, ``ffn_dim`` and ``ffn``, and the number of positions.
        checkpointing: of all layers only the input is kept, and one at a time is computed again.
    """
    kept, layers = 0, []
    for shape, positions in shapes:
        layer = layer_bytes(shape.dim, shape.ffn_dim, shape.ffn == "silu_gated", bf16)
        kept += positions * shape.layers * (4 * shape.dim if checkpointing else layer)
        layers.append(positions * layer)
    return kept + max(layers) if checkpointing else kept


def layer_bytes(dim: int, ffn_dim: int, gated: bool, bf16: bool) -> int:
    """Bytes that the backward pass of one pre-norm transformer layer needs of one position.

    In float32 the inputs of both norms; in the products' type what goes into them and out: normalised inputs, queries,
    keys, values, attention's result, and the feed-forward block's inner values.
    """
    width = 2 if bf16 else 4
    return 2 * 4 * dim + width * (6 * dim + (4 if gated else 2) * ffn_dim)


def device_memory(accelerator: str, processes: int) -> int:
    """Bytes that one process may use: all of a GPU's, or its share of this machine's or container's (cgroup v2)."""
    if accelerator == "gpu":
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if CGROUP.is_file() and (limit := CGROUP.read_text().strip()) != "max":
        memory = min(memory, int(limit))
    return memory // processes


def _bytes(parameters) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)
