"""Trained codecs, ready to use."""

from pathlib import Path

import torch

from audiolm.codec.model import Codec
from audiolm.errors import AudiolmError
from audiolm.nn.conv import fold_weight_norm
from audiolm.train import checkpoint, config


def load_codec(exp_dir: str | Path, device: str | torch.device = "cpu") -> Codec:
    """Return the codec that ``audiolm train`` left in ``exp_dir``, in evaluation mode.

    Raises:
        AudiolmError: no finished codec there, or weights of another architecture (the first differing names are told).
    """
    system, settings = config.load(exp_dir)
    if system != "codec":
        raise AudiolmError(f"{exp_dir} holds a {system}, expected a codec; name a codec's experiment directory")
    codec = Codec(settings)
    fold_weight_norm(codec)
    checkpoint.load_weights(codec, exp_dir)
    codec = codec.eval().requires_grad_(False).to(device)
    return codec.prepare() if torch.device(device).type == "cpu" else codec
