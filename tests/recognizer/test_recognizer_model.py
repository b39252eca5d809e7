import subprocess
import sys

import numpy as np
import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.recognizer.model import Recognizer, RecognizerModelConfig


def tiny(**changes) -> RecognizerModelConfig:
    shape = {"sample_rate": 8000, "n_mels": 20, "dim": 16, "layers": 2, "heads": 2, "ffn_dim": 32, "kernel_size": 7}
    return RecognizerModelConfig(**(shape | changes))


def random_model(config: RecognizerModelConfig) -> Recognizer:
    torch.manual_seed(0)
    model = Recognizer(config)
    for module in model.modules():  # statistics as after training
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.eval()


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32))


@pytest.mark.parametrize("samples, frames", [(1, 1), (320, 1), (321, 2), (8000, 25), (7999, 25)])
def test_25_frames_per_second_and_a_partial_one_counts(samples, frames):
    model = random_model(tiny())
    log_probs, counts = model.log_probs(noise(samples)[None], torch.tensor([samples]))
    assert log_probs.shape == (1, frames, 29)
    assert counts.tolist() == [frames]
    assert log_probs.exp().sum(-1).allclose(torch.ones(1, frames), atol=1e-5)
    assert (model.frame_rate, model.frame_size) == (25, 320)


def test_a_batch_gives_what_each_gives_alone():
    model = random_model(tiny())
    lengths = [9000, 4001, 320, 12345]
    rows = [noise(n, seed=n) for n in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    together, frames = model.log_probs(batch, torch.tensor(lengths))
    hidden = model.hidden(batch, torch.tensor(lengths), 1)
    for i, row in enumerate(rows):
        alone, count = model.log_probs(row[None], torch.tensor([len(row)]))
        assert count[0] == frames[i] == alone.shape[1]
        torch.testing.assert_close(together[i, : frames[i]], alone[0], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(
            hidden[i, : frames[i]], model.hidden(row[None], torch.tensor([len(row)]), 1)[0], atol=2e-5, rtol=1e-4
        )
        assert hidden[i, frames[i] :].abs().sum() == 0


def test_long_recordings_go_through_in_windows():
    """Each frame is what its own window, cut out by hand, gives."""
    model = random_model(tiny(window=2.0, context=0.4))
    wav = noise(8000 * 5 + 100)
    log_probs, frames = model.log_probs(wav[None], torch.tensor([len(wav)]))
    assert log_probs.shape[1] == frames[0] == 126
    first = model.log_probs(wav[None, : 50 * 320], torch.tensor([50 * 320]))[0]
    torch.testing.assert_close(log_probs[0, :40], first[0, :40])  # but for the 10 frames of context
    second = model.log_probs(wav[None, 30 * 320 : 80 * 320], torch.tensor([50 * 320]))[0]
    torch.testing.assert_close(log_probs[0, 40:70], second[0, 10:40])
    rest = wav[90 * 320 :]
    last = model.log_probs(rest[None], torch.tensor([len(rest)]))[0]
    torch.testing.assert_close(log_probs[0, 100:126], last[0, 10:36], atol=2e-5, rtol=1e-4)


def test_hidden_layers_are_the_blocks_outputs():
    model = random_model(tiny())
    wav, lengths = noise(4000)[None], torch.tensor([4000])
    assert model.hidden(wav, lengths, 1).shape == (1, 13, 16)
    logits = model.head(model.encoder.after_norm(model.hidden(wav, lengths, 2)))
    torch.testing.assert_close(logits.log_softmax(-1), model.log_probs(wav, lengths)[0])
    with pytest.raises(AudiolmError, match="layer 3 .* 1 to 2"):
        model.hidden(wav, lengths, 3)


def test_transcribe_keeps_order_and_takes_empty_input():
    model = random_model(tiny())
    wavs = [noise(n, seed=n).numpy() for n in (3000, 0, 9000, 5000)]
    texts = model.transcribe(wavs, batch=2)
    assert texts[1] == ""
    assert texts == [model.transcribe([wav])[0] for wav in wavs]
    assert set(" ".join(model.transcribe(wavs, words=["ab", "c"])).split()) <= {"ab", "c"}


def test_text_ids_name_an_unknown_character():
    model = Recognizer(tiny())
    assert model.text_ids("a b") == [3, 1, 4]
    with pytest.raises(AudiolmError, match="character 'é' of text 'café'"):
        model.text_ids("café")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kernel_size": 8}, "kernel_size: 8 .* odd"),
        ({"dim": 15}, "dim: 15 is not divisible by heads: 2"),
        ({"symbols": "ab"}, "must begin with a space"),
        ({"symbols": " aa"}, "repeat nothing"),
        ({"window": 4.0, "context": 2.0}, "window: 4.0 .* not longer than twice context"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes, message):
    with pytest.raises(AudiolmError, match=message):
        Recognizer(tiny(**changes))


def test_espnet_is_imported_without_a_word():
    code = "from audiolm.recognizer.model import *; Recognizer(RecognizerModelConfig(layers=1, dim=16, ffn_dim=16))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
