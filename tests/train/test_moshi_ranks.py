"""The dialogue LM on two processes (gloo), by DDP and in shards: the losses and weights of one process."""

import json

import pytest
import torch
from toy_training import same_weights, train_moshi

from audiolm.train.checkpoint import Checkpoints
from tests.models.conftest import write_dump

TEXT = {"data.text": "{share: 0.4, tokens: 8}", "optimizers.text": "{lr: 1.0e-3, eps: 1.0e-5}"}
LORA = {"lora": "{rank: 4, train: ['*embedding*']}"}


def losses(exp_dir) -> list[dict[str, float]]:
    return [json.loads(line) for line in (exp_dir / "metrics.jsonl").read_text().splitlines()]


def same_losses(one, two) -> None:
    one, two = losses(one), losses(two)
    assert [line["step"] for line in one] == [line["step"] for line in two] and one[-1]["step"] == 20
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds"}:
            assert a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-4), (a["step"], name)


@pytest.mark.parametrize("strategy", [pytest.param("ddp", marks=pytest.mark.slow), "fsdp"])
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, marks=pytest.mark.slow, id="audio"),
        pytest.param({**TEXT, "trainer.activation_checkpointing": True}, id="text"),
        pytest.param(LORA, marks=pytest.mark.slow, id="lora"),
    ],
)
def test_two_processes_equal_one(tmp_path, train_on_two, strategy, keys):
    write_dump(tmp_path)
    train_moshi(tmp_path / "one", **keys)
    train_on_two(tmp_path / "two", "moshi", by=train_moshi, **keys, **{"trainer.strategy": strategy})
    same_losses(tmp_path / "one", tmp_path / "two")
    same_weights(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_shards_resume_on_another_number_of_processes(tmp_path, train_on_two):
    write_dump(tmp_path)
    keys = {**TEXT, "trainer.ema_decay": 0.9}
    half, fsdp = {**keys, "trainer.max_steps": 10}, {"trainer.strategy": "fsdp"}
    train_moshi(tmp_path / "straight", **keys)
    train_on_two(tmp_path / "fewer", "moshi", by=train_moshi, **half, **fsdp)
    train_moshi(tmp_path / "fewer", **keys)
    train_moshi(tmp_path / "more", **half)
    train_on_two(tmp_path / "more", "moshi", by=train_moshi, **keys, **fsdp)
    for changed in (tmp_path / "fewer", tmp_path / "more"):
        kept = [line for line in losses(changed) if line["step"] <= 20 and "valid/loss" not in line]
        straight = [line for line in losses(tmp_path / "straight") if "valid/loss" not in line]
        for a, b in zip(straight, kept, strict=True):
            assert a["step"] == b["step"]
            for name in a.keys() - {"seconds"}:
                assert a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-4), (a["step"], name)
        same_weights(tmp_path / "straight", changed)
        parts = [Checkpoints(path).path(20) for path in (tmp_path / "straight", changed)]
        assert len({tuple(sorted(file.name for file in part.iterdir())) for part in parts}) == 1
        for name in ("system", "ema", "optimizer_main", "optimizer_text"):
            one, two = (Checkpoints(path).read(20, name) for path in (tmp_path / "straight", changed))
            assert {key: tensor.shape for key, tensor in one.items()} == {k: t.shape for k, t in two.items()}


@pytest.mark.slow
def test_shards_in_bf16_are_near(tmp_path, train_on_two):
    write_dump(tmp_path)
    keys = {"trainer.precision": "bf16", "trainer.accumulate": 2}
    train_moshi(tmp_path / "one", **keys)
    train_on_two(tmp_path / "two", "moshi", by=train_moshi, **keys, **{"trainer.strategy": "fsdp"})
    for a, b in zip(losses(tmp_path / "one"), losses(tmp_path / "two"), strict=True):
        if "loss/main" in a:
            assert a["loss/main"] == pytest.approx(b["loss/main"], rel=0.02)
    state = Checkpoints(tmp_path / "two").read(20, "system")
    assert state["model.backbone.text_head.weight"].dtype == torch.float32


def test_what_cannot_be_sharded_is_refused(tmp_path):
    from toy_training import toy_run

    from audiolm.errors import AudiolmError
    from audiolm.train.registry import system_class
    from audiolm.train.shard import check_shardable

    run = toy_run("Line")
    with pytest.raises(AudiolmError, match="Line names no blocks to shard .fsdp.; use ddp"):
        check_shardable(run, system_class(run.system)(run.config))
