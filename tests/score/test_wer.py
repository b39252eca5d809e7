import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from audiolm.errors import AudiolmError
from audiolm.score.wer import align_words, word_error_rate
from audiolm.score.words import WordRules
from audiolm.text.marks import KEEP, Marks

AS_WRITTEN = WordRules(normaliser=str)

words = st.lists(st.sampled_from("abc"), max_size=8)


def read_text(path):
    lines = [line.split(maxsplit=1) for line in path.read_text().splitlines()]
    return {line[0]: line[1] if len(line) > 1 else "" for line in lines}


def test_counts_by_hand():
    # ref: one two three four     hyp: one too three four five six
    aligned = align_words("one two three four".split(), "one too three four five six".split())
    assert (aligned.hits, aligned.substitutions, aligned.deletions, aligned.insertions) == (3, 1, 0, 2)
    assert aligned.pairs == ((0, 0), (2, 2), (3, 3))
    rate = word_error_rate({"a": "one two three four", "b": "Yes."}, {"a": "one too three four five six", "b": ""})
    assert rate.percent == pytest.approx(100 * 4 / 5)
    assert rate.details == {"utterances": 2, "words": 5, "substitutions": 1, "deletions": 1, "insertions": 2}


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("a b", "b c", (1, 0, 1, 1)),  # two substitutions are as short, and have no hit
        ("a b c d", "x a b d", (3, 0, 1, 1)),
        ("a b", "c d", (0, 2, 0, 0)),
        ("a", "", (0, 0, 1, 0)),
    ],
)
def test_of_the_shortest_alignments_the_one_with_most_hits(reference, hypothesis, counts):
    found = align_words(reference.split(), hypothesis.split())
    assert (found.hits, found.substitutions, found.deletions, found.insertions) == counts


@given(words, words)
def test_alignment_adds_up(reference, hypothesis):
    aligned = align_words(reference, hypothesis)
    assert aligned.words == len(reference)
    assert aligned.hits + aligned.substitutions + aligned.insertions == len(hypothesis)
    assert len(aligned.pairs) == aligned.hits
    assert all(reference[i] == hypothesis[j] for i, j in aligned.pairs)
    assert aligned.errors == align_words(hypothesis, reference).errors == Levenshtein.distance(reference, hypothesis)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),  # correct, substituted, deleted, inserted: those of sclite 2.10 with -D -F
    [
        ("b (c) d", "b d", (3, 0, 0, 0)),  # what is missing counts as right
        ("b (c) d", "b c d", (3, 0, 0, 0)),
        ("b (c) d", "b x d", (2, 1, 0, 0)),  # what is there must be right
        ("(uh) i went (um) home", "i went home um", (5, 0, 0, 1)),
        ("(b) b", "b", (2, 0, 0, 0)),
        ("(a) b", "c", (1, 1, 0, 0)),
        ("a (b) (c) d", "a x d", (3, 1, 0, 0)),
        ("a b (c) d", "a c x", (2, 1, 1, 0)),
        ("(b)", "c", (0, 1, 0, 0)),
        ("th- the dog", "the dog", (2, 0, 1, 0)),
        ("th- dog", "there dog", (2, 0, 0, 0)),
        ("the dog", "th- dog", (2, 0, 0, 0)),
        ("-ing dog", "going dog", (2, 0, 0, 0)),
        ("(th-) dog", "there dog", (2, 0, 0, 0)),
        ("(th-) dog", "dog", (2, 0, 0, 0)),
        ("th- e", "e", (1, 0, 1, 0)),
        ("- x", "y x", (1, 1, 0, 0)),  # a hyphen alone is no fragment
    ],
)
@pytest.mark.parametrize("normaliser", [None, str])
def test_optional_words_and_fragments_as_sclite_counts_them(reference, hypothesis, counts, normaliser):
    rules = WordRules(optional=True, fragments=True, normaliser=normaliser)
    if normaliser is None and "-" in reference.split():
        counts = (1, 0, 0, 1)  # normalisation leaves no word of it
    found = align_words(rules.reference(reference), rules.hypothesis(hypothesis))
    assert (found.hits, found.substitutions, found.deletions, found.insertions) == counts
    assert found.words == len(rules.reference(reference))


