"""What is heard in continued dialogues, with a judge and a text LM whose answers are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.text_lm import TextLM
from audiolm.nn.transformer import TransformerConfig
from audiolm.score.continuations import likelihoods, score, transcribe
from audiolm.score.intelligibility import Judge
from audiolm.text.tokenizer import BOS, EOS, train_tokenizer

FS = 8000
WORDS = {0.2: "yes", 0.4: "no no", 0.6: ""}  # what a level says


class Levels:
    """Hears a word by its loudness."""

    key, name, checksum = "levels", "levels", "0" * 16

    def transcribe(self, waves, fs, voices=None):
        return [WORDS[min(WORDS, key=lambda level: abs(level - np.abs(wave).max()))] for wave in waves]


class Loud:
    """Finds speech where there is sound."""

    name = "loud"

    def __call__(self, wav, fs):
        edges = np.flatnonzero(np.diff((np.abs(wav) > 0).astype(int), prepend=0, append=0)).reshape(-1, 2)
        return [(start / fs, end / fs) for start, end in edges]


@pytest.fixture(scope="module")
def lm() -> TextLM:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["yes no", "no no yes"] * 20, 300)
    shape = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=24)
    return TextLM(Backbone(tokenizer.vocab_size, shape).eval(), tokenizer, 64, "0" * 16, dialogues=True)


def sound(*parts: tuple[float, float]) -> np.ndarray:
    """4 s of silence with (start, level) of half a second each."""
    wav = np.zeros(4 * FS, np.float32)
    for start, level in parts:
        wav[round(start * FS) : round((start + 0.5) * FS)] = level
    return wav


def directory(folder, files: dict[str, list[np.ndarray]]) -> DataDir:
    data = DataDir(path=folder)
    for file, channels in files.items():
        path = folder / f"{file}.wav"
        audio.write(path, np.stack(channels, axis=1), FS)
        for name, _ in zip("AB", channels, strict=False):
            data.wav[f"{file}-{name}"] = str(path)
            data.reco2dur[f"{file}-{name}"] = 4.0
            data.reco2file_and_channel[f"{file}-{name}"] = (file, name)
    data.write(folder)
    return data


def sequence_nats(lm: TextLM, tokens: list[int]) -> float:
    with torch.no_grad():
        logs = lm.backbone.text_logits(torch.tensor([tokens[:-1]]))[0].log_softmax(-1)
    return -sum(float(logs[n, token]) for n, token in enumerate(tokens[1:]))


def test_turns_of_both_speakers_in_order_of_time(lm):
    # In the second channel, two sounds with a pause of 0.3 s are one turn, whose loudest part is heard.
    conversation = [sound((1.0, 0.2), (3.0, 0.4)), sound((1.5, 0.2), (2.3, 0.4))]
    turns = transcribe(Judge(Levels()), [conversation, [sound((0.0, 0.6))]], FS, Loud())
    assert turns == [[(1.0, 0, "yes"), (1.5, 1, "no no"), (3.0, 0, "no no")], []]
    yes, no = (lm.tokenizer.encode_word(word) for word in ("yes", "no"))
    start = lm.tokenizer.vocab_size
    nats, counts = likelihoods(lm, turns)
    tokens = [start, BOS, *yes, EOS, *no, *no, BOS, *no, *no]
    assert counts == [len(tokens) - 1, 0] and nats[1] == 0
    assert nats[0] == pytest.approx(sequence_nats(lm, tokens), rel=1e-5)
    nats, counts = likelihoods(replace(lm, dialogues=False), turns)
    tokens = [BOS, *yes, *no, *no, *no, *no]
    assert counts[0] == len(tokens) - 1 and nats[0] == pytest.approx(sequence_nats(lm, tokens), rel=1e-5)


def test_continuations_beside_the_originals(tmp_path, lm):
    for name in ("made", "real"):
        (tmp_path / name).mkdir()
    real = directory(tmp_path / "real", {"d": [sound((0.0, 0.4), (2.0, 0.2)), sound((3.0, 0.4))]})
    directory(tmp_path / "made", {"d-continued": [sound((0.0, 0.4), (2.0, 0.2)), sound()]})
    line = {"id": "d-continued-A", "source": "d-A", "prompt": 1.0, "seconds": 4.0}
    (tmp_path / "made" / "meta.jsonl").write_text(json.dumps(line) + "\n")
    nll, length = score([Judge(Levels())], lm, tmp_path / "made", real, FS, "test", "textlm", Loud())
    assert (length.metric, nll.metric) == ("transcript_length_levels", "transcript_nll_levels")
    assert (length.value, length.baseline) == (len("yes"), len("yes no no"))  # what the prompt says does not count
    yes, no = (lm.tokenizer.encode_word(word) for word in ("yes", "no"))
    start = lm.tokenizer.vocab_size
    for found, tokens in ((nll.value, [start, BOS, *yes]), (nll.baseline, [start, BOS, *yes, EOS, *no, *no])):
        assert found == pytest.approx(sequence_nats(lm, tokens) / (len(tokens) - 1), rel=1e-5)


def test_silence_has_a_length_and_no_likelihood(tmp_path, lm):
    for name in ("made", "real"):
        (tmp_path / name).mkdir()
    real = directory(tmp_path / "real", {"d": [sound((2.0, 0.2))]})
    directory(tmp_path / "made", {"d-continued": [sound()]})
    line = {"id": "d-continued-A", "source": "d-A", "prompt": 1.0, "seconds": 4.0}
    (tmp_path / "made" / "meta.jsonl").write_text(json.dumps(line) + "\n")
    [length] = score([Judge(Levels())], lm, tmp_path / "made", real, FS, "test", "textlm", Loud())
    assert (length.metric, length.value, length.baseline) == ("transcript_length_levels", 0, 3)
    (tmp_path / "made" / "meta.jsonl").write_text("")
    with pytest.raises(AudiolmError, match="nothing was continued"):
        score([Judge(Levels())], lm, tmp_path / "made", real, FS, "test", "textlm", Loud())
