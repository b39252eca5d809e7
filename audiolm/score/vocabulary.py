"""What a recogniser of a closed vocabulary cannot hear: words of the references that it does not know are errors of the
recogniser, whatever the speech is like, and stand beside its scores."""

from collections.abc import Iterable

from audiolm.score.record import Score
from audiolm.text.normalize import normalize

SIZE, UNKNOWN = "words in the recogniser's vocabulary", "words of the test outside the vocabulary, %"  # in the details


def details(backend: object, references: Iterable[str]) -> dict[str, float]:
    """The numbers that a score of ``backend`` keeps of its vocabulary; none where it hears any word.

    Args:
        backend: a recogniser (``audiolm.score.asr_backends``); its attribute ``words`` is a closed vocabulary, None or
            no such attribute an open one.
        references: texts that were said, or were to be said.
    """
    known = getattr(backend, "words", None)
    if known is None:
        return {}
    known = set(known)
    said = [word for text in references for word in normalize(text).split()]
    unknown = sum(word not in known for word in said)
    return {SIZE: float(len(known)), UNKNOWN: 100 * unknown / max(len(said), 1)}


def remark(score: Score) -> str:
    """A sentence on what the score's recogniser does not know; empty where it is not of a closed vocabulary.

    >>> from audiolm.score.record import Score
    >>> told = {SIZE: 201.0, UNKNOWN: 25.1}
    >>> remark(Score("wer", 50.0, "%", "", "", "", "test", 9, details=told))
    'of the words of the test 25 % are not in its vocabulary of 201'
    """
    if SIZE not in score.details or UNKNOWN not in score.details:
        return ""
    size, share = round(score.details[SIZE]), score.details[UNKNOWN]
    if not share:
        return f"all words of the test are in its vocabulary of {size}"
    told = f"{share:.0f}" if share >= 1 else f"{share:.1g}"
    return f"of the words of the test {told} % are not in its vocabulary of {size}"
