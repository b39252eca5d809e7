"""What batches are made of: shares of text and of sets, sources that must agree, optimizer states of their own."""

from collections import Counter

import numpy as np
import pytest
import torch

from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.models.moshi.batches import Corpora, TextOnly
from audiolm.models.moshi.data import DataConfig, MixConfig, TextBatchConfig, shifted
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.streams.grid import ABSENT
from audiolm.train.loader import key_lists
from audiolm.train.optim import make_optimizers
from audiolm.train.randomness import Key
from tests.models.conftest import ENTRIES, LEVELS, RATE, TEXT, model_config, write_dump

MODEL = model_config()
MIX = {"dialogue": MixConfig()}


def two_sets(tmp_path) -> list[str]:
    return [str(write_dump(tmp_path / name) / "train") for name in ("one", "two")]


def config(dump, **options) -> MoshiConfig:
    data = {"train": str(dump / "train"), "valid": str(dump / "dev"), "frames": 30, "valid_windows": 2, "mix": MIX}
    return MoshiConfig(MODEL, DataConfig(**data | options))


def test_sets_have_their_weights(tmp_path):
    sets = two_sets(tmp_path)
    for weights, expected in ((None, 0.5), ([3.0, 1.0], 0.75)):
        corpora = Corpora(DataConfig(sets, weights=weights, frames=30, mix=MIX), MODEL)
        first, second = corpora.sets
        first.__class__ = type("First", (type(first),), {"__call__": lambda self, key: 0})
        second.__class__ = type("Second", (type(second),), {"__call__": lambda self, key: 1})
        drawn = Counter(corpora(Key(0, index)) for index in range(1000))
        assert drawn[0] / 1000 == pytest.approx(expected, abs=0.05)


def test_sets_of_other_codecs_or_tokenizers_are_named(tmp_path):
    sets = two_sets(tmp_path)
    for kind, sizes in (("codes", (ENTRIES,) * LEVELS), ("text", (TEXT,))):
        with TokenWriter(tmp_path / "two" / "train" / kind, kind, 1, Meta(RATE, sizes, "other")) as writer:
            writer.write("d1-A", np.full((60, len(sizes)), 3))
        what = "codec" if kind == "codes" else "tokenizer"
        with pytest.raises(AudiolmError, match=f"two/train/{kind} was written with the {what} other, .*one/train"):
            Corpora(DataConfig(sets, frames=30, mix=MIX), MODEL)
        write_dump(tmp_path / "two")


def test_mistakes_in_the_config_are_named():
    with pytest.raises(AudiolmError, match="weights: found 1 numbers for 2 sets of train, expected one each"):
        DataConfig(["a", "b"], weights=[1.0])
    with pytest.raises(AudiolmError, match="weights: .* above 0"):
        DataConfig(["a", "b"], weights=[1.0, 0.0])
    with pytest.raises(AudiolmError, match="train: found an empty list"):
        DataConfig([])
    with pytest.raises(AudiolmError, match="share: found 1.0, expected a share of the steps"):
        TextBatchConfig(1.0)
    with pytest.raises(AudiolmError, match="text_mask: found 1.5, expected a share from 0 to 1"):
        MixConfig(text_mask=1.5)


def test_text_batches_hold_text_of_the_sets(tmp_path):
    examples = TextOnly(two_sets(tmp_path), TextBatchConfig(0.5, tokens=8), TEXT)
    assert examples.tokenizers == ["tokenizer"] * 2
    batch = examples.collate([examples(Key(0, index)) for index in range(20)])["text"]
    assert batch.shape == (20, 9) and (batch[:, 0] == TEXT).all()
    for row in batch[:, 1:].numpy():
        row = row[row != ABSENT]
        assert any(
            row.tobytes() in text.astype(np.int64).tobytes()
            for text in (*examples.sets[0].texts, *examples.sets[1].texts)
        )


