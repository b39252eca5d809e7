"""Where to cut long recordings: in their pauses."""

from collections.abc import Sequence

from audiolm.annotate.turns import Region


def cut_at_pauses(
    speech: Sequence[Region], start: float, end: float, longest: float, shortest: float = 0.0
) -> list[Region]:
    """Cut ``start`` … ``end`` (s) into parts that touch, none longer than ``longest``.

    From left to right, each cut lies in the middle of the longest pause that leaves a part of ``shortest`` to
    ``longest`` s, the later one of equals; where there is no pause, at ``longest``. A part of at most ``longest`` s
    stays whole.

    Args:
        speech: disjoint regions in order; the time between them is pauses.

    >>> cut_at_pauses([(0, 4), (5, 9), (9.5, 12)], 0, 12, longest=10, shortest=2)
    [(0, 4.5), (4.5, 12)]
    """
    pauses = [(a[1], b[0]) for a, b in zip(speech, speech[1:], strict=False)]
    if speech:
        pauses = [(start, speech[0][0]), *pauses, (speech[-1][1], end)]
    parts, at, first = [], start, 0
    while end - at > longest:
        while first < len(pauses) and sum(pauses[first]) / 2 < at + shortest:
            first += 1
        choice, best = at + longest, 0.0
        for before, after in pauses[first:]:
            middle = (before + after) / 2
            if middle > at + longest:
                break
            if middle > at and after - before >= max(best, 1e-9):
                choice, best = middle, after - before
        parts.append((at, choice))
        at = choice
    return [*parts, (at, end)]
