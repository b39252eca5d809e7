"""Recordings worked on a batch of pieces at a time; progress counts recordings that are done, not those read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from audiolm.jobs.progress import progress

Item, Result = TypeVar("Item"), TypeVar("Result")


def worked(
    recos: Iterable[str],
    pieces: Callable[[str], Iterable[Item]],
    size: int,
    work: Callable[[Sequence[Item]], Sequence[Result]],
    desc: str,
) -> Iterator[tuple[str, list[Result]]]:
    """Yield each recording with the results of its pieces, in order.

    Args:
        pieces: of a recording; none where it has none.
        size: pieces of a batch. Batches run across recordings.
        work: a batch -> a result for each of its pieces.
        desc: for the progress.
    """
    recos = list(recos)
    yield from progress(_by_recording(_results(_marked(recos, pieces), size, work)), len(recos), desc)


def _marked(recos: Iterable[str], pieces: Callable) -> Iterator[tuple[str, list]]:
    """(recording, [piece]) for every piece, and (recording, []) at each recording's end."""
    for reco in recos:
        for piece in pieces(reco):
            yield reco, [piece]
        yield reco, []


def _results(entries: Iterable[tuple[str, list]], size: int, work: Callable) -> Iterator[tuple[str, list]]:
    """The same with results in the place of pieces."""
    waiting, count = [], 0
    for entry in entries:
        waiting.append(entry)
        count += len(entry[1])
        if count in (0, size):
            yield from _done(waiting, work)
            waiting, count = [], 0
    yield from _done(waiting, work)


def _done(waiting: Sequence[tuple[str, list]], work: Callable) -> Iterator[tuple[str, list]]:
    items = [item for _, pieces in waiting for item in pieces]
    results = iter(work(items) if items else ())
    for reco, pieces in waiting:
        yield reco, [next(results) for _ in pieces]


def _by_recording(entries: Iterable[tuple[str, list]]) -> Iterator[tuple[str, list]]:
    found = []
    for reco, results in entries:
        found += results
        if not results:
            yield reco, found
            found = []
