"""Whisper's encoder against transformers: random weights, and real ones where AUDIOLM_WEIGHTS names them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from tiny_encoders import whisper

from audiolm.data.datadir import DataDir
from audiolm.encoders.load import load_encoder
from audiolm.errors import AudiolmError

LATE = 160  # samples by which frames of transformers are centred too early


def theirs(folder, wav: np.ndarray) -> list[torch.Tensor]:
    """transformers' states [1, 1500, dim] of all layers, the norm after the last one in."""
    from transformers import WhisperFeatureExtractor, WhisperModel

    inputs = WhisperFeatureExtractor.from_pretrained(folder)(wav[LATE:], sampling_rate=16000, return_tensors="pt")
    encoder = WhisperModel.from_pretrained(folder).eval().encoder
    with torch.no_grad():
        found = encoder(inputs.input_features, output_hidden_states=True)
    return [*found.hidden_states[:-1], found.last_hidden_state]


def check(folder, wav: np.ndarray) -> None:
    wav = np.concatenate([np.zeros(2 * LATE + 40, np.float32), wav])  # both see silence at the beginning
    every = theirs(folder, wav)
    for layer, expected in (*enumerate(every), ("mean", torch.stack(every).mean(0))):
        with torch.no_grad():
            states = load_encoder("transformers", str(folder), layer, pad=True)(torch.from_numpy(wav)[None]).states
        frames = -(-len(wav) // 320)
        assert states.shape == (1, frames, expected.shape[-1])
        assert (states - expected[:, :frames]).abs().max() < 1e-3 * max(1, float(expected.abs().max()))


def test_states_are_those_of_transformers_half_a_frame_later(tmp_path):
    check(whisper(tmp_path), np.random.default_rng(0).normal(0, 0.1, 40001).astype(np.float32))


def test_thirty_seconds_are_the_same_padded_and_cut(tmp_path):
    torch.manual_seed(0)
    wav, folder = 0.1 * torch.randn(1, 30 * 16000), str(whisper(tmp_path))
    for part, same in ((wav, True), (wav[:, :16000], False)):
        padded, cut = (load_encoder("transformers", folder, 2, pad=pad)(part).states for pad in (True, False))
        assert torch.allclose(padded, cut, atol=1e-4) == same


def test_longer_input_goes_in_windows(tmp_path):
    torch.manual_seed(0)
    encoder, wav = load_encoder("transformers", str(whisper(tmp_path)), 2), 0.1 * torch.randn(2, 40 * 16000)
    states, mask = encoder(wav, torch.tensor([40 * 16000, 31 * 16000]))
    assert mask.sum(1).tolist() == [2000, 1550]
    assert torch.allclose(states[:, :1400], encoder(wav[:, : 30 * 16000]).states[:, :1400], atol=1e-4)
    assert torch.allclose(states[0, 1400:], encoder(wav[:1, 26 * 16000 :]).states[0, 100:], atol=1e-4)
    assert torch.allclose(states[1, :1550], encoder(wav[1:, : 31 * 16000]).states[0], atol=1e-4)


def test_the_layer_that_serves_most_is_the_last_but_one(tmp_path):
    torch.manual_seed(0)
    folder, wav = str(whisper(tmp_path)), 0.1 * torch.randn(1, 16000)
    auto, first = (load_encoder("transformers", folder, layer)(wav).states for layer in ("auto", 1))
    assert torch.equal(auto, first)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(AudiolmError, match="layer 3 of .*, expected 0 to 2, or mean"):
        load_encoder("transformers", str(whisper(tmp_path)), 3)


@pytest.mark.slow
def test_real_weights(shared_data):
    """Parity, and what cutting the positions changes: neighbouring frames differ by more."""
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / "whisper-tiny.en"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("AUDIOLM_WEIGHTS names no folder with whisper-tiny.en")
    data = DataDir.read(shared_data / "librispeech_test_other")
    wav = data.audio(next(iter(data.recos)), fs=16000)[: 6 * 16000]
    check(folder, wav)
