import pytest

from audiolm.text.marks import without_marks
from audiolm.text.normalize import normalize


@pytest.mark.parametrize(
    "text, expected",
    [
        ("“Don’t,” he said.", "don't he said"),
        ("'TWAS well-known…", "twas well known"),
        ("dogs' Straße 42", "dogs straße 42"),
        ("a_b  \t", "a b"),
        ("— ' —", ""),
        ("किताब, पानी!", "किताब पानी"),  # vowel signs are marks, no letters
        ("ไม่ ใช่", "ไม่ ใช่"),
        ("e\u0301te\u0301", "été"),
        ("İzmir", "izmir"),
        ("نمی\u200cدانم co\u00adop paral\u00b7lel", "نمیدانم coop parallel"),
        ("rock ''n'' roll", "rock n roll"),
        ("[noise] well <breath> [LAUGHTER-yes] { uh / er } a<b", "well yes uh a b"),
    ],
)
def test_normalisation(text, expected):
    assert normalize(text) == expected
    assert normalize(expected) == expected


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("[laughter]", ""),
        ("oh [background speech] no", "oh no"),
        ("{ a / { b / c } } d { @ / e }", "a d"),
        ("{ { a / b } / c }", "a"),
        ("x[1] is <2", "x[1] is <2"),
        ("open { brace", "open { brace"),
    ],
)
def test_marks_are_not_spoken(text, spoken):
    assert without_marks(text) == spoken
