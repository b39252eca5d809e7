"""A text LM on packed documents: its windows, losses, validation by token, word and byte, and resume."""

import json
import math

import numpy as np
import pytest
import torch

from audiolm.config.yaml_files import write_yaml
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.lm.documents import Documents, Packed, document_windows
from audiolm.models.textlm.system import TextLMConfig, TextLMSystem
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.grid import ABSENT
from audiolm.text.tokenizer import BOS, EOS, Tokenizer, train_tokenizer
from audiolm.train.loop import train
from audiolm.train.options import read_config
from audiolm.train.randomness import Key

SHAPE = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=24)
TEXTS = ["one two three", "hello how are you", "two three four", "where are you", "the red house"]


def write_packed(directory, entries, vocab, source):
    with TokenWriter(directory / "tokens", "tokens", 1, Meta(0, (vocab,), source)) as writer:
        for name, tokens in entries.items():
            writer.write(name, np.array(tokens)[:, None])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    return train_tokenizer(TEXTS * 3, 400)


@pytest.fixture
def dump(tmp_path, tokenizer):
    packed = [id for text in TEXTS for id in [BOS, *tokenizer.encode(text), EOS]]
    for name in ("train", "dev"):
        write_packed(tmp_path / name, {"a": packed, "b": packed[:7]}, tokenizer.vocab_size, tokenizer.checksum)
    tokenizer.save(tmp_path / "tokenizer")
    return tmp_path


def config(dump, vocab, **options) -> TextLMConfig:
    options = {"corpus": "documents", "tokens": 6, "tokenizer": str(dump / "tokenizer"), **options}
    return TextLMConfig(vocab, SHAPE, train=str(dump / "train"), valid=str(dump / "dev"), **options)


def test_windows_cover_every_token_once_and_can_be_moved(tmp_path):
    write_packed(tmp_path, {"a": range(10, 20), "b": [20, 21, 22]}, 50, "t")
    packed = Packed(tmp_path, 50, 4)
    windows = [packed.window(index).tolist() for index in range(len(packed))]
    assert windows == [
        [10, 11, 12, 13, 14],
        [14, 15, 16, 17, 18],
        [18, 19, ABSENT, ABSENT, ABSENT],
        [20, 21, 22, ABSENT, ABSENT],
    ]
    assert packed.window(1, -2).tolist() == [12, 13, 14, 15, 16]
    assert packed.window(0, -2).tolist() == [10, 11, 12, 13, 14]  # no further than its entry goes
    assert packed.window(2, 2).tolist() == [15, 16, 17, 18, 19]
    assert packed.window(3, 2).tolist() == windows[3]
    assert [window.tolist() for window in document_windows(tmp_path, 50, 4, 2)] == [windows[0], windows[3]]


def test_an_epoch_takes_each_window_once_whatever_the_ranks(dump, tokenizer):
    examples = Documents(dump / "train", tokenizer.vocab_size, 6)
    count = len(examples.packed)
    first = [examples(Key(3, index))["tokens"] for index in range(count)]
    again = [Documents(dump / "train", tokenizer.vocab_size, 6)(Key(3, index))["tokens"] for index in range(count)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert sorted(Key(3, index).item(count) for index in range(count)) == list(range(count))
    assert all(tokens.shape == (7,) and tokens.min() >= ABSENT for tokens in first)


def test_bos_is_given_and_all_else_is_predicted(dump, tokenizer):
    system = TextLMSystem(config(dump, tokenizer.vocab_size))
    tokens = torch.tensor([[EOS, BOS, 270, 271, EOS, BOS, ABSENT]])
    losses, metrics = system.losses({"tokens": tokens}, 0)
    logs = system.backbone.text_logits(tokens[:, :-1]).log_softmax(-1)[0]
    expected = -(logs[1, 270] + logs[2, 271] + logs[3, EOS]) / 3
    torch.testing.assert_close(losses["main"], expected)
    assert metrics["perplexity"].item() == pytest.approx(expected.exp().item(), rel=1e-5)


def test_validation_by_token_word_and_byte(dump, tokenizer):
    system = TextLMSystem(config(dump, tokenizer.vocab_size))
    with torch.no_grad():
        system.backbone.text_head.weight.zero_()  # every token as likely: log(vocabulary) nats each
    sums = {}
    for batch in system.validation_batches():
        with torch.no_grad():
            metrics = system.validate(batch)
        for name, pair in metrics.items():
            sums[name] = sums.get(name, np.zeros(2)) + np.array([float(x) for x in pair])
    documents = [*TEXTS, *TEXTS[:1]]  # entry b is the first document, and a part of the second
    tokens = sum(len(tokenizer.encode(text)) + 1 for text in documents) + 1
    words = sum(len(text.split()) + 1 for text in documents) + 1
    size = sum(len(text) + 1 for text in documents) + len(" hello")
    nats = math.log(tokenizer.vocab_size) * tokens
    assert sums["loss"] == pytest.approx([nats, tokens], rel=1e-5)
    assert sums["nats_per_word"] == pytest.approx([nats, words], rel=1e-5)
    assert sums["bits_per_byte"] == pytest.approx([nats / math.log(2), size], rel=1e-5)
    assert set(TextLMSystem(config(dump, 400, tokenizer=None)).validate(batch)) == {"loss"}


def test_archives_that_do_not_fit_are_refused(dump, tokenizer, tmp_path):
    with pytest.raises(AudiolmError, match=f"{tokenizer.vocab_size} ids, text_vocab is 200; raise it"):
        Packed(dump / "train", 200, 6)
    train_tokenizer(["other words here"], 400).save(tmp_path / "other")
    with pytest.raises(AudiolmError, match="of another tokenizer than"):
        TextLMSystem(config(dump, 400, tokenizer=str(tmp_path / "other"))).examples()
    with TokenWriter(tmp_path / "empty/tokens", "tokens", 1, Meta(0, (9,), "t")):
        pass
    with pytest.raises(AudiolmError, match="no document; a text LM needs some"):
        Packed(tmp_path / "empty", 9, 6)


def run_config(dump, vocab, path, **trainer):
    settings = {
        "system": "textlm", "text_vocab": vocab, "corpus": "documents", "tokens": 6, "train": str(dump / "train"),
        "valid": str(dump / "dev"), "tokenizer": str(dump / "tokenizer"),
        "temporal": {"dim": 16, "layers": 1, "heads": 2, "ffn_dim": 24, "dropout": 0.1},
        "trainer": {"max_steps": 6, "batch_size": 4, "precision": "fp32", "accelerator": "cpu",
                    "min_free_disk": 0, **trainer},
    }  # fmt: skip
    write_yaml(path, settings)
    return read_config([path])


def test_resume_is_exact_and_the_tokenizer_goes_with_the_weights(dump, tokenizer, tmp_path):
    train(run_config(dump, tokenizer.vocab_size, tmp_path / "a.yaml", save_every=3), tmp_path / "whole")
    train(run_config(dump, tokenizer.vocab_size, tmp_path / "b.yaml", save_every=3, max_steps=3), tmp_path / "parts")
    train(run_config(dump, tokenizer.vocab_size, tmp_path / "b.yaml", save_every=3), tmp_path / "parts")
    whole, parts = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    assert Tokenizer.load(tmp_path / "whole").checksum == tokenizer.checksum
    last = json.loads((tmp_path / "whole/metrics.jsonl").read_text().splitlines()[-1])
    assert {"valid/loss", "valid/bits_per_byte", "valid/nats_per_word"} < set(last)
