"""A small grammar of telephone-like conversations: whoever answers needs what was asked.

Every topic is a function that draws one exchange and returns its lines. Answers depend on the questions (sums,
numbers repeated back or corrected, the day after, the bus of a town), so that a dialogue language model has
something to learn beyond the order of words. The vocabulary is closed and free of homophones ("to", "for", "read"
are left out), which keeps word error rates a matter of acoustics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

DIGITS = "zero one two three four five six seven eight nine".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
COLOURS = "red blue green black white yellow".split()
TOWNS = "london paris rome berlin madrid dublin".split()
OBJECTS = "car house door phone".split()
# The small world that both speakers know: the number and the colour of the bus of each town.
BUS = dict(zip(TOWNS, (3, 7, 1, 9, 4, 6), strict=True))
BUS_COLOUR = dict(zip(TOWNS, COLOURS, strict=True))
BACKCHANNELS = "yes okay right sure".split()
OTHER_WORDS = (
    "a after again and are backwards before bus can colour comes count day do fine from good goodbye great hello "
    "hi how i in is it live meet minus morning my no not number oh okay on please plus right say sorry sure thank "
    "thanks that the today tomorrow very we what where yes you your"
).split()
VOCABULARY = sorted({*DIGITS, *DAYS, *COLOURS, *TOWNS, *OBJECTS, *OTHER_WORDS})


@dataclass(frozen=True)
class Line:
    """What one speaker says without the other: ``speaker`` 0 asks in this topic, 1 answers."""

    speaker: int
    text: str


class Draw:
    """Random choices for one dialogue of one set.

    ``split`` is "train", "dev" or "test": digit strings of three and more belong to exactly one of them (by a
    hash of the string: 80, 10 and 10 %), so no number that is read out in test was ever read out in training.
    """

    def __init__(self, rng: np.random.Generator, split: str):
        self.rng = rng
        self.split = split

    def one(self, *choices: str) -> str:
        """One of the choices, all equally likely."""
        return choices[int(self.rng.integers(len(choices)))]

    def digit(self, low: int = 0, high: int = 9) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self.rng.random() < probability)

    def number(self, low: int = 3, high: int = 5) -> list[int]:
        """A digit string of ``low`` to ``high`` digits that belongs to this split."""
        while True:
            digits = [self.digit() for _ in range(self.digit(low, high))]
            if split_of(digits) == self.split:
                return digits


def split_of(digits: list[int]) -> str:
    """The set that owns a digit string (and its reverse): a fixed hash, the same for every seed."""
    digits = min(digits, digits[::-1])
    bucket = blake2b(bytes(digits), digest_size=2).digest()[0] % 10
    return "dev" if bucket == 0 else "test" if bucket == 1 else "train"


def say(digits: list[int]) -> str:
    """Digits as words.

    >>> say([4, 0])
    'four zero'
    """
    return " ".join(DIGITS[digit] for digit in digits)


def sums(draw: Draw) -> list[Line]:
    """A sum or difference whose result is one digit."""
    if draw.chance(0.5):
        left = draw.digit(0, 9)
        right = draw.digit(0, 9 - left)
        sign, result = "plus", left + right
    else:
        left = draw.digit(0, 9)
        right = draw.digit(0, left)
        sign, result = "minus", left - right
    question = f"{DIGITS[left]} {sign} {DIGITS[right]}"
    answer = draw.one(f"{question} is {DIGITS[result]}", f"it is {DIGITS[result]}", f"that is {DIGITS[result]}")
    return [Line(0, f"what is {question}"), Line(1, answer), Line(0, draw.one("very good", "that is right", "okay"))]


def telephone(draw: Draw) -> list[Line]:
    """A number is asked for, repeated back, and corrected where one digit was misheard."""
    number = draw.number()
    thing = draw.one("number", "phone number", "house number")
    lines = [
        Line(0, draw.one(f"what is your {thing}", f"can i say your {thing}", f"your {thing} please")),
        Line(1, draw.one(f"my {thing} is {say(number)}", f"it is {say(number)}")),
    ]
    if draw.chance(0.3):
        wrong = list(number)
        wrong[draw.digit(0, len(number) - 1)] = draw.digit()
        if wrong != number and split_of(wrong) == draw.split:
            return lines + [
                Line(0, f"{say(wrong)} is that right"),
                Line(1, f"{draw.one('no', 'no sorry')} it is {say(number)}"),
                Line(0, f"okay {say(number)}"),
            ]
    check = draw.one(f"{say(number)}", f"{say(number)} is that right", f"okay {say(number)}")
    return lines + [Line(0, check), Line(1, draw.one("yes", "yes that is right", "right"))]


def neighbour(draw: Draw) -> list[Line]:
    """The digit after or before another."""
    if draw.chance(0.5):
        digit = draw.digit(0, 8)
        side, answer = "after", digit + 1
    else:
        digit = draw.digit(1, 9)
        side, answer = "before", digit - 1
    return [
        Line(0, f"what {draw.one('number ', '')}comes {side} {DIGITS[digit]}"),
        Line(1, draw.one(f"{DIGITS[answer]} comes {side} {DIGITS[digit]}", f"it is {DIGITS[answer]}", DIGITS[answer])),
    ]


def backwards(draw: Draw) -> list[Line]:
    """A short number read in the other direction."""
    number = draw.number(3, 3)
    return [
        Line(0, f"{draw.one('say', 'can you say')} {say(number)} backwards"),
        Line(1, draw.one(f"{say(number[::-1])}", f"sure {say(number[::-1])}")),
        Line(0, draw.one("very good", "thank you", "great")),
    ]


def repeat(draw: Draw) -> list[Line]:
    """A number repeated on request."""
    number = draw.number()
    return [
        Line(0, f"{draw.one('say', 'please say', 'can you say')} {say(number)}"),
        Line(1, draw.one(f"{say(number)}", f"okay {say(number)}", f"sure {say(number)}")),
        Line(0, draw.one("thank you", "thanks", "say it again please")),
    ][: 3 if draw.chance(0.6) else 2]


def counting(draw: Draw) -> list[Line]:
    """Four digits up or down from a start."""
    if draw.chance(0.5):
        start = draw.digit(0, 6)
        return [
            Line(0, f"{draw.one('count', 'please count')} from {DIGITS[start]}"),
            Line(1, say(list(range(start, start + 4)))),
        ]
    start = draw.digit(3, 9)
    return [Line(0, f"count backwards from {DIGITS[start]}"), Line(1, say(list(range(start, start - 4, -1))))]


def days(draw: Draw) -> list[Line]:
    """The day after or before another, or tomorrow."""
    day = draw.digit(0, 6)
    if draw.chance(0.4):
        tomorrow = DAYS[(day + 1) % 7]
        return [
            Line(0, f"today is {DAYS[day]} what day is tomorrow"),
            Line(1, draw.one(f"tomorrow is {tomorrow}", f"it is {tomorrow}")),
        ]
    side, step = (("after", 1), ("before", -1))[draw.digit(0, 1)]
    other = DAYS[(day + step) % 7]
    return [
        Line(0, f"what day comes {side} {DAYS[day]}"),
        Line(1, draw.one(f"{other} comes {side} {DAYS[day]}", f"it is {other}", f"that is {other}")),
    ]


def meeting(draw: Draw) -> list[Line]:
    """A day is proposed, taken or moved."""
    day = draw.one(*DAYS)
    morning = draw.one("", " morning")
    ask = Line(0, f"can we meet on {day}{morning}")
    if draw.chance(0.5):
        return [ask, Line(1, f"yes {day}{morning} is {draw.one('good', 'fine', 'great')}"), Line(0, f"okay {day}")]
    other = draw.one(*(name for name in DAYS if name != day))
    return [
        ask,
        Line(1, f"sorry not on {day} can we meet on {other}"),
        Line(0, f"{draw.one('okay', 'yes', 'sure')} {other} is {draw.one('good', 'fine')}"),
    ]


def bus(draw: Draw) -> list[Line]:
    """Town, number and colour of a bus, as the small world has them."""
    town = draw.one(*TOWNS)
    number, colour = DIGITS[BUS[town]], BUS_COLOUR[town]
    lines = [
        Line(0, draw.one(f"what bus is in {town}", f"what is the bus number in {town}")),
        Line(1, draw.one(f"bus {number} is in {town}", f"it is bus {number}", f"the number is {number}")),
    ]
    if draw.chance(0.6):
        lines += [
            Line(0, f"and what colour is {draw.one('the bus', f'bus {number}')}"),
            Line(1, draw.one(f"bus {number} is {colour}", f"it is {colour}", f"it is a {colour} bus")),
        ]
    return lines


def home(draw: Draw) -> list[Line]:
    """Where the other lives, and the bus there."""
    town = draw.one(*TOWNS)
    number = DIGITS[BUS[town]]
    return [
        Line(0, "where do you live"),
        Line(1, f"i live in {town}{draw.one('', ' and you')}"),
        Line(0, draw.one(f"oh {town} is great", f"i live in {town}", f"oh bus {number} is in {town}")),
    ]


def possession(draw: Draw) -> list[Line]:
    """The colour of a thing, told and then confirmed or corrected."""
    thing, colour = draw.one(*OBJECTS), draw.one(*COLOURS)
    lines = [
        Line(0, f"what colour is your {thing}"),
        Line(1, draw.one(f"my {thing} is {colour}", f"it is {colour}", f"i say it is {colour}")),
    ]
    if draw.chance(0.5):
        guess = draw.one(*COLOURS)
        verdict = f"yes it is {colour}" if guess == colour else f"no it is {colour} not {guess}"
        lines += [Line(0, f"is the {thing} {guess}"), Line(1, verdict)]
    return lines


TOPICS: tuple[tuple[Callable[[Draw], list[Line]], float], ...] = (
    (sums, 3), (telephone, 4), (neighbour, 2), (backwards, 1), (repeat, 3), (counting, 1), (days, 2), (meeting, 2),
    (bus, 2), (home, 1), (possession, 2),
)  # fmt: skip


def opening(draw: Draw) -> list[Line]:
    """Greetings; the second speaker sometimes asks back."""
    hello = draw.one("hello", "hi", "good morning")
    if draw.chance(0.5):
        return [Line(0, hello), Line(1, draw.one("hello", "hi", "good morning"))]
    lines = [Line(0, f"{hello} how are you"), Line(1, draw.one("fine thank you", "very good thanks", "great and you"))]
    return lines + ([Line(0, draw.one("good thanks", "fine"))] if lines[1].text.endswith("and you") else [])


def closing(draw: Draw) -> list[Line]:
    """Thanks and goodbye."""
    return [Line(0, draw.one("okay thank you goodbye", "thanks goodbye")), Line(1, draw.one("goodbye", "okay goodbye"))]
