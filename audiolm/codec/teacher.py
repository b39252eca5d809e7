"""The recogniser or self-supervised encoder whose hidden states a codec's first level learns to predict."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from audiolm.codec.losses import Distillation, pool_teacher
from audiolm.encoders.load import load_encoder
from audiolm.encoders.protocol import Layer
from audiolm.errors import AudiolmError


@dataclass
class TeacherConfig:
    """Whose hidden states are distilled into the first level (SpeechTokenizer, section 3.2; Moshi, section 3.3.2).

    Mimi's: WavLM-Large, loss cosine. SpeechTokenizer's: HuBERT-Base, layer mean, loss feature_axis, weight 120 (beside
    fixed weights of the other losses).

    Attributes:
        path: experiment directory of a recogniser; of transformers, folder or hub id of a WavLM, HuBERT, wav2vec 2.0,
            w2v-BERT 2.0 or Whisper, whose encoder teaches.
        layer: which of its layers, from 1 (transformers: from 0); mean: of all of them; auto: Whisper's last but one,
            the mean of the others'.
        weight: of the distillation loss.
        backend: what path names.
        loss: cosine distance of each frame, or of each dimension over time, see `distillation_loss`.
    """

    path: str
    layer: Layer
    weight: float = 1.0
    backend: Literal["recognizer", "transformers"] = "recognizer"
    loss: Distillation = "cosine"

    def check(self, frame_rate: float) -> None:
        """Refuse what can be seen before anything is trained: a recogniser is often still to come, and passes.

        Raises:
            AudiolmError: its weights are not there, it has no such layer, or its frame rate does not suit the codec.
        """
        if self.backend == "transformers":
            from audiolm.encoders.load import describe

            _ratio(self.path, describe(self.path, self.layer).frame_rate, frame_rate)


class Teacher:
    """Waveforms -> hidden states at the codec's frame rate. Not a module: it is no part of what is trained or saved.

    It hears the codec's samples resampled to its own rate. Its states are projected nowhere: the student has a linear
    layer to their number of dimensions, beside its way into the decoder (Moshi, section 3.3.2).

    Raises:
        AudiolmError: it cannot be loaded, or its frame rate does not suit the codec.
    """

    def __init__(self, config: TeacherConfig, sample_rate: int, frame_rate: float):
        self.model = load_encoder(config.backend, config.path, config.layer)
        self.dim = self.model.dim
        self.ratio = _ratio(config.path, self.model.frame_rate, frame_rate)
        from torchaudio.transforms import Resample

        self.resample = Resample(sample_rate, self.model.sample_rate)  # keeps its kernel; nothing at equal rates

    @torch.no_grad()
    def __call__(self, wav: Tensor) -> Tensor:
        """Samples [B, 1, T], whole frames of the codec -> [B, F, dim], float32."""
        with torch.autocast(wav.device.type, enabled=False):
            wav = self.resample.to(wav.device)(wav.squeeze(1).float())
        return pool_teacher(self.model.to(wav.device)(wav).states, self.ratio)


def _ratio(name: str, teacher_rate: float, frame_rate: float) -> int:
    """The teacher's frames in one of the codec's."""
    ratio = round(teacher_rate / frame_rate)
    if ratio * frame_rate != teacher_rate:
        raise AudiolmError(
            f"teacher {name} gives {teacher_rate:g} frames a second, the codec needs a multiple of its frame_rate "
            f"{frame_rate:g}; choose another teacher or frame_rate"
        )
    return ratio
