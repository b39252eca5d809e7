"""What an experiment directory says of itself, its system and configuration; and models written as one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiolm.config.yaml_files import read_mapping, write_yaml
from audiolm.errors import AudiolmError
from audiolm.train.options import read_config

if TYPE_CHECKING:
    from torch import Tensor


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


def save_experiment(out: str | Path, settings: Mapping[str, Any], state: "Mapping[str, Tensor]") -> None:
    """Write a model as an experiment of ours: what every verb takes, and what training can start from (``--init``).

    Args:
        settings: the system and what of its configuration is not as usual; the rest is written out.
        state: tensors by the names of the system's export.
    """
    from audiolm.train.checkpoint import write_model

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_yaml(out / "config.yaml", dict(settings))
    write_yaml(out / "config.yaml", read_config([out / "config.yaml"]).complete)
    write_model(out, state)
