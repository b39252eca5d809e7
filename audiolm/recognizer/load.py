"""Trained recognisers, ready to use."""

from pathlib import Path

import torch

from audiolm.errors import AudiolmError
from audiolm.recognizer.model import Recognizer
from audiolm.train import checkpoint, saved


def load_recognizer(exp_dir: str | Path, device: str | torch.device = "cpu") -> Recognizer:
    """Return the recogniser that ``audiolm train`` left in ``exp_dir``, in evaluation mode.

    Raises:
        AudiolmError: no finished recogniser there, or weights of another shape (the first differing names are told).
    """
    system, settings = saved.load(exp_dir)
    if system != "recognizer":
        raise AudiolmError(
            f"{exp_dir} holds a {system}, expected a recogniser; name a recogniser's experiment directory"
        )
    model = Recognizer(settings.model)
    checkpoint.load_weights(model, exp_dir)
    return model.eval().requires_grad_(False).to(device)
