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
