"""The training loop: one for plain and adversarial training, on CPU, GPU or several of them."""

import errno
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from audiolm import __version__
from audiolm.errors import AudiolmError
from audiolm.train import checkpoint, reference
from audiolm.train.checkpoint import Checkpoints
from audiolm.train.config import TrainConfig
from audiolm.train.devices import choose_accelerator, choose_precision, leave_group, make_fabric
from audiolm.train.ema import EMA
from audiolm.train.experiment import check_config, finished_step, locked, write_config
from audiolm.train.loader import batches, key_lists
from audiolm.train.logs import Logs, Meter, NotFinite, Progress, logger, record
from audiolm.train.memory import check_memory
from audiolm.train.optim import make_optimizers
from audiolm.train.randomness import seed_torch
from audiolm.train.reference import Alarm, read_reference, write_reference
from audiolm.train.registry import system_class
from audiolm.train.shard import check_shardable, gathered, recompute
from audiolm.train.sounds import write_sounds
from audiolm.train.system import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(run: TrainConfig, exp_dir: str | Path) -> None:
    """Train ``run`` in ``exp_dir`` to its end, from the latest checkpoint there; do nothing if it has finished.

    Raises:
        AudiolmError: the directory belongs to another config or process, the disk is full, a loss is not finite, …
    """
    exp_dir = Path(exp_dir)
    check_config(run, exp_dir)
    if finished_step(exp_dir) == run.trainer.max_steps:
        print(f"{exp_dir} is finished: {run.trainer.max_steps} steps", file=sys.stderr)
        return
    fabric = make_fabric(run.trainer)
    with locked(exp_dir) if fabric.is_global_zero else nullcontext():
        try:
            Trainer(run, exp_dir, fabric).fit()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise AudiolmError(f"cannot write to {exp_dir}: {error.strerror}; make room and run it again") from error
    leave_group(fabric)


