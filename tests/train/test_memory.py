"""Estimates of memory: against what a step really keeps, and the advice where it is too much."""

from pathlib import Path

import pytest
import torch
from toy_training import MOSHI, train_moshi, train_toy

from audiolm.errors import AudiolmError
from audiolm.models.moshi.data import stack
from audiolm.train import loop, memory
from audiolm.train.memory import check_memory, estimate, layer_bytes
from audiolm.train.options import read_config
from audiolm.train.randomness import Key
from audiolm.train.registry import system_class
from audiolm.train.shard import recompute
from tests.models.conftest import write_dump

PAPER = Path(__file__).parents[2] / "egs/fisher/dialogue1/conf/paper"


def paper(**keys):
    files = [PAPER / "lm.yaml", PAPER / "phases/3_fisher.yaml"]
    return read_config(files, [(f"trainer.{name}", str(value)) for name, value in keys.items()])


def kept_bytes(system, batch) -> int:
    """Bytes of different tensors, but for the parameters, that the graph of the loss holds."""
    parameters = {p.untyped_storage().data_ptr() for p in system.parameters()}
    kept = {}

    def note(tensor):
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        system.losses(batch, 0)
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_those_of_a_step(tmp_path, checkpointing):
    write_dump(tmp_path)
    wide = {
        "model": """{text_vocab: 20, levels: 3, codebook_size: 8,
            temporal: {dim: 64, layers: 6, heads: 4, ffn_dim: 176},
            depth: {dim: 32, layers: 4, heads: 4, ffn_dim: 88}}""",
        "data.mix": "{dialogue: {}}",
        "data.train": tmp_path / "train",
        "data.valid": tmp_path / "dev",
    }
    run = read_config([], [(name, str(value)) for name, value in {"system": "moshi", **MOSHI, **wide}.items()])
    system = system_class("moshi")(run.config)
    examples = system.examples()
    batch = stack([examples(Key(0, index)) for index in range(4)])
    if checkpointing:
        recompute(system.recomputed())
    told, found = system.activation_bytes(4, checkpointing, bf16=False), kept_bytes(system, batch)
    again = 4 * 30 * 6 * layer_bytes(32, 88, True, bf16=False) if checkpointing else 0  # in the backward pass
    assert 0.6 * found < told - again < 1.3 * found
    assert told < system.activation_bytes(8, checkpointing, bf16=False)


def test_the_paper_size_by_hand():
    run = paper(devices=8, strategy="ddp")
    needed = estimate(run, system_class("moshi").skeleton(run.config), bf16=True)
    billions = needed.weights / 4e9
    assert 7 < billions < 8.5
    assert needed.gradients == needed.weights and needed.optimizer == 2 * needed.weights


def test_too_much_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(memory, "device_memory", lambda accelerator, processes: 45e9)
    with pytest.raises(AudiolmError) as error:
        check_memory(paper(devices=8, strategy="ddp", activation_checkpointing="false"), "gpu", bf16=True)
    assert "needs at least" in str(error.value) and "of each GPU's memory (weights 3" in str(error.value)
    assert "which has 45.0 GB; it would fit with trainer.strategy fsdp, trainer.activation_checkpointing true" in str(
        error.value
    )
    with pytest.raises(AudiolmError, match="make the model or its sequences smaller, or use more devices"):
        check_memory(paper(devices=1), "gpu", bf16=True)
    check_memory(paper(devices=8, strategy="fsdp", activation_checkpointing="true"), "gpu", bf16=True)


def test_training_is_refused_before_it_starts(tmp_path, monkeypatch):
    write_dump(tmp_path)
    monkeypatch.setattr(memory, "device_memory", lambda accelerator, processes: 1e4)
    with pytest.raises(AudiolmError, match="needs at least 0.0 GB of each process's memory"):
        train_moshi(tmp_path / "exp")
    assert not (tmp_path / "exp" / "checkpoints").exists()
    train_toy(tmp_path / "toy")  # gives no estimate
    assert loop.check_memory is check_memory


def test_a_process_has_its_share_of_the_machine(monkeypatch, tmp_path):
    whole = memory.device_memory("cpu", 1)
    assert memory.device_memory("cpu", 2) == whole // 2
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory.device_memory("cpu", 4) == 250000
