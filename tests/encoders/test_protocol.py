"""What every encoder promises: a sequence is the same alone and among batch mates, and its padding is not heard."""

import pytest
import torch

pytest.importorskip("transformers")

from tiny_encoders import speech_encoder, w2v_bert, whisper

from audiolm.config.yaml_files import write_yaml
from audiolm.encoders.load import load_encoder
from audiolm.encoders.protocol import in_windows
from audiolm.errors import AudiolmError
from audiolm.recognizer.model import Recognizer, RecognizerModelConfig
from audiolm.train.checkpoint import write_model

LENGTHS = [16000, 6401, 9999, 200]


def recognizer(folder):
    torch.manual_seed(0)
    shape = {"dim": 16, "layers": 2, "heads": 2, "ffn_dim": 32, "n_mels": 20, "window": 0.64, "context": 0.08}
    write_yaml(folder / "config.yaml", {"system": "recognizer", "model": shape})
    write_model(folder, Recognizer(RecognizerModelConfig(**shape)).state_dict())
    return folder


ENCODERS = {
    "logmel": (lambda folder: "", {"sample_rate": 16000}, 160),
    "mfcc": (lambda folder: "", {"sample_rate": 16000}, 160),
    "recognizer": (recognizer, {"layer": 2}, 640),
    "recognizer, mean": (recognizer, {}, 640),
    "hubert, a norm over time": (speech_encoder, {"layer": 3}, 320),
    "wavlm, normalised": (lambda folder: speech_encoder(folder, "wavlm", large=True), {"layer": 3}, 320),
    "wavlm": (lambda folder: speech_encoder(folder, "wavlm"), {}, 320),
    "wav2vec2": (lambda folder: speech_encoder(folder, "wav2vec2"), {"layer": 1}, 320),
    "w2v-bert": (w2v_bert, {"layer": 1}, 320),
    "w2v-bert, mean": (w2v_bert, {}, 320),
    "whisper": (whisper, {"layer": 2}, 320),
    "whisper, mean": (whisper, {}, 320),
    "whisper, padded": (whisper, {"layer": 1, "pad": True}, 320),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_sequence_alone_is_the_same_among_batch_mates(name, tmp_path):
    make, options, hop = ENCODERS[name]
    backend = name if name in ("logmel", "mfcc") else "recognizer" if "recognizer" in name else "transformers"
    encoder = load_encoder(backend, str(make(tmp_path)), **options)
    assert (encoder.sample_rate, encoder.hop, encoder.frame_rate) == (16000, hop, 16000 / hop)
    torch.manual_seed(1)
    wav = 0.1 * torch.randn(len(LENGTHS), max(LENGTHS)) + 0.02  # and noise in the padding
    with torch.no_grad():
        states, mask = encoder(wav, torch.tensor(LENGTHS))
        frames = [-(-length // hop) for length in LENGTHS]
        assert states.shape == (4, frames[0], encoder.dim) and states.dtype == torch.float32
        assert mask.sum(1).tolist() == frames == encoder.num_frames(torch.tensor(LENGTHS)).tolist()
        assert not states[~mask].any() and torch.isfinite(states).all()
        for row, length, count in zip(range(4), LENGTHS, frames, strict=True):
            alone = encoder(wav[row : row + 1, :length])
            assert alone.mask.all() and alone.states.shape == (1, count, encoder.dim)
            assert (alone.states[0] - states[row, :count]).abs().max() < 1e-4
    assert states[0].std() > 0.01 and encoder(wav[:, :0]).states.shape == (4, 0, encoder.dim)


def test_windows_join_where_both_have_context():
    def numbers(part, lengths):  # what a window has seen of each frame: its samples, and how many came before
        return torch.stack([part.view(len(part), -1, 2)[..., 0], torch.arange(10.0).expand(len(part), 10)], -1)

    wav = torch.arange(60.0).expand(3, 60)
    joined = in_windows(wav, torch.tensor([60, 20, 38]), numbers, hop=2, size=10, margin=2)
    assert joined.shape == (3, 30, 2)
    for row, frames in enumerate((30, 10, 19)):
        assert joined[row, :frames, 0].tolist() == list(range(0, 2 * frames, 2))
    assert joined[0, :, 1].tolist() == [*range(8), *[2, 3, 4, 5, 6, 7] * 3, 2, 3, 4, 5]
    assert joined[1, :10, 1].tolist() == list(range(10))  # one window, though its mates have more


def test_an_encoder_that_is_not_there():
    with pytest.raises(AudiolmError, match="no encoder 'beats', expected logmel, mfcc, recognizer or transformers"):
        load_encoder("beats")
