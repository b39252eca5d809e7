"""Guessed pronunciations: near enough to a dictionary's, and only of English letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.annotate.pronunciations import guess
from audiolm.annotate.wheels import wheel_file

PHONES = set(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)


@pytest.mark.parametrize(
    "word, phones",
    [
        ("same", "S EY M"),
        ("knight", "N AY T"),
        ("nation", "N AE SH AH N"),
        ("wrapped", "R AE P D"),
        ("tv", "T IY V IY"),
        ("cats", "K AE T S"),  # not in the dictionary below: read
        ("bushes", "B UH SH IH Z"),
        ("dog's", "D AO G Z"),
        ("bookcase", "B UH K K EY S"),
    ],
)
def test_kinds_of_words(word, phones):
    dictionary = {"bushe": "B UH SH", "dog": "D AO G", "book": "B UH K", "case": "K EY S"}
    assert guess(word, dictionary.get) == phones


@pytest.mark.parametrize("word", ["42", "naïve", "", "'", "a-b", "два"])
def test_other_characters_have_no_guess(word):
    assert guess(word, {}.get) is None


@given(st.from_regex(r"[a-z']{0,8}[a-z][a-z']{0,8}", fullmatch=True))
def test_every_english_spelling_gets_phones_of_the_model(word):
    assert set(guess(word, {}.get).split()) <= PHONES and guess(word, {}.get)


def test_rules_come_near_the_dictionary():
    """Over every 200th word of CMUdict: most phones are right, as counted by edit distance."""
    from rapidfuzz.distance import Levenshtein

    path = wheel_file("pocketsphinx", "model/en-us/cmudict-en-us.dict", "pocketsphinx")
    lines = path.read_text(encoding="utf-8").splitlines()[::200]
    pairs = [(line.split()[0], line.split()[1:]) for line in lines if line.split()[0].isalpha()]
    errors = sum(Levenshtein.distance(guess(word, {}.get).split(), phones) for word, phones in pairs)
    assert errors / sum(len(phones) for _, phones in pairs) < 0.45
