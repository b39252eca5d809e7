"""The typed configuration of a training run: what the loop and the optimizers can be told, and a run's complete file.

A YAML file (or several, merged in order) names the system and overrides defaults:

    system: codec
    quantizer: {n_q: 8}                     # the system's own fields, at the top level
    trainer: {max_steps: 4000, batch_size: 32, precision: auto}
    optimizers: {generator: {lr: 8.0e-4, betas: [0.5, 0.9]}, discriminator: {lr: 8.0e-4}}

:mod:`audiolm.train.options` reads and validates such files; this module imports no torch.
"""

from dataclasses import dataclass
from typing import Any, Literal

from audiolm.config.checks import at_least
from audiolm.errors import AudiolmError


@dataclass
class OptimizerConfig:
    """AdamW (decoupled weight decay; Loshchilov and Hutter, 2019) and the course of its learning rate.

    Attributes:
        kind: adamw, or muon: Muon (:mod:`audiolm.train.muon`) for the matrices that the system marks as hidden, AdamW
            for all else.
        lr: Learning rate after warm-up.
        muon_scale: Factor on it for the matrices that Muon updates.
        betas: Decay rates of the first and second moments.
        eps: Added to the root of the second moment.
        weight_decay: Decoupled weight decay of the groups that set none of their own.
        clip: Largest gradient norm over all the optimizer's parameters; larger gradients are scaled down. 0: no limit.
        warmup: Steps over which the learning rate rises linearly from 0.
        schedule: Learning rate after warm-up: constant, or falling to min_lr by cosine or linear.
        min_lr: Learning rate at the end of a cosine or linear schedule.
        decay_steps: Step at which min_lr is reached; null: trainer.max_steps.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-3
    muon_scale: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup: int = 0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    min_lr: float = 0.0
    decay_steps: int | None = None

    def __post_init__(self):
        at_least(self, 0, "lr", "muon_scale", "weight_decay", "clip", "warmup", "min_lr")
        for beta in self.betas:
            if not 0 <= beta < 1:
                raise AudiolmError(f"betas: found {list(self.betas)}, expected numbers in [0, 1)")


@dataclass
class TrainerConfig:
    """The training loop.

    Attributes:
        max_steps: Number of optimizer steps. The one key that may be raised later: training then goes on.
        batch_size: Examples of one optimizer step, over all processes and accumulated parts together.
        accumulate: Parts in which each process computes its share of the batch, one after another, to save memory.
        seed: Seed of every random draw: initial weights, data, dropout.
        precision: bf16 (autocast), fp32, or auto: bf16 where the GPU, or the CPU (AVX512-BF16, AMX), computes in it.
        ema_decay: Decay of the exponential moving average of the weights, per step; 0: none. Early on it is
            min(ema_decay, (1 + step) / (10 + step)), so that initial weights are forgotten.
        log_every: Steps between two lines of metrics; a run of no more steps than this writes a line after each step.
        valid_every: Steps between two validations; 0: only after the last step.
        save_every: Steps between two checkpoints; 0: only after the last step.
        keep_last: Number of latest checkpoints to keep.
        keep_best: Number of best checkpoints to keep, by best_metric; each is saved at its validation.
        best_metric: Validation metric by which checkpoints are ranked; lower is better.
        export: Checkpoints that model.safetensors comes from, the last or the best (their EMA weights if there are).
        average: Number of those checkpoints whose weights are averaged.
        num_workers: Processes that make examples ahead; 0: one thread of the training process.
        accelerator: Where to train; auto: a GPU if there is one.
        devices: Processes per machine, one device each.
        num_nodes: Number of machines.
        strategy: How several processes share the work. ddp: each has all weights; fsdp: each has a part of them, and
            of the optimizers' states (FSDP2), for models that one device cannot hold.
        activation_checkpointing: Keep only each block's input for the backward pass and compute the rest again there:
            a third more time for a fraction of the memory.
        min_free_disk: Gigabytes that a checkpoint must leave free on the disk.
        reference: Curve (audiolm curve) that the run is compared with; leaving it is told in train.log. null: none.
    """

    max_steps: int = 1000
    batch_size: int = 16
    accumulate: int = 1
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    ema_decay: float = 0.0
    log_every: int = 50
    valid_every: int = 500
    save_every: int = 500
    keep_last: int = 2
    keep_best: int = 0
    best_metric: str = "loss"
    export: Literal["last", "best"] = "last"
    average: int = 1
    num_workers: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    activation_checkpointing: bool = False
    min_free_disk: float = 0.5
    reference: str | None = None

    def __post_init__(self):
        at_least(self, 1, "max_steps", "batch_size", "accumulate", "log_every", "keep_last", "average")
        at_least(self, 1, "devices", "num_nodes")
        at_least(self, 0, "valid_every", "save_every", "keep_best", "num_workers", "min_free_disk")
        if not 0 <= self.ema_decay < 1:
            raise AudiolmError(f"ema_decay: found {self.ema_decay}, expected a number in [0, 1)")
        kept = self.keep_last if self.export == "last" else self.keep_best
        if kept < self.average:
            raise AudiolmError(
                f"keep_{self.export}: found {kept}, expected at least {self.average} (average) because export is "
                f"'{self.export}'"
            )


# Keys that say where and how fast a run computes and who watches, not what: they may change when a run is resumed.
PLACE_KEYS = frozenset(
    f"trainer.{name}"
    for name in (
        "accelerator devices num_nodes strategy activation_checkpointing num_workers min_free_disk reference".split()
    )
)


@dataclass
class TrainConfig:
    """Everything that defines a run.

    Attributes:
        system: Name of the system (:mod:`audiolm.train.registry`).
        init: Experiment directory whose exported weights training starts from, or None.
        trainer: The loop.
        optimizers: The optimizers by name.
        config: The system's own configuration, an instance of its ``config_class``.
        complete: All of it as plain values with every default: what ``config.yaml`` holds.
    """

    system: str
    init: str | None
    trainer: TrainerConfig
    optimizers: dict[str, OptimizerConfig]
    config: Any
    complete: dict[str, Any]
