"""The options that every array verb has: which sets of a recipe, and which share of them this job takes, and where it
runs.
"""

import argparse
from pathlib import Path

from audiolm.errors import AudiolmError, first_line
from audiolm.jobs.cores import available_gpus


def add_array_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--dir``, ``--sets``, ``--job`` and ``--num_jobs``."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    parser.add_argument(
        "--job", type=int, default=1, help="which share of the recordings, from 1; a file's channels stay together"
    )
    parser.add_argument("--num_jobs", type=int, default=1, help="number of shares")


def named_device(name: str) -> str:
    """The device of an option ``--device``: ``auto`` is a GPU if there is one.

    Raises:
        AudiolmError: no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise AudiolmError(f"--device {name}: {first_line(error)}; expected cpu, cuda, cuda:1 … or auto") from None
    return name


def job_device(job: int) -> str:
    """The GPU of this job, or the CPU: jobs that are given no GPU of their own share all in turn, one model each.

    Where there is no GPU torch is not imported for it: that takes seconds and a gigabyte, which few backends need.
    """
    if not available_gpus():
        return "cpu"
    import torch

    return f"cuda:{(job - 1) % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
