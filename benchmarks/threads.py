"""How fast small layers train with one or two threads, alone and beside a busy process, by how idle threads wait.

    python benchmarks/threads.py [--seconds 3] [--rounds 3]

Threads of OpenMP that wait for the next product either spin, which is fastest alone and keeps the core from whoever
else wants it, or sleep. Every setting in a process of its own, by turns: a transformer of the demo's size, forward and
backward pass and AdamW. Told are steps a second, the median of the rounds, and the share that is left beside the busy
process.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

SETTINGS = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin 1000": {"GOMP_SPINCOUNT": "1000"},
    "spin 10000": {"GOMP_SPINCOUNT": "10000"},
    "spin 100000": {"GOMP_SPINCOUNT": "100000"},
}
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    options.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    options.add_argument("--work", type=float, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.work:
        print(json.dumps(steps_a_second(args.work)))
        return
    took: dict[tuple, list[float]] = {}
    for _ in range(args.rounds):
        for threads in args.threads:
            for name in args.settings if threads > 1 else args.settings[:1]:
                for busy in (False, True):
                    took.setdefault((threads, name, busy), []).append(measure(threads, SETTINGS[name], busy, args))
    for (threads, name, busy), rates in took.items():
        if busy:
            alone, beside = median(took[threads, name, False]), median(rates)
            print(f"{threads} threads, {name:12s} {alone:6.2f} steps/s alone, {beside:6.2f} beside a busy process, "
                  f"{beside / alone:.2f} of it", flush=True)  # fmt: skip


def measure(threads: int, setting: dict[str, str], busy: bool, args: argparse.Namespace) -> float:
    """Steps a second of a fresh process, one core taken by another where ``busy``."""
    kept = {name: value for name, value in os.environ.items() if name not in WAITING}
    environment = {**kept, **setting, "OMP_NUM_THREADS": str(threads)}
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, str(Path(__file__)), "--work", str(args.seconds)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        if loop is not None:
            loop.kill()
    return json.loads(done.stdout)


def steps_a_second(seconds: float) -> float:
    import time

    import torch

    from audiolm.nn.transformer import Transformer, TransformerConfig

    torch.manual_seed(0)
    model = Transformer(TransformerConfig(dim=256, layers=4, heads=4, ffn_dim=704))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x = torch.randn(8, 50, 256)

    def step() -> None:
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(3):
        step()
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
