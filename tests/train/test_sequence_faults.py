"""What sequences cannot be made of, and how a run says so; a task with a plan of its own."""

import numpy as np
import pytest
from toy_sequences import Speaker, tasks, write_set

from audiolm.data.features import FeatureMeta, FeatureWriter
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.lm.items import TaskItems
from audiolm.lm.sequence import Kind, Part, SequenceExamples, Task, Vocabulary
from audiolm.streams.patterns import interleave
from audiolm.train.randomness import Key

VOCABULARY = Speaker.vocabulary
UNITS, TARGET = Part("units", "tokens"), Part("codes", "tokens", "target")


@pytest.fixture
def dump(tmp_path):
    return write_set(tmp_path / "train")


def coarse(dump, **keys):
    return SequenceExamples({"coarse": tasks(dump)["coarse"]}, 160, VOCABULARY, **keys)


def more(dump, kind, item, frames, rate, sizes):
    with TokenWriter(dump / kind, kind, 2, Meta(rate, sizes, kind)) as writer:
        writer.write(item, np.zeros((frames, len(sizes)), int))


def test_a_condition_or_target_that_is_missing_is_named(dump, tmp_path):
    more(dump, "codes", "late", 20, 12.5, (16, 16, 16))
    with pytest.raises(AudiolmError, match="task 'coarse': 'late' has no 'units', its condition; run the stage"):
        coarse(dump)
    examples = coarse(dump, exp_dir=tmp_path)
    assert len(examples.tasks[0].lengths) == 7
    assert (tmp_path / "rejected.tsv").read_text().startswith(f"{dump}/late\ttask 'coarse': 'late' has no 'units'")
    more(dump, "units", "early", 20, 25, (20,))
    with pytest.raises(AudiolmError, match=r"2 of 9 recordings cannot be used.* 'early' has no 'codes', its target"):
        coarse(dump, exp_dir=tmp_path)
    assert "'early' has no 'codes', its target" in (tmp_path / "rejected.tsv").read_text()
    assert len(coarse(dump, exp_dir=tmp_path, max_rejected=0.3).tasks[0].lengths) == 7


def test_durations_that_differ_are_named(dump):
    more(dump, "codes", "odd", 20, 12.5, (16, 16, 16))
    more(dump, "units", "odd", 30, 25, (20,))
    with pytest.raises(AudiolmError, match=r"'odd' has 1.200 s of 'units' and 1.600 s of 'codes', more than a frame"):
        coarse(dump)


def test_what_is_longer_than_the_context_is_named(dump):
    with pytest.raises(AudiolmError, match=r"task 'coarse': '.*/utt0' has 131 places, a row has 130; raise"):
        SequenceExamples({"coarse": tasks(dump)["coarse"]}, 130, VOCABULARY)
    with pytest.raises(AudiolmError, match="none of 7 sequences can be used in 5 places, the shortest has"):
        SequenceExamples({"coarse": tasks(dump)["coarse"]}, 5, VOCABULARY)


@pytest.mark.parametrize(
    ("parts", "keys", "words"),
    [
        ([UNITS, Part("level1", "tokens", "target", "codes", first=3)], {}, r"streams from 3 on have \[\] ids"),
        (
            [UNITS, Part("phones", "tokens", "target", "codes")],
            {},
            r"\[16\] ids, 'phones' of the vocabulary is 1",
        ),
        ([UNITS, Part("code", "tokens", "target", "codes")], {}, "no kind of token 'code'; did you mean 'codes'?"),
        ([Part("units", "features"), TARGET], {}, "units holds tokens, the part 'units' is of features"),
        ([Part("phones", "tokens"), TARGET], {"seconds": 1.0}, "takes windows, and 'phones' has no times"),
        (
            [Part("units", "tokens", end="eoss"), TARGET],
            {},
            "'eoss' is no mark; marks are kinds of .*eos, speech",
        ),
        ([Part("words", "tokens"), TARGET], {}, "cannot read .*words/meta.json"),
    ],
)
def test_parts_that_do_not_fit_are_told(dump, parts, keys, words):
    with pytest.raises(AudiolmError, match=words):
        TaskItems("task", Task(parts, [str(dump)], **keys), VOCABULARY)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Part("mel", "features", "target"), "features cannot be a target"),
        (lambda: Part("units", "tokens", prompts=["a"]), "prompts are text, its modality is tokens"),
        (lambda: Task([UNITS], ["a"]), "one part or more whose role is target"),
        (lambda: Task([UNITS, TARGET], ["a"], seconds=0), "seconds: found 0, expected a number above 0"),
        (lambda: Task([Part("text", "text", "target", prompts=["a"])], ["a"]), "a task of prompts alone has no items"),
    ],
)
def test_faulty_tasks(make, words):
    with pytest.raises(AudiolmError, match=words):
        make()


