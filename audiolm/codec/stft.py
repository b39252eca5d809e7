"""Short-time Fourier transforms: a causal pair for encoders and decoders, a centred one for losses.

Both cut frames with `unfold`: on CPUs the backward pass of `torch.stft` is several times slower.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalSTFT(nn.Module):
    """Samples [B, T] -> complex spectra [B, ceil(T / hop), n_fft // 2 + 1], and back with `inverse`.

    Analysis frame t ends at sample (t + 1) * hop and synthesis frame t begins at sample t * hop, so neither looks ahead
    and ``inverse(stft(x))`` is x, n_fft - hop samples later. The synthesis window is the least-squares one of Griffin &
    Lim (1984); n_fft is a multiple of hop, at least twice it.
    """

    def __init__(self, n_fft: int, hop: int):
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop
        window = torch.hann_window(n_fft)
        energy = window.square().view(-1, hop).sum(0)  # of all windows over each sample of a hop
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("synthesis_window", window / energy.repeat(n_fft // hop), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        wav = F.pad(wav, (self.n_fft - self.hop, -wav.shape[-1] % self.hop))
        return torch.fft.rfft(wav.unfold(-1, self.n_fft, self.hop) * self.window)

    def inverse(self, spectra: Tensor) -> Tensor:
        """Complex spectra [B, F, n_fft // 2 + 1] -> samples [B, F * hop]; what sounds after the last hop is cut."""
        return overlap_add(torch.fft.irfft(spectra, self.n_fft) * self.synthesis_window, self.hop)


def centred_frames(wav: Tensor, size: int) -> Tensor:
    """Samples [B, T] -> [B, 1 + 4 T // size, size]: frames centred on multiples of size / 4, zeros outside."""
    return F.pad(wav, (size // 2, size // 2)).unfold(-1, size, size // 4)


def centred_stft(wav: Tensor, window: Tensor) -> Tensor:
    """Samples [B, T] -> complex spectra [B, frames, size // 2 + 1] of `centred_frames`."""
    return torch.fft.rfft(centred_frames(wav, window.shape[0]) * window)


def power_spectrogram(wav: Tensor, window: Tensor) -> Tensor:
    """Samples float32 [B, T] -> squared magnitudes [B, frames, size // 2 + 1] of `centred_stft`.

    Has a gradient of its own, a third of the cost of autograd's: one inverse transform for real signals, since for
    X_k = sum_n x_n e^{-iwn} the gradient of sum_k g_k |X_k|^2 is 2 Re sum_k g_k X_k e^{iwn}, k = 0 … size / 2.
    """
    return _PowerSpectrogram.apply(wav, window)


class _PowerSpectrogram(torch.autograd.Function):
    @staticmethod
    def forward(ctx, wav: Tensor, window: Tensor) -> Tensor:
        spectra = centred_stft(wav, window)
        ctx.save_for_backward(spectra, window)
        ctx.samples = wav.shape[-1]
        return spectra.real.square() + spectra.imag.square()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        spectra, window = ctx.saved_tensors
        size = window.shape[0]
        scale = gradient * size  # irfft divides by size and doubles all bins but the first and the last
        scale[..., 0] *= 2
        scale[..., -1] *= 2
        frames = torch.fft.irfft(spectra * scale, size) * window
        padded = overlap_add(F.pad(frames, (0, 0, 0, 3)), size // 4)  # the last frame rings on for three hops
        wav = padded[:, size // 2 : size // 2 + ctx.samples]
        return F.pad(wav, (0, ctx.samples - wav.shape[-1])), None


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Frames [B, F, size] that begin at multiples of hop -> their sum [B, F * hop], without what comes after."""
    parts = frames.unflatten(-1, (-1, hop)).unbind(2)  # part j of frame t lies in hop t + j
    return sum(F.pad(part, (0, 0, j, -j)) for j, part in enumerate(parts)).flatten(1)
