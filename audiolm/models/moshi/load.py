"""A trained model from its experiment directory."""

from pathlib import Path

import torch

from audiolm.errors import AudiolmError
from audiolm.models.moshi.model import MoshiModel
from audiolm.models.moshi.system import MoshiConfig
from audiolm.train.checkpoint import load_weights
from audiolm.train.config import load


def load_lm(exp_dir: str | Path, device: torch.device | str = "cpu") -> tuple[MoshiModel, MoshiConfig]:
    """The model, in evaluation mode, and the configuration of the phase that trained it.

    Raises:
        AudiolmError: not an experiment of ``system: moshi``, not finished, or weights of another shape.
    """
    system, config = load(exp_dir)
    if system != "moshi":
        raise AudiolmError(
            f"{exp_dir} is an experiment of system '{system}', expected 'moshi'; give an audio LM's directory"
        )
    model = MoshiModel(config.model)
    load_weights(model, exp_dir)
    return model.to(device).eval(), config
