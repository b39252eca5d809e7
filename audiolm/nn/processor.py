"""Which number formats a processor multiplies by itself: what it emulates takes several times as long as float32.

Laptops and many clusters have AVX2 alone, where bfloat16 is emulated. Every choice of a number format asks here.
"""

import logging
from functools import cache
from pathlib import Path

import torch

log = logging.getLogger(__name__)

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of /proc/cpuinfo: x86, x86, Arm


def multiplies_bf16(device: torch.device | str = "cpu") -> bool:
    """Return whether ``device`` multiplies matrices of bfloat16 without emulation."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.device(device).type != "cpu" or cpu_multiplies_bf16()


@cache
def cpu_multiplies_bf16(cpuinfo: str | Path = "/proc/cpuinfo") -> bool:
    """Return whether this CPU multiplies bf16 matrices: AVX512-BF16, AMX, or bf16 of Arm (Linux only).

    oneDNN, which does it, also heeds a lower limit (ONEDNN_MAX_CPU_ISA), by which a plainer processor is emulated.
    """
    try:
        text = Path(cpuinfo).read_text(encoding="utf-8")
    except OSError:  # not Linux
        return False
    flags = {flag for line in text.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()}
    has_onednn = torch.backends.mkldnn.is_available()
    return bool(flags & BF16_FLAGS) and has_onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def wide_vectors() -> bool:
    """Return whether this CPU's products use AVX-512, as far as ATEN_CPU_CAPABILITY allows."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def product_type(device: torch.device | str) -> torch.dtype:
    """Return the fastest type of ``device`` for matrix products that need few digits: bfloat16 or float32."""
    return torch.bfloat16 if multiplies_bf16(device) else torch.float32


def never_slower(precision: str, device: torch.device | str, option: str = "precision") -> str:
    """Return ``precision``, or "fp32", and a warning, where it is "bf16" and ``device`` only emulates that.

    Args:
        option: what asked for it, for the warning.
    """
    if precision != "bf16" or multiplies_bf16(device):
        return precision
    _warn(option)
    return "fp32"


@cache
def _warn(option: str) -> None:
    log.warning("%s bf16: this processor does not multiply bf16, and emulates it slowly; fp32 is used instead", option)
