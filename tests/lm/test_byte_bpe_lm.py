"""LMs whose tokenizer is a byte-level BPE: rows for the special tokens that it lacks, documents, streams, export."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.llama import read_llama
from audiolm.lm.start import read_init
from audiolm.models.moshi.data import DataConfig, MixConfig
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.models.textlm.load import load_text_lm
from audiolm.models.textlm.system import TextLMConfig, TextLMSystem
from audiolm.text.tokenizer import Tokenizer
from tests.models.conftest import model_config
from tests.text.tiny_bpe import make as make_tokenizer

TEXT = "one two\nthree"


@pytest.fixture
def folder(tmp_path) -> Path:
    return write(tmp_path / "qwen2")


def write(folder: Path, tied: bool = True, beyond: int = 0) -> Path:
    """A Qwen2 of random weights and its tokenizer; ``beyond``: rows more than the tokenizer has ids."""
    import transformers

    own = Tokenizer.load(make_tokenizer(folder)).own_size
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=own + beyond, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=tied,
    )  # fmt: skip
    model = transformers.Qwen2ForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return folder


def logits(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    import transformers

    with torch.no_grad():
        return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()(ids).logits


@pytest.mark.parametrize(("tied", "beyond"), [(True, 0), (False, 0), (False, 1), (True, 5)])
def test_rows_of_special_tokens_are_appended_and_the_logits_stay(tmp_path, tied, beyond):
    folder = write(tmp_path / "qwen2", tied, beyond)
    lm = load_text_lm(folder)
    own, specials = lm.tokenizer.own_size, lm.tokenizer.specials
    assert lm.backbone.text_head.out_features == own + max(2, beyond)
    ids = torch.tensor([lm.tokenizer.encode(TEXT)])
    with torch.no_grad():
        ours = lm.backbone.text_logits(ids)
    theirs = logits(folder, ids)
    torch.testing.assert_close(ours[..., :own], theirs[..., :own], atol=1e-4, rtol=0)
    table, head = lm.backbone.text_embedding.weight, lm.backbone.text_head.weight
    for matrix in (table, head):
        for id in (specials.epad, specials.pad):
            torch.testing.assert_close(matrix[id], matrix[:own].mean(0))
    assert torch.equal(table[-2], table[specials.bos]) and not table[-1].any()

    for to in ("audiolm", "transformers"):
        assert main(["export", "--textlm", str(folder), "--to", to, "--out", str(tmp_path / to)]) == 0
    torch.testing.assert_close(logits(tmp_path / "transformers", ids), ours, atol=1e-4, rtol=0)
    settings = json.loads((tmp_path / "transformers/config.json").read_text())
    assert (settings["model_type"], settings["tie_word_embeddings"]) == ("qwen2", tied)
    assert (settings["bos_token_id"], settings["eos_token_id"], settings["pad_token_id"]) == tuple(specials[1:])
    for name in ("audiolm", "transformers"):
        again = load_text_lm(tmp_path / name)
        assert again.tokenizer.checksum == lm.tokenizer.checksum
        with torch.no_grad():
            torch.testing.assert_close(again.backbone.text_logits(ids), ours, atol=1e-5, rtol=0)


def test_of_another_size(folder, tmp_path):
    found = read_llama(folder)
    vocab = found.text_vocab
    with pytest.raises(AudiolmError, match=rf"model.text_vocab is {vocab}, there {vocab + 2}; set these keys"):
        read_init(folder, Backbone(vocab, found.config), "model.temporal")
    short = write(tmp_path / "short", beyond=-4)
    with pytest.raises(AudiolmError, match=f"tokenizer has text ids up to {vocab - 1}, its embedding {vocab - 4} rows"):
        load_text_lm(short)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(AudiolmError, match="holds no tokenizer"):
        load_text_lm(folder)


def test_documents_are_trained_on_with_their_line_breaks(folder, tmp_path):
    for name in ("train", "dev"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.txt").write_text(f"{TEXT}\n\nhow are\nyou\n")
    command = ["tokens", "--dir", str(tmp_path), "--sets", "train", "dev", "--tokenizer", str(folder)]
    assert main([*command, "--layout", "paragraphs"]) == 0
    tokenizer = Tokenizer.load(folder)
    _, bos, eos, _ = tokenizer.specials
    packed = TokenReader(tmp_path / "dump/train/tokens", "tokens").read("train-00001-000000")[:, 0].tolist()
    assert packed == [bos, *tokenizer.encode(TEXT), eos, bos, *tokenizer.encode("how are\nyou"), eos]

    lm = load_text_lm(folder)
    sets = {name: str(tmp_path / "dump" / other) for name, other in (("train", "train"), ("valid", "dev"))}
    config = TextLMConfig(
        tokenizer.vocab_size, lm.backbone.transformer.config, "documents", **sets, tokens=64, tokenizer=str(folder)
    )
    system = TextLMSystem(config)
    system.load_init(system.read_init(str(folder)))
    system.examples()
    assert system.found() == {"specials": list(tokenizer.specials)}
    (batch,) = system.validation_batches()
    counts = {name: int(count) for name, (_, count) in system.validate(batch).items()}
    size = len(TEXT) + len("how are\nyou") + 2
    assert (counts["bits_per_byte"], counts["nats_per_word"]) == (size, 3 + 3 + 2)  # ends count as both
    losses, _ = system.losses(batch, 0)
    losses["main"].backward()
    assert system.backbone.transformer.layers[0].attention.in_proj.bias.grad.any()


def test_streams_are_trained_on_with_their_own_special_tokens(folder, tmp_path):
    tokenizer = Tokenizer.load(folder)
    data = DataDir(wav={"a": "/nowhere/a.flac"}, reco2dur={"a": 4.0}, reco2file_and_channel={"a": ("a", "A")})
    data.write(tmp_path / "dump/train/audio")
    (tmp_path / "dump/train/align").mkdir()
    (tmp_path / "dump/train/align/ctm").write_text("a A 0.5 0.3 one 1\na A 0.9 0.3 two, 1\na A 2 0.3 Café 1\n")
    command = ["text", "--dir", str(tmp_path), "--sets", "train", "--tokenizer", str(folder), "--frame_rate", "12.5"]
    assert main(command) == 0
    set_, codes = tmp_path / "dump/train", np.zeros((50, 3), dtype=np.int64)
    with TokenWriter(set_ / "codes", "codes", 1, Meta(12.5, (16,) * 3, "codec")) as writer:
        writer.write("a", codes)
    shape = load_text_lm(folder).backbone.transformer.config
    model = model_config(
        levels=3, codebook_size=16, text_vocab=tokenizer.vocab_size, temporal=replace(shape, context=12)
    )
    sets = DataConfig(str(set_), str(set_), frames=50, mix={"dialogue": MixConfig()})
    system = MoshiSystem(MoshiConfig(model, sets))
    system.load_init(system.read_init(str(folder)))
    system.examples()
    assert system.model.config.layout.specials == tokenizer.specials
    assert system.found()["model.specials"] == list(tokenizer.specials)
    with pytest.raises(AudiolmError, match=r"the model has \[0, 1, 2, 3\]; set model.specials"):
        other = replace(model, specials=[0, 1, 2, 3])
        MoshiSystem(MoshiConfig(other, sets)).examples()


@pytest.mark.slow
def test_released_weights_have_the_same_logits():
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / "smollm2-135m-instruct"
    if not folder.is_dir():
        pytest.skip("AUDIOLM_WEIGHTS names no folder with smollm2-135m-instruct")
    lm = load_text_lm(folder)
    assert lm.tokenizer.specials == (49152, 1, 2, 49153)
    ids = torch.tensor([lm.tokenizer.encode("The quick brown fox.\nAnd then, the lazy dog!")])
    with torch.no_grad():
        found = lm.backbone.text_logits(ids)[..., :49152]
    torch.testing.assert_close(found, logits(folder, ids), atol=1e-4, rtol=0)
