"""Where a run computes and in which precision: one Lightning Fabric for CPU, GPU, DDP and FSDP2."""

import ctypes
import gc
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from audiolm.errors import AudiolmError
from audiolm.nn.processor import multiplies_bf16, never_slower
from audiolm.train.config import TrainerConfig
from audiolm.train.shard import shard

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import ClusterEnvironment

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h


def make_fabric(config: TrainerConfig) -> "Fabric":
    """Return the Fabric that ``config`` asks for, its processes launched: one per device.

    With several devices and no launcher (torchrun, srun) in charge, Fabric starts the other processes by running this
    command again.

    Raises:
        AudiolmError: a GPU is asked for and there is none, the batch does not divide into equal parts, or srun has
            started another number of processes.
    """
    accelerator = choose_accelerator(config.accelerator)
    world = config.devices * config.num_nodes
    if config.batch_size % (world * config.accumulate):
        raise AudiolmError(
            f"trainer.batch_size {config.batch_size} does not divide into {world} (processes) × {config.accumulate} "
            f"(trainer.accumulate) equal parts; use a multiple of {world * config.accumulate}"
        )
    Fabric, DDPStrategy, ModelParallelStrategy = fabric_classes()
    if accelerator == "cpu":  # Fabric sets it; AdamW's step would then look for NVIDIA's library each time (80 µs)
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="The `srun` command is available")
    # A step may leave parameters without gradient (a discriminator before its start); DDP must expect it.
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    if world == 1:
        strategy = "auto"
    elif config.strategy == "fsdp":
        bf16 = choose_precision(config.precision, accelerator) == "bf16"
        strategy = ModelParallelStrategy(
            lambda system, mesh: shard(system, mesh["data_parallel"], bf16),
            data_parallel_size=world,
            tensor_parallel_size=1,
        )
    else:
        strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(
        accelerator={"gpu": "cuda"}.get(accelerator, accelerator),
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision="32-true",  # the loop does autocast: Fabric's would skip marked methods, and round inputs to bf16
        strategy=strategy,
        plugins=cluster(config, os.environ),
    )
    fabric.launch()
    return fabric


def leave_group(fabric: "Fabric") -> None:
    """End the processes' group when all have come here, what held on to it first.

    Left to the interpreter's end, one process in several aborted there, and its job failed after a finished training.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        fabric.barrier()
        gc.collect()  # DDP's module refers to itself
        torch.distributed.destroy_process_group()


def cluster(config: TrainerConfig, environment: Mapping[str, str]) -> list["ClusterEnvironment"]:
    """Return the plugin that keeps Fabric from mistaking any job of Slurm for one whose tasks are this run's processes.

    They are only where srun has started them; elsewhere Fabric starts the processes of this machine itself.

    Raises:
        AudiolmError: srun has started another number of processes than ``config`` asks for.
    """
    if "SLURM_NTASKS" not in environment or "TORCHELASTIC_RUN_ID" in environment:
        return []
    world, tasks = config.devices * config.num_nodes, int(environment.get("SLURM_STEP_NUM_TASKS") or 1)
    if tasks == world > 1:
        return []
    if tasks > 1 or config.num_nodes > 1:
        raise AudiolmError(
            f"trainer.devices {config.devices} × trainer.num_nodes {config.num_nodes} make {world} processes, but "
            f"Slurm has started {tasks}; audiolm launch wants --nodes {config.num_nodes} --tasks {config.devices}"
        )
    from lightning_fabric.plugins.environments import LightningEnvironment

    return [LightningEnvironment()]


def fabric_classes() -> tuple[type, type, type]:
    """Return Fabric and its strategies for DDP and FSDP2.

    Fabric asks for torchmetrics' version by importing all of it, with transformers and matplotlib: 3 s at each start.
    It does without where torchmetrics is not installed, and so it seems to be here.
    """
    hidden = "torchmetrics" not in sys.modules
    if hidden:
        sys.modules["torchmetrics"] = None  # type: ignore[assignment]
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy
    finally:
        if hidden:
            del sys.modules["torchmetrics"]
    return Fabric, DDPStrategy, ModelParallelStrategy


def choose_accelerator(accelerator: str) -> str:
    """Return "cpu" or "gpu" for "cpu", "gpu" or "auto"."""
    available = torch.cuda.is_available()
    if accelerator == "gpu" and not available:
        raise AudiolmError("trainer.accelerator is gpu, but torch finds none; check nvidia-smi and torch's CUDA build")
    return ("gpu" if available else "cpu") if accelerator == "auto" else accelerator


def choose_precision(precision: str, accelerator: str) -> str:
    """Return "bf16" or "fp32" for "bf16", "fp32" or "auto" on an accelerator, "cpu" or "gpu".

    "auto" is bf16 where the device multiplies it; where it does not, "bf16" is fp32 too, with a warning.
    """
    device = {"gpu": "cuda"}.get(accelerator, accelerator)
    if precision == "auto":
        return "bf16" if multiplies_bf16(device) else "fp32"
    return never_slower(precision, device, "trainer.precision")


def keep_freed_memory() -> None:
    """Keep what a training step on a CPU frees for the next one (glibc; elsewhere nothing happens).

    Otherwise large blocks are mapped anew each time, and the kernel clears them page by page: a tenth of the time of an
    LM of 400M parameters in fp32, a seventh in bf16. The process then stays at its largest size.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # never
        mallopt(M_TOP_PAD, 2**26)
