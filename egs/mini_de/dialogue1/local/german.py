"""A small grammar of German conversations, as audiolm.simulate.grammar is of English ones: closed vocabulary, answers
that follow from the questions."""

from audiolm.simulate.grammar import Draw, Line

DIGITS = "null eins zwei drei vier fünf sechs sieben acht neun".split()
DAYS = "montag dienstag mittwoch donnerstag freitag samstag sonntag".split()
COLOURS = "rot blau grün schwarz weiß gelb".split()
TOWNS = "köln wien rom berlin hamburg zürich".split()
BUS = dict(zip(TOWNS, (3, 7, 1, 9, 4, 6), strict=True))
BUS_COLOUR = dict(zip(TOWNS, COLOURS, strict=True))
THINGS = [("das", "mein", "dein", "auto"), ("das", "mein", "dein", "haus"), ("die", "meine", "deine", "tür")]
BACKCHANNELS = "ja gut genau klar".split()
OTHER_WORDS = (
    "am auto bis bitte bus danke das dein deine der die dir du es farbe fährt geht genau gern gut guten hallo hat haus "
    "ich in ist ja klar kommt können leider mein meine minus morgen nach nein nicht nummer plus rückwärts sag sehr tag "
    "telefonnummer treffen tschüss tür und uns vor was welche welcher wie wir wo wohne wohnst"
).split()
VOCABULARY = sorted({*DIGITS, *DAYS, *COLOURS, *TOWNS, *OTHER_WORDS})


def say(digits: list[int]) -> str:
    """Digits as words."""
    return " ".join(DIGITS[digit] for digit in digits)


def sums(draw: Draw) -> list[Line]:
    """A sum or difference whose result is one digit."""
    left = draw.digit(0, 9)
    if draw.chance(0.5):
        right = draw.digit(0, 9 - left)
        sign, result = "plus", left + right
    else:
        right = draw.digit(0, left)
        sign, result = "minus", left - right
    question, answer = f"{DIGITS[left]} {sign} {DIGITS[right]}", DIGITS[result]
    return [
        Line(0, f"was ist {question}"),
        Line(1, draw.one(f"{question} ist {answer}", f"das ist {answer}", answer)),
        Line(0, draw.one("sehr gut", "genau", "gut danke")),
    ]


def telephone(draw: Draw) -> list[Line]:
    """A number is asked for and repeated back."""
    number = say(draw.number())
    thing = draw.one("nummer", "telefonnummer")
    return [
        Line(0, draw.one(f"wie ist deine {thing}", f"deine {thing} bitte")),
        Line(1, draw.one(f"meine {thing} ist {number}", f"das ist {number}")),
        Line(0, draw.one(number, f"gut {number}", f"{number} danke")),
        Line(1, draw.one("ja", "ja genau")),
    ]


def repeat(draw: Draw) -> list[Line]:
    """A number repeated on request, forwards or backwards."""
    number = draw.number(3, 4)
    if draw.chance(0.3):
        return [Line(0, f"sag {say(number)} rückwärts"), Line(1, draw.one("", "klar ") + say(number[::-1]))]
    return [Line(0, f"{draw.one('sag', 'sag bitte')} {say(number)}"), Line(1, draw.one("", "gern ") + say(number))]


def neighbour(draw: Draw) -> list[Line]:
    """The digit or the day after or before another."""
    names = DIGITS if draw.chance(0.5) else DAYS
    place = draw.digit(1, len(names) - 2)
    side, step = (("nach", 1), ("vor", -1))[draw.digit(0, 1)]
    other = names[place + step]
    return [
        Line(0, f"was kommt {side} {names[place]}"),
        Line(1, draw.one(f"{side} {names[place]} kommt {other}", f"das ist {other}", other)),
    ]


def meeting(draw: Draw) -> list[Line]:
    """A day is proposed, taken or moved."""
    day = draw.one(*DAYS)
    ask = Line(0, f"können wir uns am {day} treffen")
    if draw.chance(0.5):
        return [ask, Line(1, f"ja am {day} {draw.one('gern', 'geht es gut')}"), Line(0, f"gut bis {day}")]
    other = draw.one(*(name for name in DAYS if name != day))
    return [ask, Line(1, f"leider nicht am {day} geht es am {other}"), Line(0, f"{draw.one('ja', 'klar')} am {other}")]


def bus(draw: Draw) -> list[Line]:
    """Number and colour of a town's bus, as the small world has them."""
    town = draw.one(*TOWNS)
    number, colour = DIGITS[BUS[town]], BUS_COLOUR[town]
    lines = [
        Line(0, f"welcher bus fährt in {town}"),
        Line(1, draw.one(f"in {town} fährt bus {number}", f"das ist bus {number}", f"nummer {number}")),
    ]
    if draw.chance(0.6):
        lines += [
            Line(0, f"und welche farbe hat {draw.one('der bus', f'bus {number}')}"),
            Line(1, draw.one(f"bus {number} ist {colour}", f"der ist {colour}")),
        ]
    return lines


def possession(draw: Draw) -> list[Line]:
    """The colour of a thing, told and then confirmed or corrected."""
    article, my, your, thing = THINGS[draw.digit(0, len(THINGS) - 1)]
    colour = draw.one(*COLOURS)
    lines = [
        Line(0, f"welche farbe hat {your} {thing}"),
        Line(1, draw.one(f"{my} {thing} ist {colour}", f"{article} ist {colour}")),
    ]
    if draw.chance(0.5):
        guess = draw.one(*COLOURS)
        verdict = f"ja {colour}" if guess == colour else f"nein {colour} nicht {guess}"
        lines += [Line(0, f"ist {your} {thing} {guess}"), Line(1, verdict)]
    return lines


def home(draw: Draw) -> list[Line]:
    """Where the other lives, and the bus there."""
    town = draw.one(*TOWNS)
    return [
        Line(0, "wo wohnst du"),
        Line(1, f"ich wohne in {town}{draw.one('', ' und du')}"),
        Line(0, draw.one(f"ich wohne in {town}", f"in {town} fährt bus {DIGITS[BUS[town]]}")),
    ]


TOPICS = ((sums, 3), (telephone, 4), (repeat, 4), (neighbour, 3), (meeting, 2), (bus, 2), (possession, 2), (home, 1))


def opening(draw: Draw) -> list[Line]:
    """Greetings."""
    greetings = "hallo", "guten tag", "guten morgen"
    lines = [Line(0, draw.one(*greetings)), Line(1, draw.one(*greetings))]
    if draw.chance(0.5):
        lines += [Line(0, "wie geht es dir"), Line(1, draw.one("gut danke", "sehr gut", "danke gut"))]
    return lines


def closing(draw: Draw) -> list[Line]:
    """Thanks and goodbye."""
    return [Line(0, draw.one("danke tschüss", "tschüss")), Line(1, draw.one("tschüss", "bis morgen tschüss"))]
