"""Schedules, averages, optimizers, draws, loading and precision, each by itself."""

import doctest
import importlib
import json
import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.parametrizations import weight_norm
from torch.utils._python_dispatch import TorchDispatchMode
from toy_systems import Gan, Line, LineConfig, LineExamples

import audiolm
from audiolm.nn import processor
from audiolm.train import devices
from audiolm.train.checkpoint import own_tensors, save_tensors, set_tensors, unshared
from audiolm.train.config import OptimizerConfig
from audiolm.train.ema import EMA
from audiolm.train.loader import batches, key_lists
from audiolm.train.logs import Meter, NotFinite, truncate_metrics
from audiolm.train.muon import Muon, orthogonalise
from audiolm.train.optim import Optimizer, make_optimizers
from audiolm.train.randomness import Key, seed_torch
from audiolm.train.schedule import learning_rate
from audiolm.train.system import decay_matrices, frozen, hidden_kernels


@pytest.mark.parametrize(
    "module", "train.system train.randomness train.schedule train.options train.loader config.schema".split()
)
def test_examples_in_docstrings(module):
    assert doctest.testmod(importlib.import_module(f"audiolm.{module}")).failed == 0


def test_schedules_by_hand():
    cosine = OptimizerConfig(lr=2.0, min_lr=0.5, warmup=4, schedule="cosine")
    rates = [learning_rate(cosine, step, max_steps=12) for step in (0, 3, 4, 6, 8, 12, 99)]
    quarter = 0.5 + 1.5 * (1 + math.sqrt(0.5)) / 2
    assert rates == pytest.approx([0.5, 2.0, 2.0, quarter, 1.25, 0.5, 0.5])
    linear = OptimizerConfig(lr=2.0, schedule="linear", decay_steps=4)
    assert [learning_rate(linear, step, 100) for step in range(6)] == pytest.approx([2.0, 1.5, 1.0, 0.5, 0, 0])
    constant = OptimizerConfig(lr=2.0, warmup=2)
    assert [learning_rate(constant, step, 3) for step in range(4)] == [1.0, 2.0, 2.0, 2.0]


