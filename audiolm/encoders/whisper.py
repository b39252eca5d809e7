"""Hidden states of Whisper's encoder in transformers' layout (Radford et al. 2022), 50 frames a second.

Whisper has learnt from 30 s with absolute positions. Shorter input can be padded to 30 s with silence, as it was in its
training, or its positions be cut: then only the true length is computed, and a second of speech costs a thirtieth.
Longer input goes through in windows of 30 s that overlap. The frames of transformers are centred on the beginning of
their hop; these, as those of every encoder here, on its middle: the log-mel frames begin one later.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.encoders.protocol import Encoder, Layer, before, in_windows

MARGIN = 100  # frames of a window's ends that are computed for context only: 2 s


class WhisperEncoder(Encoder):
    """States of one of the encoder's layers, or the mean over them.

    Args:
        model: transformers' WhisperEncoder.
        banks: mel filters [n_fft // 2 + 1, bands] of the feature extractor.
        layer: 0 (what enters the first block) … the number of blocks (after the norm that follows them), or mean.
        sample_rate: Hz.
        pad: pad what is shorter than 30 s, or cut the positions.
    """

    WINDOW, STEP = 400, 160  # samples of a log-mel frame, in all of Whisper's models

    def __init__(self, model: nn.Module, banks: Tensor, layer: Layer, sample_rate: int, pad: bool = False):
        super().__init__()
        self.model, self.layer, self.sample_rate, self.pad = model, layer, sample_rate, pad
        self.hop, self.dim = 2 * self.STEP, model.config.d_model
        self.longest = model.config.max_source_positions  # frames
        self.register_buffer("banks", banks.float(), persistent=False)
        self.register_buffer("hann", torch.hann_window(self.WINDOW), persistent=False)
        self.last = len(model.layers)
        if layer != "mean":
            model.layers = model.layers[:layer]

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None and wav.shape[-1] <= self.longest * self.hop:
            return self._window(wav, None)
        if lengths is None:
            lengths = torch.full((len(wav),), wav.shape[-1], device=wav.device)
        return in_windows(wav, lengths, self._window, self.hop, self.longest, MARGIN)

    def _window(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        """At most 30 s: samples [B, T] -> [B, ceil(T / hop), dim]."""
        frames = -(-wav.shape[-1] // self.hop)
        seen = None if lengths is None else self.num_frames(lengths)
        if self.pad:
            wav, seen = F.pad(wav, (0, self.longest * self.hop - wav.shape[-1])), None
        return self._states(self.log_mel(wav, seen), seen)[:, :frames]

    def log_mel(self, wav: Tensor, seen: Tensor | None) -> Tensor:
        """Samples [B, T] -> what enters the encoder, [B, bands, 2 * ceil(T / hop)], zero beyond ``seen`` frames [B]."""
        count = 2 * -(-wav.shape[-1] // self.hop)
        half = self.WINDOW // 2
        with torch.autocast(wav.device.type, enabled=False):
            wav = F.pad(wav.float(), (0, count * self.STEP - wav.shape[-1] + half))
            wav = torch.cat([wav[:, 1 : half + 1].flip(1), wav], 1)[:, self.STEP :]  # without frame 0
            spectra = torch.fft.rfft(wav.unfold(-1, self.WINDOW, self.STEP) * self.hann)
            power = torch.view_as_real(spectra).square().sum(-1)
            mel = (power @ self.banks).clamp(min=1e-10).log10()  # [B, count, bands]
            if seen is None:
                return ((mel.maximum(mel.amax((1, 2), keepdim=True) - 8) + 4) / 4).transpose(1, 2)
            beyond = ~before(2 * seen, count)[..., None]
            loudest = mel.masked_fill(beyond, -10).amax((1, 2), keepdim=True)
            return ((mel.maximum(loudest - 8) + 4) / 4).masked_fill(beyond, 0).transpose(1, 2)

    def _states(self, mel: Tensor, seen: Tensor | None) -> Tensor:
        model, mask = self.model, None
        x = F.gelu(model.conv2(F.gelu(model.conv1(mel)))).transpose(1, 2)
        x = x + model.embed_positions.weight[: x.shape[1]]
        if seen is not None:
            beyond = ~before(seen, x.shape[1])[:, None, None].expand(-1, 1, x.shape[1], -1)  # [B, 1, F, F]
            mask = torch.zeros_like(beyond, dtype=x.dtype).masked_fill(beyond, torch.finfo(x.dtype).min)
        states = [x]
        for number, block in enumerate(model.layers, 1):
            x = block(x, mask)
            if number == self.last:
                x = model.layer_norm(x)
            states.append(x)
        return torch.stack(states).float().mean(0) if self.layer == "mean" else x