def test_without_the_options_parentheses_and_hyphens_say_nothing():
    references, hypotheses = {"a": "(Uh), th- dog (you know)"}, {"a": "there dog"}
    plain = word_error_rate(references, hypotheses)
    assert (plain.words, plain.substitutions, plain.deletions) == (5, 1, 3)
    lenient = word_error_rate(references, hypotheses, WordRules(optional=True, fragments=True))
    assert (lenient.words, lenient.substitutions, lenient.deletions) == (5, 0, 2)  # as in sclite one word is optional


def test_marks_that_are_kept_are_words_of_their_own():
    references, hypotheses = {"a": "[Laughter] Yes. <breath noise>"}, {"a": "laughter yes"}
    assert word_error_rate(references, hypotheses).details["words"] == 1
    kept = word_error_rate(references, hypotheses, WordRules(KEEP))
    assert (kept.words, kept.substitutions, kept.deletions) == (3, 1, 1)
    assert word_error_rate({"a": "[laughter] yes"}, {"a": "[LAUGHTER] yes"}, WordRules(KEEP)).percent == 0
    listed = word_error_rate(references, {"a": "yes <breath_noise>"}, WordRules(Marks.of(["[laughter]"])))
    assert (listed.words, listed.percent) == (2, 0)
    assert "marks kept" in WordRules(KEEP).told and WordRules().told == ""


@pytest.mark.parametrize(
    "references, hypotheses, message",
    [
        ({"a": "x"}, {}, "'a' has no hypothesis"),
        ({"a": "x"}, {"a": "x", "b": "y"}, "'b' has no reference"),
        ({"a": "—"}, {"a": "x"}, "hold no word"),
    ],
)
def test_sets_that_do_not_match_are_refused(references, hypotheses, message):
    with pytest.raises(AudiolmError, match=message):
        word_error_rate(references, hypotheses)


def test_published_rate_of_librispeech_test_clean(shared_data):
    folder = shared_data / "scoring_librispeech"
    rate = word_error_rate(read_text(folder / "ref.txt"), read_text(folder / "hyp.b1.rnnt_baseline.txt"), AS_WRITTEN)
    first_line = (folder / "result.b1.rnnt_baseline.txt").read_text().splitlines()[0]
    published = dict(re.findall(r"(\w+)=([\d.]+)", first_line))
    assert rate.utterances == 2620
    assert rate.words == int(published["ref_words"])
    assert rate.percent == pytest.approx(float(published["error_rate"]), abs=1e-12)
    counts = {"subs": rate.substitutions, "dels": rate.deletions, "ins": rate.insertions}
    assert counts == {name: int(published[name]) for name in counts}
    low, high = rate.ci
    assert low < rate.percent < high < rate.percent + 0.5


def test_sclite_test1_up_to_its_other_weights(shared_data):
    """NIST's own case csrnab: 1406 words, 169 errors by sclite; the plain distance is never larger."""
    folder = shared_data / "scoring_sctk" / "wer"
    references, hypotheses = _read_trn(folder / "csrnab.ref"), _read_trn(folder / "csrnab.hyp")
    total = counted = 0
    for utterance, reference in references.items():
        hypothesis = hypotheses[utterance].lower().split()
        best = min((align_words(variant, hypothesis) for variant in _variants(reference)), key=lambda a: a.errors)
        total += best.errors
        counted += best.words
    assert len(references) == 51
    assert counted == pytest.approx(1406, abs=2)  # alternatives of other lengths
    assert total == pytest.approx(169, abs=2)
    assert total <= 169


def _read_trn(path):
    lines = re.findall(r"(.*)\((\S+)\)\s*$", path.read_text(encoding="latin-1"), re.MULTILINE)
    return {utterance.lower(): text for text, utterance in lines}


def _variants(text):
    """Every reading of NIST's alternatives ``{ a / b }``; @ is the empty word."""
    parts = re.split(r"\{(.*?)\}", text.lower())
    choices = [part.split("/") if i % 2 else [part] for i, part in enumerate(parts)]
    for reading in itertools.product(*choices):
        yield [word for word in " ".join(reading).split() if word != "@"]