def test_ema_by_hand():
    module = torch.nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(1.0)
    ema = EMA(module, decay=0.25)
    module.weight.data.fill_(2.0)
    ema.update(0)  # decay 1 / 10
    assert ema.state()["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    module.weight.data.fill_(4.0)
    ema.update(99)  # decay 0.25
    assert ema.state()["weight"].item() == pytest.approx(0.25 * 1.9 + 0.75 * 4)
    with ema.applied():
        assert module.weight.item() == pytest.approx(3.475)
    assert module.weight.item() == 4.0 and ema.state()["weight"].item() == pytest.approx(3.475)


def test_optimizer_scales_clips_and_decays():
    class Two(Line):
        def parameter_groups(self):
            return {
                "main": [
                    {"params": [self.out.weight], "lr_scale": 0.5},
                    {"params": [self.out.bias], "weight_decay": 0.5},
                ]
            }

    system = Two(LineConfig())
    config = OptimizerConfig(lr=0.1, clip=1.0, weight_decay=0.0)
    optimizer = make_optimizers(system, {"main": config}, max_steps=10)["main"]
    weight, bias = system.out.weight.detach().clone(), system.out.bias.detach().clone()
    system.out.weight.grad, system.out.bias.grad = torch.full((1, 8), 3.0), torch.full((1,), 4.0)
    norm = optimizer.step(0)
    assert norm.item() == pytest.approx(math.sqrt(8 * 9 + 16))
    beta, moments = config.betas[0], optimizer.state()
    torch.testing.assert_close(moments["exp_avg/out.bias"], (1 - beta) * torch.tensor([4.0]) / norm)
    torch.testing.assert_close(moments["exp_avg/out.weight"], (1 - beta) * torch.full((1, 8), 3.0) / norm)
    # The first step of Adam is lr in the direction of the gradient.
    torch.testing.assert_close(system.out.weight.detach(), weight - 0.05)
    torch.testing.assert_close(system.out.bias.detach(), bias * (1 - 0.1 * 0.5) - 0.1)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_gradients_below_the_largest_norm_stay(kind):
    """Of AdamW and of Muon, whose clipping is not the same code."""
    systems = [Line(LineConfig()) for _ in range(2)]
    systems[1].load_state_dict(systems[0].state_dict())
    for system, clip in zip(systems, (0.0, 1e3), strict=True):
        for p in system.parameters():
            p.grad = torch.full_like(p, 0.5)
        config = OptimizerConfig(kind=kind, lr=0.1, clip=clip)
        make_optimizers(system, {"main": config}, max_steps=10)["main"].step(0)
    for p, other in zip(*(system.parameters() for system in systems), strict=True):
        assert torch.equal(p, other)


def test_optimizer_state_goes_by_name():
    source, target = Line(LineConfig()), Line(LineConfig())
    optimizers = [make_optimizers(s, {"main": OptimizerConfig()}, 10)["main"] for s in (source, target)]
    for p in source.parameters():
        p.grad = torch.randn_like(p)
    optimizers[0].step(0)
    state = optimizers[0].state()
    assert set(state) >= {"exp_avg/net.0.weight", "exp_avg_sq/out.bias", "step/out.weight"}
    optimizers[1].load(state)
    assert all(torch.equal(tensor, optimizers[1].state()[name]) for name, tensor in state.items())


def test_orthogonalised_matrices_have_singular_values_near_one():
    x = torch.randn(3, 20, 8, generator=torch.Generator().manual_seed(0))
    for matrices in (x, x.mT):
        values = torch.linalg.svdvals(orthogonalise(matrices))
        assert values.min() > 0.6 and values.max() < 1.3
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    torch.testing.assert_close(orthogonalise(x), u @ v, rtol=0, atol=0.25)  # the directions stay


def test_muon_steps_hidden_matrices_and_adamw_the_rest():
    class Deep(Line):
        def parameter_groups(self):
            hidden = decay_matrices(self.net, hidden=True)
            return {"main": [*hidden, *decay_matrices(self.out)]}

    systems = [Deep(LineConfig(inputs=8)) for _ in range(2)]
    systems[1].load_state_dict(systems[0].state_dict())
    config = OptimizerConfig(kind="muon", lr=0.1, clip=0.0)
    optimizers = [make_optimizers(system, {"main": config}, 10)["main"] for system in systems]
    before = systems[0].net[0].weight.detach().clone()

    def step(number: int, *which: int) -> None:
        generator = torch.Generator().manual_seed(number)
        gradients = [torch.randn(p.shape, generator=generator) for p in systems[0].parameters()]
        for i in which:
            for p, gradient in zip(systems[i].parameters(), gradients, strict=True):
                p.grad = gradient.clone()
            optimizers[i].step(number)

    step(0, 0)
    update = (systems[0].net[0].weight.detach() - before) / 0.1
    assert update.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)  # as AdamW's
    values = torch.linalg.svdvals(update)
    assert values.max() < 2.5 * values.min()
    state = optimizers[0].state()
    assert "momentum/net.0.weight" in state and "exp_avg/out.weight" in state and "exp_avg/net.0.weight" not in state
    optimizers[1].load({name: tensor.clone() for name, tensor in state.items()})
    systems[1].load_state_dict(systems[0].state_dict())
    step(1, 0, 1)
    assert all(torch.equal(a, b) for a, b in zip(*(system.parameters() for system in systems), strict=True))


def test_muon_takes_a_kernel_as_one_matrix():
    layers = torch.nn.Sequential(
        torch.nn.Conv1d(4, 6, 3), torch.nn.Conv1d(6, 6, 3, groups=6), weight_norm(torch.nn.Conv1d(6, 4, 1))
    )
    (group,) = hidden_kernels(layers)
    assert [p is layers[0].weight for p in group["params"]] == [True]  # neither the depthwise nor the normed one
    kernel = layers[0].weight
    before = kernel.detach().clone()
    kernel.grad = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    Muon([{"params": group["params"], "kernels": True}], lr=0.1).step()
    values = torch.linalg.svdvals((kernel.detach() - before).flatten(1))
    assert values.max() < 2.5 * values.min()
    assert hidden_kernels(torch.nn.Linear(2, 2)) == []


@pytest.mark.parametrize("kind, factor", [("muon", 3.0), ("adamw", 1.0)])
def test_muon_scale_is_of_the_matrices_that_muon_steps(kind, factor):
    net = Line(LineConfig(inputs=8))
    groups = [*decay_matrices(net.net, hidden=True, lr_scale=2.0), *decay_matrices(net.out)]
    names = {p: name for name, p in net.named_parameters()}
    optimizer = Optimizer(OptimizerConfig(kind=kind, lr=0.1, muon_scale=3.0), groups, names, 10)
    scales = {id(p): g["lr_scale"] for part in optimizer.parts for g in part.param_groups for p in g["params"]}
    assert scales[id(net.net[0].weight)] == 2.0 * factor
    assert scales[id(net.out.weight)] == 1.0


