"""The text LM on the words of a corpus, and its weights in an audio LM."""

import numpy as np
import pytest
import torch

from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.depth import DepthConfig
from audiolm.lm.dialogues import read_texts
from audiolm.lm.llama import write_llama
from audiolm.models.moshi.data import DataConfig, MixConfig
from audiolm.models.moshi.model import ModelConfig
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.models.textlm.system import TextLMConfig, TextLMSystem
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.text import dialogue_text
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD
from audiolm.train.randomness import Key

SHAPE = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=24)


@pytest.fixture
def dump(tmp_path):
    streams = {"d-A": [PAD, EPAD, 5, 6, PAD, PAD, PAD, 7], "d-B": [PAD, PAD, PAD, PAD, EPAD, 8, 9, PAD], "e": [PAD] * 3}
    for name in ("train", "dev"):
        DataDir(
            wav={key: f"/nowhere/{key}.flac" for key in streams},
            reco2file_and_channel={"d-A": ("d", "A"), "d-B": ("d", "B"), "e": ("e", "A")},
        ).write(tmp_path / name / "audio")
        with TokenWriter(tmp_path / name / "text", "text", 1, Meta(12.5, (10,), "tokenizer")) as writer:
            for key, tokens in streams.items():
                writer.write(key, np.array(tokens)[:, None])
    return tmp_path


def config(dump, **options) -> TextLMConfig:
    return TextLMConfig(10, SHAPE, train=str(dump / "train"), valid=str(dump / "dev"), **options)


def test_conversations_from_both_sides(dump):
    texts, source = read_texts(dump / "train", 10)
    assert [text.tolist() for text in texts] == [[BOS, 5, 6, EOS, 8, 9, BOS, 7], [EOS, 5, 6, BOS, 8, 9, EOS, 7]]
    assert source == "tokenizer"
    assert dialogue_text(np.array([PAD, 5, 6]), []).tolist() == [BOS, 5, 6]
    assert dialogue_text(np.array([PAD]), []).tolist() == []


def test_examples_and_losses(dump):
    system = TextLMSystem(config(dump, tokens=5))
    examples = system.examples()
    batch = examples.collate([examples(Key(0, index)) for index in range(8)])
    assert batch["tokens"].shape == (8, 6) and (batch["tokens"][:, 0] == 10).all()
    losses, metrics = system.losses(batch, 0)
    inputs, targets = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
    logits = system.backbone.text_head(system.backbone(system.backbone.embed_text(inputs)))
    expected = -logits.log_softmax(-1).gather(-1, targets[..., None]).mean()
    torch.testing.assert_close(losses["main"], expected)
    assert metrics["perplexity"].item() == pytest.approx(expected.exp().item(), rel=1e-4)


def test_validation_reads_every_token_once(dump):
    system = TextLMSystem(config(dump, tokens=5))
    pairs = [system.validate(batch)["loss"] for batch in system.validation_batches()]
    assert sum(int(count) for _, count in pairs) == 16


def test_its_weights_start_an_audio_lm(dump):
    text = TextLMSystem(config(dump))
    text.examples()
    shape = ModelConfig(10, 2, 4, temporal=SHAPE, depth=DepthConfig(dim=8, layers=1, heads=2, ffn_dim=8))
    data = DataConfig(str(dump / "train"), str(dump / "dev"), mix={"dialogue": MixConfig()})
    audio = MoshiSystem(MoshiConfig(shape, data))
    before = audio.model.depth.heads.weight.clone()
    audio.load_init(text.export_state())
    for name, tensor in text.backbone.state_dict().items():
        assert torch.equal(audio.model.backbone.state_dict()[name], tensor)
    assert torch.equal(audio.model.depth.heads.weight, before)
    with pytest.raises(AudiolmError, match="another tokenizer than other"):
        audio.model.backbone.tokenizer.claim("other", "tokenizer")
    wider = ModelConfig(11, 2, 4, temporal=SHAPE, depth=shape.depth)
    with pytest.raises(AudiolmError, match="do not fit.*text_embedding.weight"):
        MoshiSystem(MoshiConfig(wider, data)).load_init(text.export_state())


def test_too_small_a_vocabulary_is_named(dump):
    with pytest.raises(AudiolmError, match="10 ids, text_vocab is 9; raise it"):
        read_texts(dump / "train", 9)


def test_sets_of_two_tokenizers_are_refused(dump):
    with TokenWriter(dump / "dev" / "text", "text", 1, Meta(12.5, (10,), "other")) as writer:
        writer.write("e", np.array([[PAD], [5]]))
    with pytest.raises(AudiolmError, match="trained on tokens of another tokenizer than other"):
        TextLMSystem(config(dump)).examples()


def test_a_llama_starts_an_audio_lm(dump, tmp_path):
    shape = TransformerConfig(dim=16, layers=1, heads=2, ffn_dim=24, context=8)
    backbone = Backbone(10, SHAPE)
    write_llama(backbone, tmp_path / "llama", 64)
    model = ModelConfig(10, 2, 4, temporal=shape, depth=DepthConfig(dim=8, layers=1, heads=2, ffn_dim=8))
    data = DataConfig(str(dump / "train"), str(dump / "dev"), mix={"dialogue": MixConfig()})
    audio = MoshiSystem(MoshiConfig(model, data))
    audio.load_init(audio.read_init(str(tmp_path / "llama")))
    tokens = torch.tensor([[1, 5, 6, 9]])
    with torch.no_grad():
        torch.testing.assert_close(audio.model.backbone.text_logits(tokens), backbone.text_logits(tokens))
