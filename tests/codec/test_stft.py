"""Causal STFT and its inverse, and the centred STFT of the losses."""

import pytest
import torch

from audiolm.codec.stft import CausalSTFT, centred_stft, overlap_add, power_spectrogram


@pytest.mark.parametrize(("n_fft", "hop"), [(8, 4), (32, 8), (320, 80), (480, 160)])
def test_inverse_of_the_transform_is_the_delayed_signal(n_fft, hop):
    stft = CausalSTFT(n_fft, hop)
    wav = torch.randn(2, 20 * hop)
    delay = n_fft - hop
    back = stft.inverse(stft(wav))
    assert back.shape == wav.shape
    assert back[:, :delay].abs().max() < 1e-5
    assert torch.allclose(back[:, delay:], wav[:, :-delay], atol=1e-5)


def test_neither_side_looks_ahead():
    stft = CausalSTFT(32, 8)
    wav = torch.randn(1, 80)
    spectra = stft(wav)
    assert spectra.shape == (1, 10, 17)
    later = wav.clone()
    later[:, 40:] = 0
    assert torch.equal(stft(later)[:, :5], spectra[:, :5])
    changed = spectra.clone()
    changed[:, 5:] = 0
    assert torch.equal(stft.inverse(changed)[:, :40], stft.inverse(spectra)[:, :40])


def test_partial_last_hop_is_filled_with_zeros():
    stft = CausalSTFT(32, 8)
    wav = torch.randn(1, 77)
    assert torch.equal(stft(wav), stft(torch.nn.functional.pad(wav, (0, 3))))


def test_centred_transform_is_that_of_torch():
    wav, window = torch.randn(2, 100), torch.hann_window(16)
    expected = torch.stft(wav, 16, 4, window=window, pad_mode="constant", return_complex=True).transpose(1, 2)
    assert torch.allclose(centred_stft(wav, window), expected, atol=1e-5)


@pytest.mark.parametrize(("size", "samples"), [(16, 100), (64, 37), (32, 8)])
def test_power_spectrogram_and_its_gradient_are_those_of_autograd(size, samples):
    window = torch.hann_window(size, dtype=torch.float64)
    wav = torch.randn(2, samples, dtype=torch.float64, requires_grad=True)
    power, expected = power_spectrogram(wav, window), centred_stft(wav, window).abs().square()
    assert torch.allclose(power, expected)
    weights = torch.randn_like(power)
    ours, theirs = (torch.autograd.grad((p * weights).sum(), wav)[0] for p in (power, expected))
    assert torch.allclose(ours, theirs)


def test_overlap_add_by_hand():
    frames = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]]])
    assert overlap_add(frames, 2).tolist() == [[1.0, 2.0, 13.0, 24.0]]