def test_decay_matrices_leaves_vectors_and_frozen_out():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 1))
    module[2].weight.requires_grad_(False)
    matrices, vectors = decay_matrices(module, lr_scale=2.0)
    assert [tuple(p.shape) for p in matrices["params"]] == [(3, 2)]
    assert len(vectors["params"]) == 4 and vectors["weight_decay"] == 0.0 and vectors["lr_scale"] == 2.0


def test_frozen_passes_gradients_through():
    system = Gan(LineConfig())
    x = torch.ones(3, 4)
    with frozen(system.critic):
        loss = system.critic(system.generator(x)).sum()
    loss.backward()
    assert all(p.grad is None and p.requires_grad for p in system.critic.parameters())
    assert system.generator.weight.grad is not None


def test_draws_depend_on_every_part_of_the_key():
    draws = {
        Key(seed, index).rng(name).integers(2**62) for seed in (0, 1) for index in (0, 1, 2**40) for name in ("a", "b")
    }
    assert len(draws) == 12
    assert Key(3, 5).rng("crop").integers(2**62) == Key(3, 5).rng("crop").integers(2**62)


def test_draws_never_change():
    """Results of earlier releases stay reproducible."""
    assert Key(0, 0).rng("crop").integers(1000, size=3).tolist() == [346, 260, 424]
    assert [Key(0, index).item(5) for index in range(5)] == [3, 2, 1, 0, 4]


@given(st.integers(1, 50), st.integers(0, 5), st.integers(0, 2**31))
def test_every_epoch_has_every_item_once(count, epoch, seed):
    indices = range(epoch * count, (epoch + 1) * count)
    assert sorted(Key(seed, index).item(count) for index in indices) == list(range(count))


def test_seed_torch_is_a_function_of_its_words():
    def draws(*words):
        seed_torch(*words)
        return torch.rand(2).tolist(), np.random.rand()

    assert draws(0, 1, 2) == draws(0, 1, 2)
    assert draws(0, 1, 2) != draws(0, 2, 1)


@given(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2]), st.integers(0, 3), st.integers(0, 3))
def test_ranks_and_parts_see_the_same_examples(world, accumulate, first, count):
    def of_step(world, accumulate):
        lists = [list(key_lists(7, range(first, first + count), 8, accumulate, rank, world)) for rank in range(world)]
        per_step = [lists[r][s * accumulate + a] for s in range(count) for a in range(accumulate) for r in range(world)]
        return [key.index for keys in per_step for key in keys]

    assert of_step(world, accumulate) == of_step(1, 1) == list(range(first * 8, (first + count) * 8))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_and_close_early(workers):
    with batches(LineExamples(4), key_lists(0, range(1000), 4), workers) as ahead:
        seen = [next(ahead)["index"].tolist() for _ in range(5)]
    assert seen == [[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3] for i in range(5)]


def test_tied_weights_are_kept_once_and_written_twice():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(2, 2, bias=False)
            self.b = torch.nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight
            self.register_buffer("count", torch.zeros(()))

    module = Tied()
    assert list(own_tensors(module)) == ["count", "a.weight"]
    set_tensors(module, {"a.weight": torch.eye(2), "count": torch.tensor(3.0)})
    assert torch.equal(module.b.weight, torch.eye(2)) and module.count == 3
    written = unshared(module.state_dict())
    assert set(written) == {"a.weight", "b.weight", "count"}
    assert written["a.weight"].data_ptr() != written["b.weight"].data_ptr()


def test_meter_waits_and_names_the_step():
    meter = Meter(lambda values: values, torch.device("cpu"))
    meter.add(0, {"loss/main": torch.tensor(1.0), "share": torch.tensor(math.nan)})
    meter.add(1, {"loss/main": torch.tensor(3.0), "acc": torch.tensor(2)})
    meter.flush()
    means = meter.means()
    assert means["loss/main"] == 2.0 and means["acc"] == 2.0 and math.isnan(means["share"])
    meter.add(2, {"loss/main": torch.tensor(1.0), "grad_norm/main": torch.tensor(math.inf)})
    meter.add(3, {"loss/main": torch.tensor(1.0)})
    with pytest.raises(NotFinite, match="step 3 is not finite: loss/main 1, grad_norm/main inf"):
        meter.flush()


