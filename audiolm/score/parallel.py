"""Work on many items by several processes: scores of utterances do not depend on each other."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from audiolm.errors import AudiolmError

Item = TypeVar("Item")
Result = TypeVar("Result")
UNDONE = object()


def on_all_cores(
    function: Callable[[Item], Result], items: Sequence[Item], lost: Callable[[Item], Result] | None = None
) -> list[Result]:
    """``function`` of each item, in order; a function of a module, as other processes import it.

    Args:
        lost: the result of an item whose process died (a library written in C crashes, memory ends). Such an item is
            found by trying the ones that were under way again, each in a process of its own.

    Raises:
        AudiolmError: a process died, and there is no ``lost``.
    """
    processes = min(len(os.sched_getaffinity(0)), len(items))
    if processes < 2 and lost is None:
        return [function(item) for item in items]
    results = _tried(function, items, max(processes, 1))
    for number, item in enumerate(items):
        if results[number] is UNDONE:
            results[number] = _tried(function, [item], 1)[0]
        if results[number] is UNDONE:
            if lost is None:
                raise AudiolmError(
                    f"the process that worked on item {number + 1} of {len(items)} died; is memory short?"
                )
            results[number] = lost(item)
    return results


def _tried(function: Callable[[Item], Result], items: Sequence[Item], processes: int) -> list:
    """Results of the items, ``UNDONE`` where a process died before."""
    # Not forked: the parent may hold the threads and locks of torch.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = []
        for item in items:
            try:
                futures.append(pool.submit(function, item))
            except BrokenProcessPool:
                break
        results = []
        for future in futures:
            try:
                results.append(future.result())
            except BrokenProcessPool:
                results.append(UNDONE)
    return results + [UNDONE] * (len(items) - len(results))
