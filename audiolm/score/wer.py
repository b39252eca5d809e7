"""Word error rate: pooled edit distance over words, after one stated normalisation.

WER = (substitutions + deletions + insertions) / reference words, summed over utterances before the division, every
error weighing 1. Of the alignments with the fewest errors the one with the most correct words counts, as with the
weights of NIST's sclite (4 a substitution, 3 an insertion or deletion, 2 a missing word that is optional) where those
agree on the number of errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audiolm.errors import AudiolmError
from audiolm.score.record import bootstrap_ci
from audiolm.score.words import PLAIN, Word, WordRules


@dataclass(frozen=True)
class WordErrors:
    """Errors of one utterance, and the pairs of positions that its alignment matches.

    ``hits`` counts optional words that are missing too, as sclite does; ``pairs`` has no place for them.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    pairs: tuple[tuple[int, int], ...]  # (reference position, hypothesis position) of every correct word

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def words(self) -> int:
        """Number of reference words."""
        return self.hits + self.substitutions + self.deletions


@dataclass(frozen=True)
class WordErrorRate:
    """Pooled errors of a set of utterances. ``percent`` and ``ci`` are in %; ``items`` are (100 · errors, words) by
    utterance.
    """

    percent: float
    ci: tuple[float, float] | None
    utterances: int
    words: int
    substitutions: int
    deletions: int
    insertions: int
    items: dict[str, tuple[float, float]]

    @property
    def details(self) -> dict[str, float]:
        """The counts, as a score record keeps them."""
        names = ("utterances", "words", "substitutions", "deletions", "insertions")
        return {name: getattr(self, name) for name in names}


def align_words(reference: Sequence[str | Word], hypothesis: Sequence[str | Word]) -> WordErrors:
    """Align two word sequences by plain edit distance; of equally short alignments, by the one with the most hits.

    >>> align_words("one two three".split(), "one too three four".split()).pairs
    ((0, 0), (2, 2))
    >>> align_words("a b".split(), "b c".split()).hits
    1
    """
    reference, hypothesis = (
        [Word(word) if isinstance(word, str) else word for word in words] for words in (reference, hypothesis)
    )
    first = 0
    if not any(word.optional for word in reference):  # it may be better to leave one out, and match the next
        while first < min(len(reference), len(hypothesis)) and reference[first].fits(hypothesis[first]):
            first += 1
    pairs = [(i, i) for i in range(first)]
    pairs += [(i + first, j + first) for i, j in _matches(reference[first:], hypothesis[first:])]
    substitutions = missing = 0
    # Between two matches, and at both ends, optional words that are too many are missing, and of the others so many as
    # there are on both sides are substituted.
    for (last_i, last_j), (i, j) in zip([(-1, -1), *pairs], [*pairs, (len(reference), len(hypothesis))], strict=True):
        row, column = i - last_i - 1, j - last_j - 1
        optional = sum(word.optional for word in reference[last_i + 1 : i])
        unneeded = min(optional, max(0, row - column))
        missing += unneeded
        substitutions += min(row - unneeded, column)
    hits = len(pairs) + missing
    deletions = len(reference) - hits - substitutions
    insertions = len(hypothesis) - len(pairs) - substitutions
    return WordErrors(hits, substitutions, deletions, insertions, tuple(pairs))


def _matches(reference: list[Word], hypothesis: list[Word]) -> list[tuple[int, int]]:
    """Positions that are correct in the alignment of least (errors, substitutions + 2 · missing optional words)."""
    if not reference or not hypothesis:
        return []
    equal = _fit(reference, hypothesis)
    error = 2 * len(reference) + 1  # outweighs all else that there can be
    gone = [2 if word.optional else error for word in reference]
    steps = np.arange(len(hypothesis) + 1, dtype=np.int64) * error
    costs = [steps]  # of every prefix of the reference: cost to every prefix of the hypothesis
    for fits, deletion in zip(equal, gone, strict=True):
        above = costs[-1]
        cost = above + deletion
        cost[1:] = np.minimum(cost[1:], above[:-1] + np.where(fits, 0, error + 1))
        costs.append(np.minimum.accumulate(cost - steps) + steps)  # inserted
    pairs, i, j = [], len(reference), len(hypothesis)
    while i and j:
        fits = equal[i - 1][j - 1]
        if costs[i][j] == costs[i - 1][j - 1] + (0 if fits else error + 1):
            i, j = i - 1, j - 1
            if fits:
                pairs.append((i, j))
        elif costs[i][j] == costs[i - 1][j] + gone[i - 1]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _fit(reference: list[Word], hypothesis: list[Word]) -> list[np.ndarray]:
    """Of every reference word, bool [hypothesis words]: which ones are it."""
    numbers: dict[str, int] = {}
    rows, columns = (
        np.array([numbers.setdefault(word.text, len(numbers)) for word in words]) for words in (reference, hypothesis)
    )
    parts = any(word.fragment for word in hypothesis)
    return [
        np.array([word.fits(other) for other in hypothesis]) if parts or word.fragment else columns == row
        for word, row in zip(reference, rows, strict=True)
    ]


def word_error_rate(
    references: Mapping[str, str], hypotheses: Mapping[str, str], rules: WordRules = PLAIN
) -> WordErrorRate:
    """Score transcripts by utterance id, both sides read by ``rules`` (``WordRules(normaliser=str)``: as they are).

    An utterance with a reference and no hypothesis is an error: a recogniser that finds nothing must say so with an
    empty text, because silently missing utterances would flatter the rate.
    """
    missing = sorted(set(references) ^ set(hypotheses))
    if missing:
        side = "hypothesis" if missing[0] in references else "reference"
        raise AudiolmError(
            f"utterance '{missing[0]}' has no {side} ({len(missing)} of {len(references)} do not match), "
            "expected one of each per id: score the sets that belong together"
        )
    aligned = [align_words(rules.reference(references[i]), rules.hypothesis(hypotheses[i])) for i in references]
    words = sum(a.words for a in aligned)
    if not words:
        raise AudiolmError(f"the references of {len(aligned)} utterances hold no word, expected at least one")
    ci = bootstrap_ci([100 * a.errors for a in aligned], [a.words for a in aligned])
    return WordErrorRate(
        percent=100 * sum(a.errors for a in aligned) / words,
        ci=ci,
        utterances=len(aligned),
        words=words,
        substitutions=sum(a.substitutions for a in aligned),
        deletions=sum(a.deletions for a in aligned),
        insertions=sum(a.insertions for a in aligned),
        items={name: (100 * a.errors, a.words) for name, a in zip(references, aligned, strict=True)},
    )
