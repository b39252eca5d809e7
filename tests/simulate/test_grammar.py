import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from audiolm.simulate import grammar
from audiolm.simulate.grammar import DIGITS, Draw

SPLITS = ("train", "dev", "test")
GERMAN = Path(__file__).parents[2] / "egs/mini_de/dialogue1/local/german.py"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(params=["english", "german"])
def any_grammar(request) -> ModuleType:
    return grammar if request.param == "english" else module(GERMAN)


def texts(grammar: ModuleType, split: str, count: int = 300) -> list[str]:
    draw = Draw(np.random.default_rng(0), split)
    topics = [topic for topic, _ in grammar.TOPICS] + [grammar.opening, grammar.closing]
    return [line.text for _ in range(count) for topic in topics for line in topic(draw)]


def test_the_vocabulary_is_closed_and_all_used(any_grammar):
    said = {word for split in SPLITS for text in texts(any_grammar, split) for word in text.split()}
    assert said | set(any_grammar.BACKCHANNELS) == set(any_grammar.VOCABULARY)
    assert 60 <= len(any_grammar.VOCABULARY) <= 100 and set(any_grammar.DIGITS) < set(any_grammar.VOCABULARY)


def test_no_number_of_one_set_is_read_out_in_another(any_grammar):
    digits = any_grammar.DIGITS
    up = [digits[start : start + 4] for start in range(7)]
    counted = {" ".join(run) for run in [*up, *(run[::-1] for run in up)]}  # 0 1 2 3 is said in every set
    pattern = re.compile(rf"(?:\b(?:{'|'.join(digits)})\b ?){{3,}}")

    def numbers(split):
        found = {match.strip() for text in texts(any_grammar, split) for match in pattern.findall(text)}
        return found - counted

    train, dev, test = map(numbers, SPLITS)
    assert len(train) > 200 and len(test) > 200
    assert not train & dev and not train & test and not dev & test


def test_both_directions_of_a_number_belong_to_one_set():
    assert grammar.split_of([1, 2, 3]) == grammar.split_of([3, 2, 1])


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_right(seed):
    draw = Draw(np.random.default_rng(seed), "train")
    for _ in range(50):
        question, answer, _ = grammar.sums(draw)
        left, sign, right = question.text.removeprefix("what is ").split()
        a, b = DIGITS.index(left), DIGITS.index(right)
        assert answer.text.split()[-1] == DIGITS[a + b if sign == "plus" else a - b]


def test_days_follow_each_other():
    draw = Draw(np.random.default_rng(0), "train")
    for _ in range(100):
        question, answer = grammar.days(draw)
        words = question.text.split()
        asked = grammar.DAYS.index(next(word for word in words if word in grammar.DAYS))
        step = -1 if "before" in words else 1
        assert grammar.DAYS[(asked + step) % 7] in answer.text.split()
