import pytest

from audiolm.text.normalize import normalize


@pytest.mark.parametrize(
    "text, expected",
    [
        ("“Don’t,” he said.", "don't he said"),
        ("'TWAS well-known…", "twas well known"),
        ("dogs' Straße 42", "dogs straße 42"),
        ("a_b  \t", "a b"),
        ("— ' —", ""),
    ],
)
def test_normalisation(text, expected):
    assert normalize(text) == expected
    assert normalize(expected) == expected