def test_text_of_another_tokenizer_is_refused(dump, tmp_path):
    other = write_dump(tmp_path / "other")
    with TokenWriter(other / "train" / "text", "text", 1, Meta(RATE, (TEXT,), "another")) as writer:
        writer.write("d1-A", np.full((60, 1), 7))
    system = MoshiSystem(config(dump, text=TextBatchConfig(0.5, train=str(other / "train"), tokens=8)))
    with pytest.raises(AudiolmError, match="trained on tokens of another tokenizer than another"):
        system.examples()


def test_text_batches_train_the_backbone_with_a_state_of_their_own(dump):
    system = MoshiSystem(config(dump, text=TextBatchConfig(0.5, tokens=8)))
    optimizers = make_optimizers(system, system.optimizers, 10)
    examples = system.examples()
    for step, name in enumerate(("main", "text")):
        keys = list(key_lists(0, range(step, step + 1), 4))[0]
        losses, _ = system.losses(examples.collate([examples(key) for key in keys]), step)
        assert list(losses) == [name]
        before = {n: p.detach().clone() for n, p in system.named_parameters()}
        losses[name].backward()
        optimizers[name].step(step)
        moved = {n for n, p in system.named_parameters() if not torch.equal(p, before[n])}
        assert {n.split(".")[1] for n in moved} >= {"backbone"}
        assert any(n.startswith("model.depth") for n in moved) == (name == "main")
        system.zero_grad()
    states = [optimizer.state() for optimizer in optimizers.values()]
    name = "exp_avg/model.backbone.text_head.weight"
    assert not torch.equal(states[0][name], states[1][name])
    scales = {group["lr_scale"] for group in system.parameter_groups()["text"]}
    assert scales == {1.0}  # text_lr_scale is of the batches of audio


def test_without_text_batches_there_is_one_optimizer(dump):
    system = MoshiSystem(config(dump))
    assert list(make_optimizers(system, system.optimizers, 10)) == ["main"]


def test_text_is_moved_against_the_sound():
    row = np.arange(6)
    assert shifted(row, 2).tolist() == [-1, -1, 0, 1, 2, 3]
    assert shifted(row, -2).tolist() == [2, 3, 4, 5, -1, -1]
    assert shifted(row, 0).tolist() == row.tolist()
    assert shifted(row, 9).tolist() == shifted(row, -9).tolist() == [-1] * 6


def test_text_shift_is_drawn_for_every_example(dump):
    plain, moved = (
        Corpora(DataConfig(str(dump / "train"), frames=30, mix={"dialogue": MixConfig(text_shift=shift)}), MODEL)
        for shift in (0.0, 0.4)
    )
    found = Counter()
    for index in range(200):
        one, two = plain(Key(0, index))["tokens"], moved(Key(0, index))["tokens"]
        assert (one[1:] == two[1:]).all()
        fits = [s for s in range(-5, 6) if (shifted(one[0, 1:], s) == two[0, 1:]).all()]
        if len(fits) == 1:
            found[fits[0]] += 1
    assert set(found) == set(range(-5, 6))


def test_the_user_is_as_heard_and_the_main_speaker_is_not(dump):
    with TokenWriter(dump / "train" / "heard", "heard", 1, Meta(RATE, (ENTRIES,) * LEVELS, "codec")) as writer:
        writer.write("d1-A", np.full((60, LEVELS), 1))
        writer.write("d1-B", np.full((60, LEVELS), 2))
        for key in ("d2-A", "d2-B"):
            writer.write(key, np.full((25, LEVELS), 3))
    plain, heard = (Corpora(config(dump, heard=flag).data, MODEL).sets[0].recordings for flag in (False, True))
    one, two = plain.grid("d1-A", 0, 60), heard.grid("d1-A", 0, 60)
    assert (two[MODEL.layout.user] == 2).all() and (one[MODEL.layout.user] != 2).any()
    assert (one[MODEL.layout.main] == two[MODEL.layout.main]).all()
    with TokenWriter(dump / "train" / "heard", "heard", 1, Meta(RATE, (ENTRIES,) * LEVELS, "other")) as writer:
        writer.write("d1-A", np.full((60, LEVELS), 1))
    with pytest.raises(AudiolmError, match="'heard' tokens were made by other, the model in use is codec"):
        Corpora(config(dump, heard=True).data, MODEL)
