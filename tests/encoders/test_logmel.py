import numpy as np
import pytest
import torch

from audiolm.encoders.logmel import LogMel


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000])
def test_a_full_scale_sine_has_the_level_of_the_floor_in_bels(sample_rate):
    logmel = LogMel(sample_rate, n_mels=40)
    time = torch.arange(sample_rate) / sample_rate
    frames = logmel(torch.sin(2 * torch.pi * 1000 * time)[None])[0]
    assert frames.shape == (100, 40)
    loudest = frames[10:90].max(-1).values
    assert (
        loudest.min() > 7 and loudest.max() < 8.5
    )  # a full-scale sine is 80 dB above the floor, give or take a filter's width
    centre = frames[50].argmax()
    assert torch.equal(frames[10:90].argmax(-1), centre.expand(80))


def test_silence_is_zero_and_padding_changes_nothing():
    logmel = LogMel(8000, n_mels=40)
    wav = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 4021).astype(np.float32))
    alone = logmel(wav[None])
    padded = logmel(torch.nn.functional.pad(wav, (0, 3000))[None])
    assert alone.shape[1] == 51 == logmel.num_frames(torch.tensor(4021))
    torch.testing.assert_close(padded[:, :51], alone)
    assert padded[:, 53:].abs().max() == 0


def test_frames_are_centred_on_their_hop():
    logmel = LogMel(8000, n_mels=40)
    wav = torch.zeros(1, 8000)
    wav[0, 4040] = 1.0  # in the middle of hop 50
    energy = logmel(wav)[0].sum(-1)
    assert energy.argmax() == 50
    assert energy[49].item() == pytest.approx(energy[51].item(), rel=1e-3)


def test_a_rate_without_whole_hops_is_refused():
    with pytest.raises(ValueError, match="11025"):
        LogMel(11025, n_mels=40)
