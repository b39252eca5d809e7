"""w2v-BERT 2.0 against transformers."""

import pytest
import torch

pytest.importorskip("transformers")

from tiny_encoders import w2v_bert

from audiolm.encoders.load import load_encoder


def test_states_are_those_of_transformers_on_samples_between_zeros(tmp_path):
    from transformers import AutoModel, SeamlessM4TFeatureExtractor

    folder = w2v_bert(tmp_path)
    wav = 0.1 * torch.randn(1, 16000)
    heard = torch.nn.functional.pad(wav, (120, 120))[0].numpy()
    inputs = SeamlessM4TFeatureExtractor.from_pretrained(folder)(heard, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder).eval()(**inputs, output_hidden_states=True)
        every = [*theirs.hidden_states[:-1], theirs.last_hidden_state]
        for layer, expected in (*enumerate(every), ("mean", torch.stack(every).mean(0))):
            states = load_encoder("transformers", str(folder), layer)(wav).states
            assert states.shape == (1, 50, 16) and torch.allclose(states, expected, atol=1e-4)
