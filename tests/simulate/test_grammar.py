import re

import numpy as np
import pytest

from audiolm.simulate import grammar
from audiolm.simulate.grammar import DIGITS, Draw

SPLITS = ("train", "dev", "test")
NUMBER = re.compile(rf"(?:\b(?:{'|'.join(DIGITS)})\b ?){{3,}}")


def exchanges(split: str, count: int = 300):
    draw = Draw(np.random.default_rng(0), split)
    topics = [topic for topic, _ in grammar.TOPICS] + [grammar.opening, grammar.closing]
    return [topic(draw) for _ in range(count) for topic in topics]


def test_the_vocabulary_is_closed_and_all_used():
    said = {word for split in SPLITS for lines in exchanges(split) for line in lines for word in line.text.split()}
    assert said == set(grammar.VOCABULARY)
    assert 60 <= len(grammar.VOCABULARY) <= 100 and set(DIGITS) < set(grammar.VOCABULARY)


def test_no_number_of_one_set_is_read_out_in_another():
    def numbers(split):
        texts = (line.text for lines in exchanges(split) for line in lines)
        found = {match.strip() for text in texts for match in NUMBER.findall(text)}
        return {number for number in found if number not in counted}

    up = [DIGITS[start : start + 4] for start in range(7)]
    counted = {" ".join(digits) for digits in [*up, *(run[::-1] for run in up)]}  # 0 1 2 3 is said in every set
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
