"""Self-supervised encoders against transformers, and mistakes in what they are loaded from."""

import json

import pytest
import torch

pytest.importorskip("transformers")

from tiny_encoders import speech_encoder

from audiolm.encoders.load import load_encoder as load
from audiolm.errors import AudiolmError


def load_encoder(folder: str, layer):
    return load("transformers", folder, layer)


@pytest.mark.parametrize(("kind", "large"), [("hubert", False), ("wavlm", True), ("wavlm", False), ("wav2vec2", True)])
def test_states_are_those_of_transformers_on_samples_between_zeros(tmp_path, kind, large):
    from transformers import AutoModel

    folder = speech_encoder(tmp_path / kind, kind, large)
    wav = 0.1 * torch.randn(2, 16000)
    heard = (wav - wav.mean(1, keepdim=True)) / wav.std(1, keepdim=True, correction=0) if large else wav
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder).eval()(
            torch.nn.functional.pad(heard, (40, 40)), output_hidden_states=True
        )
        every = [*theirs.hidden_states[:-1], theirs.last_hidden_state]
        for layer in (0, 1, 3):
            encoder = load_encoder(str(folder), layer)
            states = encoder(wav).states
            assert (encoder.sample_rate, encoder.frame_rate, encoder.dim) == (16000, 50.0, 16)
            assert states.shape == (2, 50, 16) and len(encoder.model.encoder.layers) == layer
            assert torch.allclose(states, every[layer], atol=1e-5)
        mean = torch.stack(every).mean(0)
        assert torch.allclose(load_encoder(str(folder), "mean")(wav).states, mean, atol=1e-5)


def test_frames_are_centred_on_their_samples(tmp_path):
    encoder = load_encoder(str(speech_encoder(tmp_path / "hubert", large=True)), 0)  # no norm over time
    encoder.normalize = False
    received = {}
    encoder.model.feature_extractor.register_forward_hook(lambda module, inputs, output: received.update(x=output))
    still = torch.zeros(1, 3200)
    encoder(still)
    before = received["x"]
    for sample, frames in ((320 * 5 + 159, [5]), (320 * 5 + 320, [5, 6]), (320 * 5 + 361, [6])):
        wav = still.clone()
        wav[0, sample] = 1.0
        encoder(wav)
        changed = (received["x"] - before).abs().amax(dim=1)[0] > 0
        assert changed.nonzero().flatten().tolist() == frames


def test_a_part_of_a_hop_is_a_frame(tmp_path):
    encoder = load_encoder(str(speech_encoder(tmp_path / "hubert")), 1)
    assert encoder(torch.randn(1, 3201)).states.shape == (1, 11, 16)


def test_mistakes_are_told(tmp_path):
    folder = speech_encoder(tmp_path / "hubert")
    with pytest.raises(AudiolmError, match="layer 4 of .*, expected 0 to 3, or mean"):
        load_encoder(str(folder), 4)
    with pytest.raises(AudiolmError, match="no speech encoder 'gone': expected an existing folder"):
        load_encoder("gone", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudiolmError, match="holds no config.json, expected the folder of a speech encoder"):
        load_encoder(str(tmp_path / "empty"), 1)


def test_other_models_and_damaged_weights_are_told(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = speech_encoder(tmp_path / "hubert")
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("encoder.layers.1.")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(AudiolmError, match=r"lacks \d+ weights of a hubert: encoder.layers.1"):
        load_encoder(str(folder), 1)
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(AudiolmError, match="cannot load speech encoder .* header too small"):
        load_encoder(str(folder), 1)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(AudiolmError, match="holds a bert, expected one of: hubert, w2v-bert, wav2vec2, wavlm, whisper"):
        load_encoder(str(folder), 1)