class Trainer:
    """One run: the system, its optimizers and averages, and the number of steps they have done.

    Args:
        run: the configuration.
        exp_dir: where everything is written.
        fabric: the device and the other ranks.
    """

    def __init__(self, run: TrainConfig, exp_dir: Path, fabric: "Fabric"):
        self.run, self.config, self.exp_dir, self.fabric = run, run.trainer, exp_dir, fabric
        self.precision = choose_precision(self.config.precision, choose_accelerator(self.config.accelerator))
        check_memory(run, choose_accelerator(self.config.accelerator), self.precision == "bf16")
        self.checkpoints = Checkpoints(exp_dir, self.config.min_free_disk)
        seed_torch(self.config.seed, "initial weights")
        self.system = system_class(run.system)(run.config)
        self.system.exp_dir = exp_dir
        self.reference = read_reference(Path(self.config.reference)) if self.config.reference else {}
        if run.init and not self.checkpoints.steps():
            self._init_from(run.init)
        self.sharded = self.config.strategy == "fsdp" and fabric.world_size > 1
        if self.sharded:
            check_shardable(run, self.system)
        else:  # shards go to their devices block by block: the whole may not fit
            self.system.to(fabric.device)
        if self.config.activation_checkpointing:
            recompute(self.system.recomputed())
        self.module = fabric.setup_module(self.system, move_to_device=False)
        self.module.mark_forward_method("losses")
        self.optimizers = make_optimizers(self.system, run.optimizers, self.config.max_steps)
        self.ema = EMA(self.system, self.config.ema_decay) if self.config.ema_decay else None
        self.parameters = [p for p in self.system.parameters() if p.requires_grad]
        self.meter = Meter(self._mean, fabric.device)
        # So few steps are a curve only where each has its line.
        self.log_every = self.config.log_every if self.config.max_steps > self.config.log_every else 1
        # Reading values is free on one CPU, and tells of a broken loss at once; elsewhere it would make all wait.
        self.flush_every = 1 if fabric.device.type == "cpu" and fabric.world_size == 1 else self.log_every
        self.best: list[tuple[float, int]] = []  # (metric, step), best first
        self.step = 0
        self.seconds = 0.0
        if self.checkpoints.steps():
            self._resume(self.checkpoints.steps()[-1])

    def fit(self) -> None:
        """Train to ``max_steps``, then export."""
        zero, config = self.fabric.is_global_zero, self.config
        self.logs = None
        if zero:
            (self.exp_dir / "done").unlink(missing_ok=True)
            write_config(self.run, self.exp_dir, self.system.found())
            self.checkpoints.prune(self._kept())
            self.logs = Logs(self.exp_dir, self.step)
            self.alarm = Alarm(self.reference)
            if self.reference:
                write_reference(self.exp_dir / reference.NAME, self.reference)
        self.progress = Progress(self.step, config.max_steps, self.seconds)
        keys = key_lists(
            config.seed,
            range(self.step, config.max_steps),
            config.batch_size,
            config.accumulate,
            self.fabric.global_rank,
            self.fabric.world_size,
        )
        try:
            if zero:
                self._log_start()
            self.system.train()
            cuda = self.fabric.device.type == "cuda"
            with batches(self.system.examples(), keys, config.num_workers, pin_memory=cuda) as ahead:
                while self.step < config.max_steps:
                    self._one_step(ahead)
                    self._after_step()
            self._on_rank_zero(self._export)
        except AudiolmError as error:
            logger.info("stopped: %s", error)
            raise
        finally:
            if zero:
                self.progress.close()
                self.logs.close()

    def _one_step(self, ahead: Iterator[Batch]) -> None:
        """Losses of all parts of the batch, one backward pass each, then the optimizers that were named."""
        step, parts = self.step, self.config.accumulate
        seed_torch(self.config.seed, step, self.fabric.global_rank)
        values: dict[str, Tensor | float] = {}
        named: dict[str, None] = {}
        for part in range(parts):
            batch = self._to_device(next(ahead))
            # Shards are summed at once: whole gradients would wait in every device's memory.
            with self.fabric.no_backward_sync(self.module, enabled=part < parts - 1 and not self.sharded):
                with self._autocast():
                    losses, metrics = self.module.losses(batch, step)
                named.update(dict.fromkeys(losses))
                total = sum(losses.values())
                self.fabric.backward(total / parts if parts > 1 else total)
            terms = {f"loss/{name}": loss.detach() for name, loss in losses.items()} | metrics
            for name, value in terms.items():
                share = value / parts if parts > 1 else value
                values[name] = values[name] + share if name in values else share
        for name in named:
            norm = self.optimizers[name].step(step)
            if norm is not None:
                values[f"grad_norm/{name}"] = norm
        for p in self.parameters:
            p.grad = None
        self.system.after_step(step)
        if self.ema:
            self.ema.update(step)
        self.meter.add(step, values)
        self.step += 1

    def _after_step(self) -> None:
        """Log, validate and save, each where it is due."""
        step, config = self.step, self.config
        last = step == config.max_steps
        save = last or due(step, config.save_every)
        if step % self.flush_every == 0 or due(step, self.log_every) or save:
            self._flush()
        if due(step, self.log_every) or last:
            self._log()
        if last or due(step, config.valid_every):
            save |= self._validate()
        if save:
            self._save()

    def _flush(self) -> None:
        try:
            self.meter.flush()
        except NotFinite as error:
            steps = self.checkpoints.steps()
            kept = f"the checkpoint of step {steps[-1]} is kept" if steps else "no checkpoint was written yet"
            raise AudiolmError(f"{error}; {kept}; try a lower optimizers.*.lr or clip, or fp32") from error

    def _log(self) -> None:
        means = self.meter.means()
        if self.logs and means:
            rates = {
                f"lr/{name}": optimizer.learning_rate(self.step - 1) for name, optimizer in self.optimizers.items()
            }
            self.logs.write(self.step, {"seconds": round(self.progress.seconds(), 3), **means, **rates})
            self.alarm.hear(self.step, means)
            logger.info(self.progress.line(self.step, means))

    @torch.no_grad()
    def _validate(self) -> bool:
        """Validate; return whether this step is now among the best that are kept."""
        seed_torch(self.config.seed, "validation")
        rank, world = self.fabric.global_rank, self.fabric.world_size
        self.system.eval()
        sums: dict[str, list[tuple[Any, Any]]] = {}
        with self.ema.applied() if self.ema else nullcontext(), self._autocast():
            count = 0
            for count, batch in enumerate(self.system.validation_batches(), 1):
                if (count - 1) % world == rank:
                    for name, pair in self.system.validate(self._to_device(batch)).items():
                        sums.setdefault(name, []).append(pair)
            if self.sharded and 0 < count % world <= rank:  # all ranks must gather the same weights as often
                self.system.validate(self._to_device(batch))
            sounds = self.system.sounds() if self.logs and not self.sharded else None
        self.system.train()
        totals = {
            name: tuple(sum(float(x) for x in column) for column in zip(*sums[name], strict=True)) for name in sums
        }
        values = mean_over_ranks(totals, world)
        if sounds:
            write_sounds(self.exp_dir, self.logs.board, self.step, sounds)
        if not values:
            return False
        if self.logs:
            named = {f"valid/{name}": value for name, value in values.items()}
            self.logs.write(self.step, named)
            self.alarm.hear(self.step, named)
            logger.info("step %d, validation: %s", self.step, record(**{k: f"{v:.4g}" for k, v in values.items()}))
        return self._rank(values)

    def _rank(self, values: dict[str, float]) -> bool:
        if not self.config.keep_best:
            return False
        metric = self.config.best_metric
        if metric not in values:
            raise AudiolmError(f"trainer.best_metric: found '{metric}', expected one of: {', '.join(values)}")
        if math.isfinite(values[metric]):
            self.best = sorted([*self.best, (values[metric], self.step)])[: self.config.keep_best]
        return any(step == self.step for _, step in self.best)

    def _save(self) -> None:
        """Write a checkpoint on rank 0, and remove those that are no longer to be kept."""
        parts = {"system": checkpoint.own_tensors(self.system)}
        if self.ema:
            parts["ema"] = self.ema.state()
        parts |= {f"optimizer_{name}": optimizer.state() for name, optimizer in self.optimizers.items()}
        state = {
            "step": self.step,
            "seconds": self.progress.seconds(),
            "best": self.best,
            "sums": self.meter.sums,
            "world_size": self.fabric.world_size,
            "audiolm": __version__,
            "torch": torch.__version__,
        }
        parts = {part: gathered(tensors, self.fabric.is_global_zero) for part, tensors in parts.items()}

        def write() -> None:
            self.checkpoints.write(self.step, parts, state)
            self.checkpoints.prune(self._kept())

        self._on_rank_zero(write)

    def _init_from(self, exp_dir: str) -> None:
        try:
            self.system.load_init(self.system.read_init(exp_dir))
        except AudiolmError as error:
            raise AudiolmError(f"cannot start from {exp_dir} (--init): {error}") from error

    def _resume(self, step: int) -> None:
        state = self.checkpoints.read_state(step)
        checkpoint.set_tensors(self.system, self.checkpoints.read(step, "system"))
        if self.ema:
            self.ema.load(self.checkpoints.read(step, "ema"))
        for name, optimizer in self.optimizers.items():
            optimizer.load(self.checkpoints.read(step, f"optimizer_{name}"))
        self.step, self.seconds = step, state["seconds"]
        self.best = [tuple(pair) for pair in state["best"]]
        self.meter.sums = {name: tuple(pair) for name, pair in state["sums"].items()}

    def _regular(self) -> list[int]:
        """Steps of the checkpoints that are there by turn, not for being among the best."""
        steps = self.checkpoints.steps()
        return [step for step in steps if due(step, self.config.save_every) or step == steps[-1]]

    def _kept(self) -> set[int]:
        return {*self._regular()[-self.config.keep_last :], *(step for _, step in self.best)}

    @torch.no_grad()
    def _export(self) -> None:
        """Write ``model.safetensors`` of the checkpoints that ``export`` and ``average`` name, then ``done``."""
        config = self.config
        if config.export == "best" and not self.best:
            raise AudiolmError("trainer.export is 'best', but no validation gave a finite trainer.best_metric")
        best = [step for _, step in self.best]
        steps = (best if config.export == "best" else self._regular()[::-1])[: config.average]
        names = [name for name, p in self.system.named_parameters() if p.requires_grad]
        # Shards of the others are not at hand here, and need not be: the checkpoint has all.
        system = system_class(self.run.system)(self.run.config) if self.sharded else self.system
        checkpoint.set_tensors(system, self.checkpoints.averaged(steps, names))
        system.eval()
        state, beside = system.export_state(), system.export_parts()
        sizes = [tensor.nbytes for tensors in (state, *beside.values()) for tensor in tensors.values()]
        self.checkpoints.check_disk(sum(sizes), checkpoint.MODEL)
        for name, tensors in beside.items():
            checkpoint.write_model(self.exp_dir, tensors, name)
        checkpoint.write_model(self.exp_dir, state)
        done = {"step": self.step, "from": steps, "checksum": checkpoint.checksum(self.exp_dir)}
        checkpoint.write_json(self.exp_dir / "done", done)
        logger.info("finished: %s from checkpoint %s", checkpoint.MODEL, ", ".join(map(str, steps)))

    def _mean(self, values: Tensor) -> Tensor:
        """Mean over the ranks."""
        return self.fabric.all_reduce(values, reduce_op="mean") if self.fabric.world_size > 1 else values

    def _on_rank_zero(self, action: Callable[[], None]) -> None:
        """Run ``action`` on rank 0 while the others wait; its error is raised on every rank."""
        error = None
        if self.fabric.is_global_zero:
            try:
                action()
            except AudiolmError as failure:
                error = failure
        if self.fabric.world_size > 1:
            error = self.fabric.broadcast(error)
        if error:
            raise error

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def _to_device(self, batch: Batch) -> Batch:
        return batch if self.fabric.device.type == "cpu" else self.fabric.to_device(batch)

    def _log_start(self) -> None:
        fabric, system = self.fabric, self.system
        logger.info(
            record(
                audiolm=__version__,
                torch=torch.__version__,
                device=fabric.device,
                ranks=fabric.world_size,
                threads=torch.get_num_threads(),
                precision=self.precision,
                system=type(system).__name__,
                parameters=f"{sum(p.numel() for p in self.parameters):,}",
            )
        )
        logger.info("begins" if self.step == 0 else f"goes on from step {self.step}")


def due(step: int, every: int) -> bool:
    """Return whether something done ``every`` so many steps (0: never) is due after finished step ``step``."""
    return every > 0 and step % every == 0


def mean_over_ranks(totals: dict[str, tuple[float, float]], world: int) -> dict[str, float]:
    """Return sum / count of each metric, with the sums and counts of all ranks added."""
    every = [totals]
    if world > 1:
        every = [None] * world
        torch.distributed.all_gather_object(every, totals)
    names = dict.fromkeys(name for part in every for name in part)
    added = {name: [sum(part[name][i] for part in every if name in part) for i in (0, 1)] for name in names}
    return {name: total / count if count else math.nan for name, (total, count) in added.items()}
