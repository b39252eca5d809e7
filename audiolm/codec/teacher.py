"""The recogniser whose hidden states a codec's first level learns to predict."""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiolm.codec.losses import pool_teacher
from audiolm.errors import AudiolmError


@dataclass
class TeacherConfig:
    """The recogniser whose hidden states are distilled into the first level (Moshi, section 3.3.3).

    Attributes:
        path: its experiment directory.
        layer: which of its layers.
        weight: of the distillation loss.
    """

    path: str
    layer: int
    weight: float = 1.0


class Teacher:
    """Waveforms -> hidden states at the codec's frame rate. Not a module: it is no part of what is trained or saved.

    Raises:
        AudiolmError: the recogniser's sample rate or frame rate does not suit the codec.
    """

    def __init__(self, config: TeacherConfig, sample_rate: int, frame_rate: float):
        from audiolm.recognizer.load import load_recognizer

        self.layer = config.layer
        self.recognizer = load_recognizer(config.path).eval().requires_grad_(False)
        self.ratio = round(self.recognizer.frame_rate / frame_rate)
        self.dim = self.recognizer.config.dim
        if self.recognizer.sample_rate != sample_rate or self.ratio * frame_rate != self.recognizer.frame_rate:
            raise AudiolmError(
                f"teacher {config.path} takes {self.recognizer.sample_rate} Hz, gives {self.recognizer.frame_rate:g} "
                f"frames a second; the codec needs {sample_rate} Hz and a multiple of {frame_rate:g}: train one so"
            )

    @torch.no_grad()
    def __call__(self, wav: Tensor) -> Tensor:
        """Samples [B, 1, T], whole frames of the codec -> [B, F, dim], float32."""
        lengths = torch.full((len(wav),), wav.shape[-1], device=wav.device)
        hidden = self.recognizer.to(wav.device).hidden(wav.squeeze(1), lengths, self.layer)
        return pool_teacher(hidden, self.ratio)
