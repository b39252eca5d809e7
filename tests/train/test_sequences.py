"""Sequences of several vocabularies and features: what stands in a row, equal to each alone, on any number of ranks."""

import json
import shutil

import numpy as np
import pytest
import torch
from toy_sequences import Speaker, SpeakerConfig, seeded, tasks, train_speaker, write_set
from toy_training import same_weights

from audiolm.errors import AudiolmError
from audiolm.lm.items import TaskItems
from audiolm.lm.sequence import Kind, Part, SequenceExamples, Task, Vocabulary, target_nats
from audiolm.streams.patterns import unflatten
from audiolm.text.tokenizer import train_tokenizer
from audiolm.train.checkpoint import load_model
from audiolm.train.loader import batches, key_lists
from audiolm.train.randomness import Key

VOCABULARY = Speaker.vocabulary
EOS = VOCABULARY.ranges["eos"].start


@pytest.fixture
def dump(tmp_path):
    return write_set(tmp_path / "train")


def test_conditions_and_targets_in_order(dump):
    items = TaskItems("tts", tasks(dump)["tts"], VOCABULARY)
    aligned = items.sets[0].aligned
    for index, (_, item, _) in enumerate(items.entries):
        found = items.sequence(index, Key(0, 0))
        phones, codes = (aligned.readers[kind].read(item)[:, 0] for kind in ("phones", "codes"))
        p, c = VOCABULARY.ids("phones", phones), VOCABULARY.ids("level1", codes)
        assert found["ids"].tolist() == [*p, EOS, *c]
        assert found["targets"].tolist() == [*[-1] * len(p), *c, EOS]  # nothing of the condition is learnt
        assert found["part"].tolist() == [0] * (len(p) + 1) + [1] * len(c)
        assert found["prefix"].tolist() == [True] * (len(p) + 1) + [False] * len(c)
        assert items.lengths[index] == len(found["ids"])


def test_what_a_model_begins_to_generate_from_needs_no_targets(dump):
    items = TaskItems("tts", tasks(dump)["tts"], VOCABULARY)
    whole = items.sequence(3, Key(0, 0))
    shutil.rmtree(dump / "codes")
    given = TaskItems("tts", tasks(dump)["tts"], VOCABULARY, targets=False)
    found = SequenceExamples({"tts": given}, 20).collate([{"task": 0, "sequences": [given.sequence(3, Key(0, 0))]}])
    assert found["ids"][found["prefix"]].tolist() == whole["ids"][whole["prefix"]].tolist()
    assert (found["targets"] == -1).all() and given.lengths[3] == whole["prefix"].sum()
    shutil.rmtree(dump / "units")
    given = TaskItems("hear", tasks(dump)["hear"], VOCABULARY, targets=False)
    found = given.sequence(0, Key(0, 0))
    assert found["ids"][-1] == VOCABULARY.ranges["speech"].start and len(found["ids"]) == given.lengths[0]
    with pytest.raises(AudiolmError, match="task 'tts' has no condition to begin from"):
        TaskItems("tts", Task(tasks(dump)["tts"].parts[1:], [str(dump)]), VOCABULARY, targets=False)


def test_levels_are_flattened_and_come_back(dump):
    items = TaskItems("coarse", tasks(dump)["coarse"], VOCABULARY)
    found = items.sequence(2, Key(0, 0))
    targets = found["targets"][found["targets"] >= 0]
    codes = VOCABULARY.tokens("codes", unflatten(targets, 2))
    assert np.array_equal(codes, items.sets[0].aligned.readers["codes"].read("utt2")[:, :2])


