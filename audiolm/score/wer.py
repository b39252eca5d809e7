"""Word error rate: pooled edit distance over words, after one stated normalisation.

WER = (substitutions + deletions + insertions) / reference words, summed over utterances before the division, every
error weighing 1. Of the alignments with the fewest errors the one with the most correct words counts, as with the
weights of NIST's sclite (4 a substitution, 3 an insertion or deletion) where those agree on the number of errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from audiolm.errors import AudiolmError
from audiolm.score.record import bootstrap_ci
from audiolm.text.normalize import normalize


@dataclass(frozen=True)
class WordErrors:
    """Errors of one utterance, and the pairs of positions that its alignment matches."""

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
    """Pooled errors of a set of utterances. ``percent`` and ``ci`` are in %."""

    percent: float
    ci: tuple[float, float] | None
    utterances: int
    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def details(self) -> dict[str, float]:
        """The counts, as a score record keeps them."""
        names = ("utterances", "words", "substitutions", "deletions", "insertions")
        return {name: getattr(self, name) for name in names}


def align_words(reference: list[str], hypothesis: list[str]) -> WordErrors:
    """Align two word sequences by plain edit distance; of equally short alignments, by the one with the most hits.

    >>> align_words("one two three".split(), "one too three four".split()).pairs
    ((0, 0), (2, 2))
    >>> align_words("a b".split(), "b c".split()).hits
    1
    """
    first = 0
    while first < min(len(reference), len(hypothesis)) and reference[first] == hypothesis[first]:
        first += 1
    pairs = [(i, i) for i in range(first)]
    pairs += [(i + first, j + first) for i, j in _matches(reference[first:], hypothesis[first:])]
    # Between two matches, and at both ends, so many words as there are on both sides are substituted.
    gaps = zip([(-1, -1), *pairs], [*pairs, (len(reference), len(hypothesis))], strict=True)
    rows = [(i - last_i - 1, j - last_j - 1) for (last_i, last_j), (i, j) in gaps]
    substitutions = sum(min(row) for row in rows)
    deletions = len(reference) - len(pairs) - substitutions
    insertions = len(hypothesis) - len(pairs) - substitutions
    return WordErrors(len(pairs), substitutions, deletions, insertions, tuple(pairs))


def _matches(reference: list[str], hypothesis: list[str]) -> list[tuple[int, int]]:
    """Positions that are correct in the alignment of least (errors, -hits)."""
    if not reference or not hypothesis:
        return []
    numbers: dict[str, int] = {}
    rows, columns = (
        np.array([numbers.setdefault(word, len(numbers)) for word in words]) for words in (reference, hypothesis)
    )
    error = min(len(rows), len(columns)) + 1  # outweighs all hits there can be
    steps = np.arange(len(columns) + 1, dtype=np.int64) * error
    costs = [steps]  # of every prefix of the reference: cost to every prefix of the hypothesis
    for row in rows:
        above = costs[-1]
        cost = above + error  # deleted
        cost[1:] = np.minimum(cost[1:], above[:-1] + np.where(columns == row, -1, error))
        costs.append(np.minimum.accumulate(cost - steps) + steps)  # inserted
    pairs, i, j = [], len(rows), len(columns)
    while i and j:
        equal = rows[i - 1] == columns[j - 1]
        if costs[i][j] == costs[i - 1][j - 1] + (-1 if equal else error):
            i, j = i - 1, j - 1
            if equal:
                pairs.append((i, j))
        elif costs[i][j] == costs[i - 1][j] + error:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def word_error_rate(
    references: Mapping[str, str], hypotheses: Mapping[str, str], normaliser: Callable[[str], str] = normalize
) -> WordErrorRate:
    """Score transcripts by utterance id, both sides through ``normaliser`` (``str`` scores texts as they are).

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
    aligned = [align_words(normaliser(references[i]).split(), normaliser(hypotheses[i]).split()) for i in references]
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
    )
