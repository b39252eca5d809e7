"""Scores of a text LM, by hand and for models whose losses are known; its page."""

import json
import math

import numpy as np
import pytest
import torch

from audiolm.commands.main import main
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.start import PREFIX
from audiolm.lm.text_lm import TextLM
from audiolm.nn.transformer import TransformerConfig
from audiolm.score import text_lm
from audiolm.score.record import read_all
from audiolm.text.tokenizer import BOS, EOS, train_tokenizer
from audiolm.train.checkpoint import write_model
from audiolm.train.options import read_config

SHAPE = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=24)
TEXTS = [
    "one two three",
    "hello how are you",
    "two three four one two three four one",
    "where are you",
    "the red house",
]
LONG = "one two three four the red house hello how are you where are you two three four one"


@pytest.fixture(scope="module")
def lm() -> TextLM:
    torch.manual_seed(0)
    tokenizer = train_tokenizer([*TEXTS, LONG] * 3, 400)
    return TextLM(Backbone(tokenizer.vocab_size, SHAPE).eval(), tokenizer, 6, "0" * 16)


@pytest.fixture
def work(tmp_path, lm):
    """A recipe's directory whose text LM has not learnt anything."""
    exp = tmp_path / "exp/textlm"
    lm.tokenizer.save(exp)
    settings = {"system": "textlm", "text_vocab": lm.tokenizer.vocab_size, "corpus": "documents", "tokens": lm.tokens}
    write_yaml(exp / "config.yaml", {**settings, "temporal": {"dim": 16, "layers": 1, "heads": 2, "ffn_dim": 24}})
    write_yaml(exp / "config.yaml", read_config([exp / "config.yaml"]).complete)
    write_model(exp, {PREFIX + name: tensor for name, tensor in lm.backbone.state_dict().items()})
    for name in ("train", "test"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "text").write_text(
            "".join(f"{n} {text}\n" for n, text in enumerate([*TEXTS, LONG]))
        )
    common = ["--dir", str(tmp_path), "--sets", "train", "test"]
    assert main(["tokens", *common, "--tokenizer", str(exp)]) == 0
    assert main(["merge", *common, "--kind", "tokens", "--num_jobs", "1"]) == 0
    return tmp_path


def test_a_document_is_scored_once_with_half_a_window_before(lm):
    document = np.array([BOS, *lm.tokenizer.encode(LONG), EOS])
    with torch.no_grad():
        expected, scored = 0.0, 0
        for start in range(0, len(document), 3):
            part = torch.from_numpy(document[start : start + 7])
            logs = lm.backbone.text_logits(part[None, :-1])[0].log_softmax(-1)
            for n, target in enumerate(part[1:].tolist()):
                if start + n >= scored:
                    expected -= float(logs[n, target])
                    scored += 1
    short = np.array([BOS, *lm.tokenizer.encode("one two"), EOS])
    losses = text_lm.document_losses(lm, [short, document, short])
    assert scored == len(document) - 1 and losses[1] == pytest.approx(expected, rel=1e-5)
    assert losses[0] == pytest.approx(losses[2]) and losses[0] < losses[1]


def test_scores_of_an_lm_that_knows_nothing(work, lm):
    with torch.no_grad():
        state = {
            name: torch.zeros_like(t) if name == "text_head.weight" else t
            for name, t in lm.backbone.state_dict().items()
        }
    write_model(work / "exp/textlm", {PREFIX + name: tensor for name, tensor in state.items()})
    token, word, byte = text_lm.score(work / "exp/textlm", work / "dump/train", work / "dump/test", "test")
    vocab = lm.tokenizer.vocab_size
    tokens = sum(len(lm.tokenizer.encode(text)) + 1 for text in [*TEXTS, LONG])
    words = sum(len(text.split()) + 1 for text in [*TEXTS, LONG])
    size = sum(len(text) + 1 for text in [*TEXTS, LONG])
    assert token.value == pytest.approx(vocab, rel=1e-4) and token.ci == pytest.approx((vocab, vocab), rel=1e-4)
    assert word.value == pytest.approx(math.exp(math.log(vocab) * tokens / words), rel=1e-4)
    assert byte.value == pytest.approx(math.log2(vocab) * tokens / size, rel=1e-4) and byte.unit == "bit/byte"
    assert token.details == {"documents": 6, "tokens": tokens, "words": words, "bytes": size} and token.count == 6
    counts = np.ones(vocab)
    for text in [*TEXTS, LONG]:
        counts += np.bincount([*lm.tokenizer.encode(text), EOS], minlength=vocab)
    logs = np.log(counts / counts.sum())
    bound = -sum(logs[[*lm.tokenizer.encode(text), EOS]].sum() for text in [*TEXTS, LONG])
    assert token.baseline == pytest.approx(math.exp(bound / tokens))


def test_the_verb_writes_scores_and_continuations_and_the_page_shows_them(work, lm, capsys):
    options = ["--dir", str(work), "--set", "test"]
    assert main(["score", *options, "--metrics", "textlm", "--textlm", str(work / "exp/textlm")]) == 0
    names = {score.metric for score in read_all(work / "exp/textlm/scores")}
    assert names == {"textlm_perplexity_token", "textlm_perplexity_word", "textlm_bits_per_byte"}
    lines = (work / "exp/textlm/generate/text/samples.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    assert prompts[0] == " ".join(LONG.split()[:8]) and prompts[-2:] == ["", ""] and len(prompts) == 8
    assert json.loads(lines[0])["original"] == " ".join(LONG.split()[8:])
    assert main(["report", *options]) == 0
    page = (work / "report.html").read_text()
    for text in ("perplexity by word", "Continuations", "1 layers", "6 tokens", "unigram of tokens"):
        assert text in page
    assert "codec" not in page.partition("<footer>")[2]
    capsys.readouterr()
    assert main(["score", *options, "--metrics", "textlm"]) == 1
    assert "metric 'textlm' needs --textlm" in capsys.readouterr().err


def test_documents_of_another_tokenizer_are_refused(work, tmp_path):
    train_tokenizer(["other words"], 400).save(work / "other")
    assert main(["tokens", "--dir", str(work), "--sets", "test", "--tokenizer", str(work / "other")]) == 0
    with pytest.raises(AudiolmError, match="'tokens' tokens were made by .* the model in use is"):
        text_lm.score(work / "exp/textlm", work / "dump/train", work / "dump/test", "test")
