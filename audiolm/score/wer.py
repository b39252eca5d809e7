"""Word error rate: pooled edit distance over words, after one stated normalisation.

WER = (substitutions + deletions + insertions) / reference words, summed over utterances before the division, every
error weighing 1. NIST's sclite aligns with weights 4, 3 and 3, so that its counts can differ by a word or two;
LibriSpeech's published figures are the plain distance, which this module gives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """Align two word sequences by plain edit distance.

    >>> align_words("one two three".split(), "one too three four".split()).pairs
    ((0, 0), (2, 2))
    """
    from rapidfuzz.distance import Levenshtein

    counts = {"equal": 0, "replace": 0, "delete": 0, "insert": 0}
    pairs = []
    for block in Levenshtein.opcodes(reference, hypothesis):
        source = block.src_end - block.src_start
        counts[block.tag] += source if block.tag != "insert" else block.dest_end - block.dest_start
        if block.tag == "equal":
            pairs += zip(range(block.src_start, block.src_end), range(block.dest_start, block.dest_end), strict=True)
    return WordErrors(counts["equal"], counts["replace"], counts["delete"], counts["insert"], tuple(pairs))


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
