"""Checkpoints: directories of safetensors and JSON that appear whole or not at all, and the exported model.

    <exp>/checkpoints/step_<n>/   system.safetensors        the system's state dict
                                  ema.safetensors           averages of the weights, if there are
                                  optimizer_<name>.safetensors
                                  state.json                step, metrics not yet logged, best checkpoints, …
    <exp>/model.safetensors       what other verbs load: the system's export_state() of the final (averaged) weights

``n`` counts finished steps. A checkpoint is written under a hidden name and renamed; it is renamed again before it is
removed. So a process that is killed at any moment leaves no half checkpoint under a valid name.
"""

import hashlib
import json
import shutil
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from audiolm.data.files import atomic, step_folders, temporary
from audiolm.errors import AudiolmError
from audiolm.train.shard import shard_like
from audiolm.train.tensors import check_same_tensors

Tensors = dict[str, Tensor]
MODEL = "model.safetensors"


class Checkpoints:
    """The checkpoints of one experiment directory.

    Args:
        exp_dir: the experiment.
        min_free_disk: gigabytes that must stay free on its disk.
    """

    def __init__(self, exp_dir: str | Path, min_free_disk: float = 0.0):
        self.exp_dir = Path(exp_dir)
        self.root = self.exp_dir / "checkpoints"
        self.min_free_disk = min_free_disk

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, ascending."""
        return step_folders(self.root)

    def path(self, step: int) -> Path:
        return self.root / f"step_{step}"

    def write(self, step: int, parts: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Write the checkpoint of ``step``: ``<part>.safetensors`` for each of ``parts``, and ``state.json``.

        Raises:
            AudiolmError: too little room on the disk, found before or while writing; earlier checkpoints stay whole.
        """
        size = sum(tensor.nbytes for tensors in parts.values() for tensor in tensors.values())
        self.check_disk(size, f"the checkpoint of step {step}")
        hidden = self.root / f".step_{step}.tmp"
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            hidden.mkdir(parents=True)
            for part, tensors in parts.items():
                save_tensors(tensors, hidden / f"{part}.safetensors")
            (hidden / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
            hidden.rename(self.path(step))
        except (OSError, SafetensorError) as error:
            shutil.rmtree(hidden, ignore_errors=True)
            raise AudiolmError(
                f"cannot write the checkpoint of step {step} to {self.root}: {one_line(error)}; {self._kept()}"
            ) from error

    def check_disk(self, size: int, what: str) -> None:
        """Raise an :class:`AudiolmError` if ``size`` more bytes would leave less than ``min_free_disk`` free."""
        free = shutil.disk_usage(self.exp_dir).free
        if free < size + self.min_free_disk * 1e9:
            raise AudiolmError(
                f"disk of {self.exp_dir} is full: {free / 1e9:.2f} GB free, {what} takes {size / 1e9:.2f} GB and "
                f"{self.min_free_disk:g} GB must stay free (trainer.min_free_disk); {self._kept()}"
            )

    def _kept(self) -> str:
        steps = self.steps()
        where = f"goes on from step {steps[-1]}" if steps else "begins again"
        return f"nothing saved is lost: make room and run the same command, it {where}"

    def read(self, step: int, part: str, device: torch.device | str = "cpu") -> Tensors:
        """Return the tensors of one part of a checkpoint.

        Raises:
            AudiolmError: the file is missing or damaged.
        """
        path = self.path(step) / f"{part}.safetensors"
        try:
            return load_file(path, device=str(device))
        except (OSError, SafetensorError) as error:
            raise self._unreadable(path, step, error) from error

    def read_state(self, step: int) -> dict[str, Any]:
        """Return the ``state.json`` of a checkpoint.

        Raises:
            AudiolmError: the file is missing or damaged.
        """
        path = self.path(step) / "state.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._unreadable(path, step, error) from error

    def _unreadable(self, path: Path, step: int, error: Exception) -> AudiolmError:
        """What to do about a damaged checkpoint: where training goes on from without it."""
        before = [earlier for earlier in self.steps() if earlier < step]
        goes_on = f"goes on from {self.path(before[-1])}" if before else "begins again: none is before it"
        return AudiolmError(
            f"cannot read {path}: {one_line(error)}; restore it, or remove {path.parent}, and the same command "
            f"{goes_on}"
        )

    def averaged(self, steps: list[int], parameters: Collection[str]) -> Tensors:
        """Return the system's tensors with ``parameters`` averaged over the checkpoints of ``steps``.

        The EMA weights of each are taken where it has them. All else (buffers) comes from the first of ``steps``.
        """
        total = self._weights(steps[0])
        for count, step in enumerate(steps[1:], 2):
            weights = self._weights(step)
            for name in parameters:
                total[name].lerp_(weights[name], 1 / count)
        return total

    def _weights(self, step: int) -> Tensors:
        weights = self.read(step, "system")
        if (self.path(step) / "ema.safetensors").exists():
            weights.update(self.read(step, "ema"))
        return weights

    def prune(self, keep: Collection[int]) -> None:
        """Remove the checkpoints whose step is not in ``keep``, and what an interrupted write or removal has left."""
        for step in self.steps():
            if step not in keep:
                self.path(step).rename(self.root / f".step_{step}.old")
        for path in self.root.glob(".step_*"):
            shutil.rmtree(path)


def read_tensors(path: str | Path, device: torch.device | str = "cpu") -> Tensors:
    """Return the tensors of a safetensors file.

    Raises:
        AudiolmError: the file is missing or damaged.
    """
    try:
        return load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise AudiolmError(f"cannot read {path}: {one_line(error)}; train again or restore the file") from error


def save_tensors(tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file with the rights of any other new file: safetensors' own may be read by its owner alone.

    Raises:
        OSError, SafetensorError: it cannot be written.
    """
    path = Path(path)
    path.unlink(missing_ok=True)
    path.touch()  # gets its rights by the umask, and by the folder's access list where it has one
    mode = stat.S_IMODE(path.stat().st_mode)
    save_file(unshared(tensors), path, metadata=None if metadata is None else dict(metadata))
    path.chmod(mode)


def write_model(exp_dir: str | Path, state: Mapping[str, Tensor], name: str = MODEL) -> None:
    """Write ``model.safetensors`` of an experiment, or what is to stand beside it, atomically."""
    path = Path(exp_dir) / name
    try:
        save_tensors(state, temporary(path))
        temporary(path).replace(path)
    except (OSError, SafetensorError) as error:
        temporary(path).unlink(missing_ok=True)
        raise AudiolmError(f"cannot write {path}: {one_line(error)}; make room and run the same command") from error


def load_model(exp_dir: str | Path) -> Tensors:
    """Return the exported state dict of a finished experiment.

    Raises:
        AudiolmError: training has not finished, or the file is damaged.
    """
    path = Path(exp_dir) / MODEL
    if not path.exists():
        raise AudiolmError(f"no {path}: finish its training first (audiolm train --exp {exp_dir} …)")
    return read_tensors(path)


def load_weights(module: nn.Module, exp_dir: str | Path) -> None:
    """Load the exported weights of a finished experiment into ``module``.

    Raises:
        AudiolmError: as :func:`load_model`, or names or shapes differ (the first are told).
    """
    state = load_model(exp_dir)
    try:
        check_same_tensors(module.state_dict(), state)
    except AudiolmError as error:
        raise AudiolmError(f"{Path(exp_dir) / MODEL}: {error}") from None
    module.load_state_dict(state)


def checksum(exp_dir: str | Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of an experiment's ``model.safetensors``."""
    path = Path(exp_dir) / MODEL
    if not path.exists():
        raise AudiolmError(
            f"no {path}: finish its training first (audiolm train --exp {exp_dir} …), or export a released codec "
            "there (audiolm export)"
        )
    return file_checksum(path)


def file_checksum(path: str | Path) -> str:
    """Return the first 16 hexadecimal digits of a file's SHA-256."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def write_json(path: str | Path, values: Any) -> None:
    """Write a JSON file, atomically."""
    with atomic(path) as file:
        json.dump(values, file, indent=1)


def own_tensors(module: nn.Module) -> Tensors:
    """Return the parameters and persistent buffers of ``module`` themselves, each once (tied weights: first name)."""
    seen: set[int] = set()
    result = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            result[name] = tensor
            seen.add(id(tensor))
    return result


@torch.no_grad()
def set_tensors(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copy ``values`` into the :func:`own_tensors` of ``module``; names must be the same."""
    own = own_tensors(module)
    check_same_tensors(own, values)
    for name, tensor in own.items():
        tensor.copy_(shard_like(values[name], tensor))


def unshared(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return contiguous tensors of which no two share memory, as safetensors wants them (tied weights: a copy)."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        storage = tensor.untyped_storage()
        whole = storage.nbytes() == tensor.nbytes and tensor.is_contiguous()
        result[name] = tensor if whole and storage.data_ptr() not in seen else tensor.contiguous().clone()
        seen.add(storage.data_ptr())
    return result


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
