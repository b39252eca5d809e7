"""What the benchmarks share: timing, the machine's rate of products, a line of JSON a measurement."""

import json
import time

import torch


def timed(work, device: torch.device, repeats: int) -> tuple[float, float | None]:
    """Median seconds of ``work``, after two more; and peak GiB of the GPU."""
    taken = []
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begin)
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if cuda else None
    return sorted(taken[2:])[repeats // 2], memory


def matrix_rate(device: torch.device) -> float:
    """Floating-point operations a second of a large matrix product: what the machine can do at best."""
    size, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (2048, torch.float32)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / timed(lambda: a @ b, device, 10)[0]


def tell(**values) -> None:
    """One line of JSON, floats to four figures."""
    rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps(rounded), flush=True)
