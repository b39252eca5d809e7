"""The recogniser or self-supervised encoder whose hidden states a codec's first level learns to predict."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from audiolm.codec.losses import Distillation, pool_teacher
from audiolm.errors import AudiolmError


@dataclass
class TeacherConfig:
    """Whose hidden states are distilled into the first level (SpeechTokenizer, section 3.2; Moshi, section 3.3.2).

    Mimi's: WavLM-Large, loss cosine. SpeechTokenizer's: HuBERT-Base, layer mean, loss feature_axis, weight 120 (beside
    fixed weights of the other losses).

    Attributes:
        path: experiment directory of a recogniser; of transformers, folder or hub id of a WavLM, HuBERT or wav2vec 2.0.
        layer: which of its layers, from 1; with transformers also mean, of all of them.
        weight: of the distillation loss.
        backend: what path names.
        loss: cosine distance of each frame, or of each dimension over time, see `distillation_loss`.
    """

    path: str
    layer: int | Literal["mean"]
    weight: float = 1.0
    backend: Literal["recognizer", "transformers"] = "recognizer"
    loss: Distillation = "cosine"

    def __post_init__(self):
        if self.backend == "recognizer" and self.layer == "mean":
            raise AudiolmError("layer mean is for backend transformers; name a layer of the recogniser, from 1")


class Teacher:
    """Waveforms -> hidden states at the codec's frame rate. Not a module: it is no part of what is trained or saved.

    It hears the codec's samples resampled to its own rate. Its states are projected nowhere: the student has a linear
    layer to their number of dimensions, beside its way into the decoder (Moshi, section 3.3.2).

    Raises:
        AudiolmError: it cannot be loaded, or its frame rate does not suit the codec.
    """

    def __init__(self, config: TeacherConfig, sample_rate: int, frame_rate: float):
        if config.backend == "recognizer":
            from audiolm.recognizer.load import load_recognizer

            self.model = load_recognizer(config.path)
            self.dim = self.model.config.dim
            self.layer = config.layer
        else:
            from audiolm.encoders.speech import load_encoder

            self.model = load_encoder(config.path, config.layer)
            self.dim = self.model.dim
            self.layer = None  # the encoder has but one
        self.ratio = round(self.model.frame_rate / frame_rate)
        if self.ratio * frame_rate != self.model.frame_rate:
            raise AudiolmError(
                f"teacher {config.path} gives {self.model.frame_rate:g} frames a second, the codec needs a multiple of "
                f"its frame_rate {frame_rate:g}; choose another teacher or frame_rate"
            )
        from torchaudio.transforms import Resample

        self.resample = Resample(sample_rate, self.model.sample_rate)  # keeps its kernel; nothing at equal rates

    @torch.no_grad()
    def __call__(self, wav: Tensor) -> Tensor:
        """Samples [B, 1, T], whole frames of the codec -> [B, F, dim], float32."""
        with torch.autocast(wav.device.type, enabled=False):
            wav = self.resample.to(wav.device)(wav.squeeze(1).float())
        model = self.model.to(wav.device)
        if self.layer is None:
            hidden = model(wav)
        else:
            hidden = model.hidden(wav, torch.full((len(wav),), wav.shape[-1], device=wav.device), self.layer)
        return pool_teacher(hidden, self.ratio)
