"""The experiment directory as a whole: may this run go on here, has it finished, and is nobody else at it?"""

import copy
import fcntl
import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.train.config import TrainConfig
from audiolm.train.options import differences, read_config
from audiolm.train.registry import system_class


def check_config(run: TrainConfig, exp_dir: Path) -> None:
    """Raise an :class:`AudiolmError` if ``exp_dir`` holds checkpoints or a model of another configuration than ``run``.

    ``trainer.max_steps`` may grow, and the keys that say where a run computes may differ (see ``options.differences``).
    """
    old = exp_dir / "config.yaml"
    begun = (exp_dir / "model.safetensors").exists() or any((exp_dir / "checkpoints").glob("step_*"))
    if not (begun and old.exists()):
        return
    found = system_class(run.system).found_keys
    changed = differences(read_config([old]).complete, run.complete, found)
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise AudiolmError(
            f"{exp_dir} was trained with another config: {'; '.join(changed[:3])}{more}; "
            "restore these keys, name another --exp, or remove the directory"
        )


def write_config(run: TrainConfig, exp_dir: Path, found: Mapping[str, Any]) -> None:
    """Write ``config.yaml``, complete, with what was ``found`` in the data (see ``System.found``)."""
    exp_dir.mkdir(parents=True, exist_ok=True)
    complete = copy.deepcopy(run.complete)
    for key, value in found.items():
        *path, last = key.split(".")
        functools.reduce(dict.__getitem__, path, complete)[last] = value
    write_yaml(exp_dir / "config.yaml", complete)


def finished_step(exp_dir: Path) -> int:
    """Return the number of steps after which the experiment was finished and exported, 0 if it was not."""
    done = exp_dir / "done"
    if not done.exists() or not (exp_dir / "model.safetensors").exists():
        return 0
    return json.loads(done.read_text(encoding="utf-8"))["step"]


@contextmanager
def locked(exp_dir: Path) -> Iterator[None]:
    """Keep other processes from training in ``exp_dir``; the lock ends with the process, however it ends.

    Raises:
        AudiolmError: another process trains there.
    """
    exp_dir.mkdir(parents=True, exist_ok=True)
    with open(exp_dir / ".lock", "w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock's, worker processes do not inherit it
        except OSError as error:
            raise AudiolmError(
                f"another process is training in {exp_dir}; wait for it or name another --exp"
            ) from error
        yield