def test_metrics_are_cut_after_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    kept = [{"step": 1}, {"step": 2, "valid/loss": 1.0}]
    path.write_text("\n".join(map(json.dumps, [*kept, {"step": 3}])) + '\n{"step": 3, "va')
    truncate_metrics(path, 5)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]
    truncate_metrics(path, 2)
    assert [json.loads(line) for line in path.read_text().splitlines()] == kept


def test_precision_follows_the_processor(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    for flags, has in {"fpu avx512f avx512_bf16": True, "fpu amx_bf16": True, "fpu avx512f": False}.items():
        cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
        processor.cpu_multiplies_bf16.cache_clear()
        assert processor.cpu_multiplies_bf16(cpuinfo) is has
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)  # as by ONEDNN_MAX_CPU_ISA
        processor.cpu_multiplies_bf16.cache_clear()
        assert not processor.cpu_multiplies_bf16(cpuinfo)
    assert not processor.cpu_multiplies_bf16(tmp_path / "none")
    processor.cpu_multiplies_bf16.cache_clear()
    monkeypatch.setattr(processor, "cpu_multiplies_bf16", lambda: True)
    assert [devices.choose_precision(kind, "cpu") for kind in ("auto", "bf16", "fp32")] == ["bf16", "bf16", "fp32"]
    assert orthogonalised_in() == torch.bfloat16


def test_nothing_is_computed_in_a_type_that_the_processor_emulates(monkeypatch, caplog):
    monkeypatch.setattr(processor, "cpu_multiplies_bf16", lambda: False)
    processor._warn.cache_clear()
    assert [devices.choose_precision(kind, "cpu") for kind in ("auto", "bf16", "fp32")] == ["fp32"] * 3
    assert caplog.messages == [
        "trainer.precision bf16: this processor does not multiply bf16, and emulates it slowly; fp32 is used instead"
    ]
    assert orthogonalised_in() == torch.float32


def orthogonalised_in() -> torch.dtype:
    """The type of Muon's products."""
    with TypesOfProducts() as types:
        orthogonalise(torch.randn(2, 8, 12))
    (kind,) = types.seen
    return kind


class TypesOfProducts(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "bmm" in func.__name__:
            self.seen.add(args[0].dtype)
        return func(*args, **(kwargs or {}))


# Process time, one thread: Muon's updates of a small model's matrices in the chosen type, in bfloat16 and in float32.
MUON_TIMES = """
import time, torch
from audiolm.train import muon
torch.set_num_threads(1)
x = torch.randn(4, 256, 512)
def seconds(kind):
    if kind is not None:
        muon.product_type = lambda device: kind
    times = []
    for _ in range(6):
        begin = time.process_time()
        for _ in range(3):
            muon.orthogonalise(x)
        times.append(time.process_time() - begin)
    return min(times)
chosen = seconds(None)
print(chosen, seconds(torch.bfloat16), seconds(torch.float32))
"""


@pytest.mark.slow
def test_muon_is_fast_on_an_emulated_processor_of_avx2():
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", MUON_TIMES], env=environment, capture_output=True, text=True, check=True
    )
    chosen, bf16, fp32 = map(float, done.stdout.split())
    assert chosen < bf16 / 4 and chosen < fp32 / 0.7


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept():
    script = """
import resource, torch
from audiolm.train.devices import keep_freed_memory
keep_freed_memory()
faults = []
for _ in range(12):
    kept = [torch.ones(2**23 + 2**16 * i) for i in (1, 2, 3)]  # a step's tensors, 100 MB, 24 768 pages
    kept.clear()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[11] - faults[5])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 6 * 24768 / 2


def test_writers_that_keep_a_file_to_its_owner_are_called_nowhere_else():
    """safetensors' save_file and tempfile's named files make 0600; save_tensors gives the rights of the umask."""
    private = re.compile(r"\bsave_file\(|NamedTemporaryFile|mkstemp|save_pretrained\(")
    files = Path(audiolm.__file__).parent.rglob("*.py")
    assert [path.name for path in files if private.search(path.read_text(encoding="utf-8"))] == ["checkpoint.py"]


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_tensors_are_written_under_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        for _ in range(2):  # also over an earlier file
            save_tensors({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask
