"""Hidden states of self-supervised speech encoders in transformers' layout: WavLM, HuBERT, wav2vec 2.0, w2v-BERT 2.0.

Frame t of these is centred later than the middle of its hop, for their first layers take in more than a hop (400
samples, hop 320; of w2v-BERT 560). So the samples get half of the difference in zeros on either side, and T samples
give ceil(T / hop) frames. Without, they give one fewer (two at worst), 2.5 ms later.
"""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.encoders.protocol import Encoder, Layer, before


class HiddenStates(Encoder):
    """States of one layer of a model of transformers, or the mean over layers.

    Args:
        model: of transformers, with ``encoder.layers``.
        layer: 0 (what enters the first block) … the number of blocks (after the norm that follows them, in large
            models), or mean: of all of these (SpeechTokenizer's teacher; Zhang et al. 2024, section 3.2).
        sample_rate: Hz.
        hop: samples of a frame.
    """

    def __init__(self, model: nn.Module, layer: Layer, sample_rate: int, hop: int):
        super().__init__()
        self.model, self.layer, self.sample_rate, self.hop = model, layer, sample_rate, hop
        self.dim = model.config.hidden_size
        blocks = model.encoder.layers
        if layer != "mean" and layer < len(blocks):  # later blocks, and a norm after the last, have no say in it
            model.encoder.layers = blocks[:layer]
            if getattr(model.config, "do_stable_layer_norm", False):
                model.encoder.layer_norm = nn.Identity()

    def _states(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        if self.layer == "mean":
            output = self.model(inputs, attention_mask=mask, output_hidden_states=True)
            return torch.stack([*output.hidden_states[:-1], output.last_hidden_state]).float().mean(0)
        return self.model(inputs, attention_mask=mask).last_hidden_state


class SelfSupervised(HiddenStates):
    """WavLM, HuBERT or wav2vec 2.0, whose first layers are convolutions of the samples.

    Args:
        model, layer, sample_rate: see `HiddenStates`.
        normalize: scale each waveform to mean 0, variance 1, before the zeros are added.
    """

    def __init__(self, model: nn.Module, layer: Layer, sample_rate: int, normalize: bool):
        kernels, strides = model.config.conv_kernel, model.config.conv_stride
        super().__init__(model, layer, sample_rate, prod(strides))
        self.normalize = normalize
        self.zeros = 1 + sum((kernel - 1) * prod(strides[:i]) for i, kernel in enumerate(kernels)) - self.hop
        self.first = kernels[0], strides[0]
        self.norm = None
        if model.config.feat_extract_norm == "group":  # one over all time: of the base models
            layer = model.feature_extractor.conv_layers[0]
            layer.layer_norm = self.norm = MaskedGroupNorm(layer.layer_norm)

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        if self.normalize:
            wav = _normalized(wav, lengths)
        left, mask = self.zeros // 2, None
        wav = F.pad(wav, (left, self.zeros - left + -wav.shape[-1] % self.hop))
        if lengths is not None:
            padded = self.num_frames(lengths) * self.hop + self.zeros
            mask = before(padded, wav.shape[-1])
            if self.norm is not None:
                kernel, stride = self.first
                self.norm.lengths = (padded - kernel) // stride + 1
        try:
            return self._states(wav, mask)
        finally:
            if self.norm is not None:
                self.norm.lengths = None


class MaskedGroupNorm(nn.Module):
    """A group norm of one channel a group, over the first ``lengths`` [B] frames of each row alone where these are set.

    Args:
        norm: whose weights it takes.
    """

    lengths: Tensor | None = None

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, frames] -> the same shape."""
        if self.lengths is None:
            return self.norm(x)
        with torch.autocast(x.device.type, enabled=False):
            valid = before(self.lengths, x.shape[-1])[:, None]
            count = self.lengths[:, None, None]
            kept = x.float().masked_fill(~valid, 0)
            mean = kept.sum(-1, keepdim=True) / count
            variance = (kept - mean).masked_fill(~valid, 0).square().sum(-1, keepdim=True) / count
            normal = (x.float() - mean) * torch.rsqrt(variance + self.norm.eps)
            return normal * self.norm.weight[:, None] + self.norm.bias[:, None]


class W2vBert(HiddenStates):
    """w2v-BERT 2.0 (Barrault et al. 2023), which takes pairs of Kaldi's log-mel frames, 50 a second.

    Each band has mean 0 and variance 1 over a sequence, as its extractor of transformers has it.
    """

    WINDOW, STEP = 400, 160  # samples of a log-mel frame

    def __init__(self, model: nn.Module, layer: Layer, sample_rate: int):
        super().__init__(model, layer, sample_rate, 2 * self.STEP)
        self.bands = model.config.feature_projection_input_dim // 2

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        frames = -(-wav.shape[-1] // self.hop)
        counts = [frames] * len(wav) if lengths is None else self.num_frames(lengths).tolist()
        with torch.autocast(wav.device.type, enabled=False):
            pairs = [
                self._pairs(row[: count * self.hop], count) for row, count in zip(wav.float(), counts, strict=True)
            ]
        inputs = torch.stack([F.pad(row, (0, 0, 0, frames - len(row))) for row in pairs])
        mask = None if lengths is None else before(self.num_frames(lengths), frames)
        return self._states(inputs, mask)

    def _pairs(self, wav: Tensor, frames: int) -> Tensor:
        """Samples -> [frames, 2 * bands]."""
        from torchaudio.compliance.kaldi import fbank

        if not frames:
            return wav.new_zeros(0, 2 * self.bands)
        beyond = self.WINDOW + self.STEP - self.hop
        left = beyond // 2
        wav = F.pad(wav, (left, frames * self.hop - len(wav) + beyond - left))
        mel = fbank(wav[None] * 2**15, num_mel_bins=self.bands, sample_frequency=float(self.sample_rate))
        variance, mean = torch.var_mean(mel, dim=0, correction=1)
        return ((mel - mean) * torch.rsqrt(variance + 1e-7)).view(frames, -1)


def _normalized(wav: Tensor, lengths: Tensor | None) -> Tensor:
    """Samples [B, T] scaled to mean 0, variance 1 over the valid ones; zero beyond."""
    if lengths is None:
        variance, mean = torch.var_mean(wav, dim=-1, correction=0, keepdim=True)
        return (wav - mean) * torch.rsqrt(variance + 1e-7)
    beyond, count = ~before(lengths, wav.shape[-1]), lengths[:, None].clamp(min=1)
    centred = (wav - wav.sum(-1, keepdim=True) / count).masked_fill(beyond, 0)
    return centred * torch.rsqrt(centred.square().sum(-1, keepdim=True) / count + 1e-7)
