"""What a recipe was trained on and for how long."""

import json
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from audiolm import __version__
from audiolm.jobs.progress import duration

PACKAGES = ("torch", "torchaudio", "lightning", "espnet", "transformers", "numpy", "sentencepiece", "pocketsphinx")


class Training(NamedTuple):
    """One experiment: its folder's name, finished steps, seconds of training, bytes of exported weights."""

    name: str
    steps: int
    seconds: float
    size: int


def trainings(work: Path) -> list[Training]:
    """Every ``exp/*/metrics.jsonl`` of a recipe's work directory, in the order in which they were finished."""
    found = []
    for path in sorted((work / "exp").glob("*/metrics.jsonl"), key=lambda path: (path.stat().st_mtime, path)):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        timed = [line for line in lines if "seconds" in line]
        if timed:
            model = path.with_name("model.safetensors")
            size = model.stat().st_size if model.is_file() else 0
            found.append(Training(path.parent.name, timed[-1]["step"], timed[-1]["seconds"], size))
    return found


def effort(work: Path) -> str:
    """One sentence: training time of every model, and the machine it is told on."""
    parts = [f"{training.name} {duration(training.seconds)}" for training in trainings(work)]
    total = duration(sum(training.seconds for training in trainings(work)))
    told = f"Training took {total} ({', '.join(parts)})" if parts else "Nothing was trained"
    return f"{told}; this is {machine()}."


def machine() -> str:
    """Processor (or GPUs), cores that this process may use, and memory."""
    gpus = _gpus()
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = f"{count} CPU core{'s' if count != 1 else ''}"
    memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    return ", ".join([*gpus, f"{cores} ({processor()})", memory])


def processor() -> str:
    """The processor's name, as the system tells it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, timeout=60).stdout.split("\n")[:-1]


def environment() -> dict[str, str]:
    """Versions and machine, for the page."""
    versions = {"audiolm": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {**versions, "system": platform.platform(), "machine": machine()}
