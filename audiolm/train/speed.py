"""How fast this machine trains now: steps of a small model as the demo's are, and products of matrices."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional as F

from audiolm.nn.transformer import Transformer, TransformerConfig
from audiolm.train.config import OptimizerConfig
from audiolm.train.devices import choose_precision, keep_freed_memory
from audiolm.train.optim import Optimizer

SHAPE = TransformerConfig(dim=192, layers=4, heads=4, ffn_dim=384, context=50)  # between the demo's codec and its LM
BATCH, FRAMES = 8, 50
PRODUCT = 768  # rows and columns


def training_speed(seconds: float) -> float:
    """Steps a second of a small transformer, as the loop takes them on this CPU: its threads, number format and Muon.

    The first third of the time is for warming up and does not count.
    """
    keep_freed_memory()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, x, target = Transformer(SHAPE), *torch.randn(2, BATCH, FRAMES, SHAPE.dim)
    hidden = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": hidden, "hidden": True}, {"params": [p for p in model.parameters() if p.ndim < 2]}]
    names = {p: name for name, p in model.named_parameters()}
    optimizer = Optimizer(OptimizerConfig(kind="muon", lr=1e-4), groups, names, 1000)
    bf16 = choose_precision("auto", "cpu") == "bf16"

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.mse_loss(model(x).float(), target)
        loss.backward()
        optimizer.step(0)
        model.zero_grad(set_to_none=True)

    _rate(step, seconds / 3)
    return _rate(step, seconds * 2 / 3)


def product_speed(seconds: float) -> float:
    """1e9 operations a second of matrix products in fp32 on one thread, which is what each of several jobs has."""
    a = torch.ones(PRODUCT, PRODUCT)
    with _one_thread():
        torch.mm(a, a)
        return _rate(lambda: torch.mm(a, a), seconds) * 2 * PRODUCT**3 / 1e9


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _rate(call, seconds: float) -> float:
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds or not count:
        call()
        count += 1
    return count / passed
