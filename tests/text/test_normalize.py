import pytest

from audiolm.errors import AudiolmError
from audiolm.text.marks import DROP, KEEP, Marks, without_marks
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


def test_marks_of_other_rules(tmp_path):
    text = "[Laughter] uhm [laughter-oh] { yes / no } %hes <breath noise> x[1]"
    assert without_marks(text, Marks.by_rule("drop")) == "uhm oh yes %hes x[1]"
    assert without_marks(text, Marks.by_rule("keep")) == "[Laughter] uhm oh yes %hes <breath_noise> x[1]"
    (tmp_path / "marks").write_text("[laughter]\n\n%HES\n<breath  noise>\nuhm\n")
    listed = Marks.by_rule(tmp_path / "marks")
    assert without_marks(text, listed) == "oh yes x[1]"
    assert without_marks("[noise] <breath noise> oh", listed) == "[noise] oh"
    assert normalize("[Noise] Oh-No!", listed) == "[noise] oh no" and normalize("[noise] no", DROP) == "no"
    assert KEEP.split("a [b]") == [("a", False), ("[b]", True)]


def test_a_list_of_marks_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, message in [("empty", "found no mark"), ("binary", "not UTF-8"), ("gone", "No such file"), ("", "Is a ")]:
        with pytest.raises(AudiolmError, match=message):
            Marks.by_rule(tmp_path / name)
