"""Shards in one process: the same losses and gradients, whole tensors out and in again; what is refused."""

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from toy_training import MOSHI, toy_run

from audiolm.errors import AudiolmError
from audiolm.models.moshi.data import stack
from audiolm.train.checkpoint import own_tensors, set_tensors
from audiolm.train.options import read_config
from audiolm.train.randomness import Key
from audiolm.train.registry import system_class
from audiolm.train.shard import check_shardable, gathered, is_sharded, recompute, shard
from tests.models.conftest import write_dump


@pytest.fixture
def mesh(tmp_path):
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def moshi(dump, **keys):
    sets = {"data.train": dump / "train", "data.valid": dump / "dev"}
    given = {"system": "moshi", **MOSHI, **sets, **keys}
    return read_config([], [(name, str(value)) for name, value in given.items()])


def test_a_sharded_system_is_the_system(tmp_path, mesh):
    run = moshi(write_dump(tmp_path))
    torch.manual_seed(0)
    plain = system_class("moshi")(run.config)
    torch.manual_seed(0)
    sharded = system_class("moshi")(run.config)
    check_shardable(run, sharded)
    recompute(sharded.recomputed())
    shard(sharded, mesh, bf16=False)
    examples = plain.examples()
    sharded.examples()
    batch = stack([examples(Key(0, index)) for index in range(2)])
    for system in (plain, sharded):
        system.losses(batch, 0)[0]["main"].backward()
    assert all(is_sharded(p) for p in sharded.parameters())
    for (name, p), q in zip(plain.named_parameters(), sharded.parameters(), strict=True):
        gradient = torch.zeros_like(p) if p.grad is None else p.grad
        torch.testing.assert_close(q.grad.full_tensor(), gradient, rtol=1e-4, atol=1e-6, msg=name)
    whole = gathered(own_tensors(sharded), keep=True)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in own_tensors(plain).items())
    assert gathered(own_tensors(sharded), keep=False) == {}
    changed = {name: tensor + 1 for name, tensor in whole.items()}
    set_tensors(sharded, changed)
    after = gathered(own_tensors(sharded), keep=True)
    assert all(torch.equal(tensor, changed[name]) for name, tensor in after.items())


def test_what_cannot_be_sharded_is_refused(tmp_path):
    run = toy_run("Line")
    with pytest.raises(AudiolmError, match="Line names no blocks to shard .fsdp.; use ddp"):
        check_shardable(run, system_class(run.system)(run.config))
    run = moshi(tmp_path, **{"optimizers.main": "{kind: muon}"})
    with pytest.raises(AudiolmError, match="optimizers.main.kind: muon orthogonalises whole matrices"):
        check_shardable(run, system_class("moshi")(run.config))