def test_sets_and_tasks_of_different_makers_are_told(dump, tmp_path):
    other = write_set(tmp_path / "other", seed=1)
    with TokenWriter(other / "units", "units", 1, Meta(25, (20,), "km2")) as writer:
        writer.write("utt0", np.zeros((20, 1), int))
    with pytest.raises(AudiolmError, match="units was made by km2, 'units' of another set or part by units"):
        TaskItems("coarse", Task([UNITS, TARGET], [str(dump), str(other)]), VOCABULARY)
    one, two = (Task([UNITS, TARGET], [str(place)]) for place in (dump, other))
    with pytest.raises(AudiolmError, match="'units' is km2 in one task and units in another"):
        SequenceExamples({"a": one, "b": two}, 160, VOCABULARY, exp_dir=tmp_path, max_rejected=1.0)
    with FeatureWriter(other / "whisper", "whisper", 1, FeatureMeta(50, 5, "toy", "w")) as writer:
        writer.write("utt0", np.zeros((9, 5), np.float32))
    hear = [Part("whisper", "features"), Part("units", "tokens", "target")]
    with pytest.raises(AudiolmError, match=r"windows of 1 frames of 5 numbers, other parts 'whisper' have \(1, 3\)"):
        TaskItems("hear", Task(hear, [str(dump), str(other)]), Vocabulary({"units": Kind(20)}))


class Words:
    """Spirit LM's plan in small: words of an item by turns in text and units, the switches drawn anew each time."""

    weight, problems, features = 1.0, {}, {}
    vocabulary = Vocabulary({"text": Kind(10), "units": Kind(20), "to_text": Kind(1), "to_units": Kind(1)})

    def __init__(self, items):
        self.items = items  # (text ids, units) of each word
        self.lengths = np.array([sum(max(len(text), len(units)) + 1 for text, units in words) for words in items])

    def item(self, index):
        return f"utt{index}"

    def sequence(self, index, key):
        words, spoken = self.items[index], key.rng("switch").random(len(self.items[index])) < 0.5
        kinds = {True: "units", False: "text"}
        marks = [self.vocabulary.ids(f"to_{kinds[bool(said)]}", np.zeros(1, int)) for said in spoken]
        inside = [self.vocabulary.ids(kinds[bool(said)], np.array(word[int(said)]))
                  for said, word in zip(spoken, words, strict=True)]  # fmt: skip
        pattern = interleave([np.arange(len(words)), np.repeat(np.arange(len(words)), [len(word) for word in inside])])
        ids = pattern.merge([np.concatenate(marks), np.concatenate(inside)])
        nothing = np.zeros(len(ids) - 1, dtype=np.int64)
        return {"ids": ids[:-1], "targets": ids[1:], "part": nothing, "prefix": nothing.astype(bool)}


def test_a_task_with_a_plan_of_its_own_is_packed_like_the_others():
    rng = np.random.default_rng(0)
    items = [[(rng.integers(0, 10, 2), rng.integers(0, 20, 5)) for _ in range(rng.integers(1, 5))] for _ in range(6)]
    examples = SequenceExamples({"words": Words(items)}, 40)
    rows = examples.plans[0].rows
    batches = [examples.collate([examples(Key(0, epoch * rows + row)) for row in range(rows)]) for epoch in range(8)]
    for batch in batches:
        assert [len(np.unique(row[row >= 0])) for row in batch["segments"]].count(0) == 0
        kinds = Words.vocabulary.kind_of(batch["ids"].numpy())
        assert (kinds[batch["segments"] >= 0] >= 0).all()
    drawn = {tuple(np.sort(batch["ids"].flatten()).tolist()) for batch in batches}
    assert len(drawn) > 4  # other switches in every epoch
