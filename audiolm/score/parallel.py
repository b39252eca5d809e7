"""Work on many items by several processes: scores of utterances do not depend on each other."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``function`` of each item, in order; a function of a module, as other processes import it."""
    processes = min(len(os.sched_getaffinity(0)), len(items))
    if processes < 2:
        return [function(item) for item in items]
    # Not forked: the parent may hold the threads and locks of torch.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(function, items, chunksize=-(-len(items) // (4 * processes))))