def test_features_stand_at_their_places(dump):
    items = TaskItems("hear", tasks(dump)["hear"], VOCABULARY)
    found = items.sequence(0, Key(0, 0))
    read = items.sets[0].aligned.readers["whisper"].read("utt0").astype(np.float32)
    places = -(-len(read) // 17)
    assert found["whisper"].shape == (places, 17, 3) and found["whisper_places"].tolist() == list(range(places))
    assert np.array_equal(found["whisper"].reshape(-1, 3)[: len(read)], read)
    assert not found["whisper"].reshape(-1, 3)[len(read) :].any()
    assert (found["ids"][:places] == -1).all() and found["ids"][places] == VOCABULARY.ranges["speech"].start
    assert found["targets"][places - 1] == -1 and found["targets"][-1] == EOS  # a begin mark is no target
    assert items.features == {"whisper": (17, 3)} and items.sources == {"whisper": "w", "units": "units"}


def test_text_and_prompts_by_the_tokenizer(dump):
    (dump / "audio").mkdir()
    words = ["one two", "two three", "three", "one", "two", "one three", "three two"]
    (dump / "audio/text").write_text("".join(f"utt{n} {text}\n" for n, text in enumerate(words)))
    tokenizer = train_tokenizer([*words, "say what you hear", "write it"], 320)
    parts = [Part("text", "text", prompts=["say what you hear", "write it"], begin="bos"),
             Part("whisper", "features", window=17), Part("text", "text", "target", end="eos")]  # fmt: skip
    vocabulary = Vocabulary({"text": Kind(tokenizer.vocab_size, start=0), "units": Kind(20)})
    items = TaskItems("answer", Task(parts, [str(dump)]), vocabulary, tokenizer)
    found = [items.sequence(0, Key(0, index)) for index in range(20)]
    assert {tokenizer.decode(one["ids"][one["part"] == 0]) for one in found} == {"say what you hear", "write it"}
    for one in found:
        assert one["ids"][0] == tokenizer.specials.bos and len(one["ids"]) <= items.lengths[0]
        learnt = one["targets"][one["targets"] >= 0]
        assert tokenizer.decode(learnt) == "one two" and learnt[-1] == tokenizer.specials.eos
    with pytest.raises(AudiolmError, match="task 'answer' has text, and no tokenizer is given"):
        TaskItems("answer", Task(parts, [str(dump)]), vocabulary)


def test_windows_are_cut_from_all_archives_at_the_same_time(tmp_path):
    write_set(tmp_path, items=3)
    task = Task([Part("units", "tokens"), Part("codes", "tokens", "target")], [str(tmp_path)], seconds=0.8)
    items = TaskItems("coarse", task, VOCABULARY)
    reader = items.sets[0].aligned
    assert len(items.entries) == sum(int(np.ceil(reader.seconds(item) / 0.8)) for item in reader.items())
    for index, (_, item, _) in enumerate(items.entries):
        for draw in range(3):
            found = items.sequence(index, Key(0, draw))
            assert len(found["ids"]) == items.lengths[index] == 20 + 20 - 1
            units = VOCABULARY.tokens("units", found["ids"][:20])
            codes = VOCABULARY.tokens("codes", unflatten(found["targets"][19:], 2))
            starts = [n for n in range(reader.num_frames(item)["codes"] - 9)
                      if np.array_equal(reader.readers["codes"].read(item, n, n + 10)[:, :2], codes)]  # fmt: skip
            assert any(
                np.array_equal(reader.readers["units"].read(item, 2 * n, 2 * n + 20)[:, 0], units) for n in starts
            )
    starts = {tuple(items.sequence(0, Key(0, draw))["ids"]) for draw in range(9)}
    assert len(starts) > 2


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("batching", ["packed", "bucketed"])
def test_a_row_equals_its_sequences_alone(dump, batching, prefix):
    """Logits, losses and gradients, to 1e-5."""
    model = seeded(SpeakerConfig(str(dump)))
    examples = SequenceExamples(tasks(dump), 160, VOCABULARY, batching=batching)
    rows = [examples(Key(0, index, 8)) for index in range(8)]
    batch = examples.collate(rows)
    alone = [{"task": row["task"], "sequences": [one]} for row in rows for one in row["sequences"]]
    assert len(alone) > len(rows) or batching == "bucketed"
    if not prefix:
        batch["prefix"] = torch.zeros_like(batch["prefix"])

    def run(batch):
        model.zero_grad()
        states = model.states(batch)
        nats, count = target_nats(states, model.head.weight, batch["targets"])
        nats.backward()
        grads = {name: p.grad.clone() for name, p in model.named_parameters()}
        return model.head(states)[batch["segments"] >= 0], nats.detach(), count, grads

    logits, nats, count, grads = run(batch)
    assert count == sum((one["sequences"][0]["targets"] >= 0).sum() for one in alone)
    examples.batching = "bucketed"  # each as a row of its own length
    found = []
    for one in alone:
        single = examples.collate([one])
        if not prefix:
            single["prefix"] = torch.zeros_like(single["prefix"])
        found.append(run(single))
    torch.testing.assert_close(logits, torch.cat([part[0] for part in found]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(nats, sum(part[1] for part in found), rtol=1e-5, atol=1e-5)
    for name in grads:
        torch.testing.assert_close(grads[name], sum(part[3][name] for part in found), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batching", ["packed", "bucketed"])
def test_any_number_of_ranks_sees_the_same_and_any_step_resumes(dump, batching):
    examples = SequenceExamples(tasks(dump), 160, VOCABULARY, batching=batching)

    def seen(world, steps=range(8), accumulate=1):
        each = []
        for rank in range(world):
            with batches(examples, key_lists(1, steps, 8, accumulate, rank, world)) as ahead:
                each.append([[(r["ids"].tolist(), int(r["task"])) for r in rows_of(batch)] for batch in ahead])
        parts = accumulate
        return [[row for part in range(parts) for rank in each for row in rank[step * parts + part]]
                for step in range(len(steps))]  # fmt: skip

    def rows_of(batch):
        for row, task in enumerate(batch["task"]):
            yield {"ids": batch["ids"][row][batch["segments"][row] >= 0], "task": task}

    whole = seen(1)
    assert seen(2) == seen(8) == seen(2, accumulate=2) == whole
    assert seen(1, range(4, 6)) == whole[4:6]
    taken = [task for step in whole for _, task in step]
    if batching == "bucketed":
        assert all(len({task for _, task in step}) == 1 for step in whole)
    assert taken.count(0) == len(taken) // 2  # coarse: weight 2 of 4


def test_an_epoch_has_every_sequence_once(dump):
    for batching in ("packed", "bucketed"):
        examples = SequenceExamples(tasks(dump), 160, VOCABULARY, batching=batching)
        found = list(examples.epoch(3))
        sequences = sum(len(np.unique(row[row >= 0])) for batch in found for row in batch["segments"].numpy())
        assert sequences == 3 * 7
        again = list(examples.epoch(3))
        assert all(torch.equal(a["ids"], b["ids"]) for a, b in zip(found, again, strict=True))


def test_a_training_learns_resumes_exactly_and_names_what_is_too_long(tmp_path, dump):
    longest = TaskItems("coarse", tasks(dump)["coarse"], VOCABULARY).lengths.argmax()
    places = int(TaskItems("coarse", tasks(dump)["coarse"], VOCABULARY).lengths.max()) - 1
    keys = {"places": places, "trainer.max_steps": 12, "trainer.save_every": 6}
    train_speaker(tmp_path / "straight", **keys)
    train_speaker(tmp_path / "stopped", **{**keys, "trainer.max_steps": 6})
    train_speaker(tmp_path / "stopped", **keys)
    one, two = load_model(tmp_path / "straight"), load_model(tmp_path / "stopped")
    assert all(torch.equal(one[name], two[name]) for name in one)
    lines = [json.loads(line) for line in (tmp_path / "straight/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss/main"] for line in lines if "loss/main" in line]
    assert losses[-1] < losses[0]
    (named,) = (tmp_path / "straight/rejected.tsv").read_text().splitlines()
    assert named.startswith(f"{dump}/utt{longest}\ttask 'coarse': ")
    assert f"has {places + 1} places, a row has {places}; raise the context, or set seconds" in named


@pytest.mark.slow
@pytest.mark.parametrize("batching", ["packed", "bucketed"])
def test_two_processes_equal_one(tmp_path, dump, train_on_two, batching):
    train_speaker(tmp_path / "one", batching=batching)
    train_on_two(tmp_path / "two", "Speaker", by=train_speaker, batching=batching)
    same_weights(tmp_path / "one", tmp_path / "two")
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    )
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds"}:
            assert a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-4), (a["step"], name)
