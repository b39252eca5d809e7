"""What an experiment directory says of itself: its system and configuration."""

from pathlib import Path
from typing import Any

from audiolm.config.yaml_files import read_mapping
from audiolm.errors import AudiolmError
from audiolm.train.options import read_config


def system_of(exp_dir: str | Path) -> str:
    """Return the name of the system that an experiment directory's ``config.yaml`` is of.

    Raises:
        AudiolmError: the file is missing, or names none.
    """
    path = Path(exp_dir) / "config.yaml"
    if not path.is_file():
        raise AudiolmError(f"no {path}: '{exp_dir}' is not an experiment that audiolm train has begun")
    system = read_mapping(path).get("system")
    if not isinstance(system, str):
        raise AudiolmError(f"{path} names no system; expected a line such as 'system: codec'")
    return system


def load(exp_dir: str | Path) -> tuple[str, Any]:
    """Return (system name, the system's configuration) of an experiment directory, from its ``config.yaml``.

    Raises:
        AudiolmError: the file is missing or does not fit the system.
    """
    path = Path(exp_dir) / "config.yaml"
    if not path.is_file():
        raise AudiolmError(f"no {path}: '{exp_dir}' is not an experiment that audiolm train has begun")
    run = read_config([path])
    return run.system, run.config
