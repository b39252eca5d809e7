"""Models that one device cannot hold: weights in shards (FSDP2), activations computed again in the backward pass."""

from collections.abc import Iterable, Mapping
from types import MethodType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from audiolm.errors import AudiolmError
from audiolm.train.config import TrainConfig

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    from audiolm.train.system import Batch, System


def shard(system: "System", mesh: "DeviceMesh", bf16: bool) -> "System":
    """Divide every parameter of ``system`` among the ranks of ``mesh``, block by block (FSDP2, Zhao et al. 2023).

    A block's weights are whole while it computes, in bf16 where that is the precision; what is in no block stays whole
    from the begin of ``losses`` to the end of the backward pass. Gradients are averaged in float32.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
    from torch.distributed.tensor import Shard

    def placement(p: nn.Parameter) -> Shard | None:
        # A level's matrices lie side by side in the first axis, of which there may be fewer than ranks.
        return Shard(1) if p.ndim == 3 and p.shape[1] % mesh.size() == 0 else None

    kind = torch.bfloat16 if bf16 else None
    policy = MixedPrecisionPolicy(param_dtype=kind, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in system.blocks():
        fully_shard(block, mesh=mesh, mp_policy=policy, shard_placement_fn=placement)
    _touch_all(system)
    fully_shard(system, mesh=mesh, shard_placement_fn=placement)
    for method in ("losses", "validate"):
        register_fsdp_forward_method(system, method)
    return system


def check_shardable(run: TrainConfig, system: "System") -> None:
    """Raise an :class:`AudiolmError` for what cannot be trained in shards."""
    name = type(system).__name__
    if not system.blocks():
        raise AudiolmError(f"trainer.strategy: {name} names no blocks to shard (fsdp); use ddp")
    for optimizer in system.parameter_groups():
        if run.optimizers[optimizer].kind == "muon":
            raise AudiolmError(
                f"optimizers.{optimizer}.kind: muon orthogonalises whole matrices, which trainer.strategy fsdp "
                "divides; use kind adamw, or strategy ddp"
            )


def _touch_all(system: "System") -> None:
    """Let every parameter outside the blocks have a gradient, zero where a rank's batch does not need it: ranks must
    reduce the same gradients.
    """
    losses = system.losses
    in_blocks = {p for block in system.blocks() for p in block.parameters()}
    names = [name for name, p in system.named_parameters() if p.requires_grad and p not in in_blocks]

    def with_all(system: "System", batch: "Batch", step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        values, metrics = losses(batch, step)
        parameters = dict(system.named_parameters())  # whole for now, and other tensors than those that are trained
        nothing = sum((parameters[name].flatten()[:1] * 0).sum() for name in names)
        first = next(iter(values))
        return {**values, first: values[first] + nothing}, metrics

    system.losses = MethodType(with_all, system)


def recompute(blocks: Iterable[nn.Module]) -> None:
    """Keep a block's input alone for the backward pass, and compute the rest again there (Chen et al. 2016)."""
    for block in blocks:
        block.forward = _recomputed(block.forward)


def _recomputed(forward):
    def wrapped(*args, **kwargs):
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return wrapped


def is_sharded(tensor: Tensor) -> bool:
    """Whether this is a rank's part of a tensor."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor, gathered from all ranks (which must all ask for it); another one as it is."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def gathered(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """All of ``tensors`` whole, in this machine's memory where there were shards; nothing where ``keep`` is false.

    One tensor after another, so that no device holds two whole ones.
    """
    result = {}
    for name, tensor in tensors.items():
        full = whole(tensor.detach())
        if keep:
            result[name] = full.cpu() if is_sharded(tensor) else full
    return result


def shard_like(value: Tensor, model: Tensor) -> Tensor:
    """``value``, which every rank has whole, divided as ``model`` is; as it is where that is not sharded."""
    if not is_sharded(model) or value.shape != model.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(model.device, model.dtype)
    return distribute_tensor(value, model.device_mesh, model.placements, src_data_rank=None)
