"""Trained and released dialogue models, ready to use; and models saved as experiments of ours."""

from dataclasses import replace
from pathlib import Path

import torch

from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.lm.start import SHAPE
from audiolm.models.moshi.adapters import find_layout
from audiolm.models.moshi.data import DataConfig, MixConfig
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.models.moshi.system import MoshiConfig
from audiolm.train.checkpoint import load_weights
from audiolm.train.saved import load, save_experiment


def load_lm(name: str | Path, device: torch.device | str = "cpu") -> tuple[MoshiModel, MoshiConfig]:
    """The model, in evaluation mode, and the configuration of the phase that trained it.

    Args:
        name: what ``audiolm train`` or ``audiolm export`` left (a folder with config.yaml); a folder of the moshi
            package or of transformers' MoshiForConditionalGeneration (config.json); or the hub id of one. The training
            settings of the last two kinds are unknown.

    Raises:
        AudiolmError: not an experiment of ``system: moshi``, not finished, or weights of another shape; or a model that
            ours cannot be.
    """
    if not (Path(name) / "config.yaml").is_file():
        found = find_layout(name)
        if found is None:
            raise AudiolmError(
                f"no config.yaml of a trained LM in {name}, and neither the moshi package's model nor transformers' "
                "Moshi (config.json beside model.safetensors): name one of these"
            )
        layout, folder = found
        model = layout.load(folder)
        return model.to(device), bare_config(model.config)
    system, config = load(name)
    if system != "moshi":
        raise AudiolmError(
            f"{name} is an experiment of system '{system}', expected 'moshi'; give an audio LM's directory"
        )
    model = MoshiModel(config.model)
    load_weights(model, name)
    return model.to(device).eval(), config


def is_released(name: str | Path) -> bool:
    """Whether a folder holds a dialogue LM of another project's layout."""
    return Path(name).is_dir() and find_layout(name) is not None


def bare_config(model: ModelConfig) -> MoshiConfig:
    """A configuration of which only the model is meant."""
    longest = max(max(model.delays(task)) for task in model.tasks)
    data = DataConfig(mix={task: MixConfig() for task in model.tasks})
    return MoshiConfig(model, replace(data, frames=max(data.frames, 2 * longest)))


def save_lm(model: MoshiModel, out: str | Path) -> None:
    """Write a model as an experiment of ours: what every verb takes, and what training can start from (``--init``)."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    shape = plain(model.config)
    for name in ("text_hold", "turn_hold"):  # the phase's to say
        del shape[name]
    write_yaml(out / SHAPE, {"model": shape})
    save_experiment(out, {"system": "moshi", **plain(bare_config(model.config))}, model.state_dict())
