"""Log-mel spectrogram whose silence is zero, so that padding a batch changes nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LogMel(nn.Module):
    """Waveforms -> log-mel frames at 100 Hz, in bels above a floor.

    ``log10(1 + power / floor)`` is exactly 0 for digital silence and close to the usual log-mel well above the floor.
    With zero padding at both ends, a waveform padded with zeros in a batch gives the same frames as alone, then zeros.

    Frame t is centred on (t + 1/2) hops: it describes the samples from t * hop to (t + 1) * hop, without a time offset.

    Args:
        sample_rate: Hz, a multiple of 100.
        n_mels: number of Slaney mel bands from 0 Hz to sample_rate / 2.
        window: seconds of the Hann window.
        floor: power below which differences vanish, where a full-scale sine has power 1; 1e-8 is -80 dB.
    """

    def __init__(self, sample_rate: int, n_mels: int, window: float = 0.025, floor: float = 1e-8):
        super().__init__()
        if sample_rate % 100:
            raise ValueError(f"sample_rate {sample_rate} is not a multiple of 100 Hz, the rate of frames")
        from torchaudio.functional import melscale_fbanks

        self.hop = sample_rate // 100
        self.floor = floor
        self.win_length = round(window * sample_rate)
        self.n_fft = 1 << (self.win_length - 1).bit_length()
        hann = torch.hann_window(self.win_length)
        self.register_buffer("window", hann * 2 / hann.sum(), persistent=False)
        banks = melscale_fbanks(self.n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, None, "slaney")
        self.register_buffer("banks", banks, persistent=False)  # [n_fft // 2 + 1, n_mels]

    def num_frames(self, lengths: Tensor) -> Tensor:
        """Number of frames of so many samples: a last partial hop counts."""
        return (lengths + self.hop - 1) // self.hop

    def forward(self, wav: Tensor) -> Tensor:
        """Samples [B, T] -> frames [B, ceil(T / hop), n_mels], float32."""
        left = (self.win_length - self.hop) // 2
        short = -wav.shape[-1] % self.hop
        wav = F.pad(wav.float(), (left, short + self.win_length - self.hop - left))
        with torch.autocast(wav.device.type, enabled=False):
            frames = wav.unfold(-1, self.win_length, self.hop) * self.window  # [B, F, win_length]
            power = torch.view_as_real(torch.fft.rfft(frames, self.n_fft)).square().sum(-1)
            return torch.log10(1 + power @ self.banks / self.floor)
