"""Hidden states of self-supervised speech encoders in transformers' layout: WavLM, HuBERT, wav2vec 2.0."""

from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.encoders.hub import find_weights
from audiolm.errors import AudiolmError, first_line

Layer = int | Literal["mean"]
KINDS = ("hubert", "wav2vec2", "wavlm")  # model_type in config.json
UNUSED = "masked_spec_embed"  # what masked frames are in training; files may lack it


class SpeechEncoder(nn.Module):
    """Samples -> hidden states of one layer, or the mean over layers.

    Frame t is centred on (t + 1/2) hops, the middle of the samples from t * hop to (t + 1) * hop, which it describes:
    the convolutions of these encoders take in more than their hop (400 samples, hop 320), so the samples get half of
    the difference in zeros on either side, and T samples give ceil(T / hop) frames. Without, they give one fewer (two
    at worst), 2.5 ms later.

    Args:
        model: of transformers.
        layer: 0 (what enters the first block) … the number of blocks (after the norm that follows them, in large
            models), or mean: of all of these (SpeechTokenizer's teacher; Zhang et al. 2024, section 3.2).
        normalize: scale each waveform to mean 0, variance 1, before the zeros are added.
        sample_rate: Hz.
    """

    def __init__(self, model: nn.Module, layer: Layer, normalize: bool, sample_rate: int):
        super().__init__()
        kernels, strides = model.config.conv_kernel, model.config.conv_stride
        self.model, self.layer, self.normalize, self.sample_rate = model, layer, normalize, sample_rate
        self.dim = model.config.hidden_size
        self.hop = prod(strides)
        self.frame_rate = sample_rate / self.hop
        field = 1 + sum((kernel - 1) * prod(strides[:i]) for i, kernel in enumerate(kernels))
        self.zeros = field - self.hop
        blocks = model.encoder.layers
        if layer != "mean" and layer < len(blocks):  # later blocks, and a norm after the last, have no say in it
            model.encoder.layers = blocks[:layer]
            if model.config.do_stable_layer_norm:
                model.encoder.layer_norm = nn.Identity()

    def forward(self, wav: Tensor) -> Tensor:
        """Samples [B, T] in [-1, 1] -> [B, ceil(T / hop), dim], float32."""
        if self.normalize:
            variance, mean = torch.var_mean(wav, dim=-1, correction=0, keepdim=True)
            wav = (wav - mean) * torch.rsqrt(variance + 1e-7)
        left = self.zeros // 2
        wav = F.pad(wav, (left, self.zeros - left + -wav.shape[-1] % self.hop))
        if self.layer == "mean":
            output = self.model(wav, output_hidden_states=True)
            return torch.stack([*output.hidden_states[:-1], output.last_hidden_state]).float().mean(0)
        return self.model(wav).last_hidden_state.float()


def load_encoder(name: str, layer: Layer) -> SpeechEncoder:
    """A pretrained encoder in evaluation mode, without gradients.

    Args:
        name: folder, or hub id such as ``microsoft/wavlm-large``.
        layer: see `SpeechEncoder`.

    Raises:
        AudiolmError: none of these encoders, weights that are not to be had or lack some, or no such layer.
    """
    folder = find_weights(name, "speech encoder", "config.json", ("*.safetensors", "*.bin"))
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder)
        if config.model_type not in KINDS:
            raise AudiolmError(f"{folder} holds a {config.model_type}, expected one of: {', '.join(KINDS)}")
        model, info = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, output_loading_info=True)
        features = AutoFeatureExtractor.from_pretrained(folder)
    except AudiolmError:
        raise
    except Exception as error:  # whatever a damaged or foreign folder provokes
        raise AudiolmError(
            f"cannot load speech encoder '{name}': {type(error).__name__}: {first_line(error)}"
        ) from None
    if missing := sorted(key for key in info["missing_keys"] if key != UNUSED):
        raise AudiolmError(
            f"{folder} lacks {len(missing)} weights of a {config.model_type}: {missing[0]}, …; fetch it again"
        )
    if layer != "mean" and not 0 <= layer <= config.num_hidden_layers:
        raise AudiolmError(f"layer {layer} of {name}, expected 0 to {config.num_hidden_layers}, or mean")
    encoder = SpeechEncoder(model, layer, features.do_normalize, features.sampling_rate)
    return encoder.eval().requires_grad_(False)
