"""Progress of a long loop: a bar on a terminal, a line a minute in a log."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

LOG_EVERY = 60.0  # seconds between two lines of a log
RELAY_EVERY = 0.5  # seconds between two notes to the launcher
RELAY_VARIABLE = "AUDIOLM_PROGRESS_FILE"  # the launcher names a file there, and shows its last note on its terminal


def progress(iterable: Iterable[Item], total: int | None = None, desc: str = "") -> Iterator[Item]:
    """Yield the items of ``iterable`` and show how far the loop is, on stderr.

    On a terminal this is a bar. Elsewhere it is a line a minute, and one at the end of a loop that took longer.
    Under ``audiolm launch`` the launcher also shows it on its own terminal.

    Args:
        iterable: what to loop over.
        total: number of items; ``len(iterable)`` by default, unknown where it has none.
        desc: what is done, in a word or two.
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(iterable, total=total, desc=desc, dynamic_ncols=True, leave=False)
    else:
        yield from _in_a_log(iterable, total, desc)


def _in_a_log(iterable: Iterable[Item], total: int | None, desc: str) -> Iterator[Item]:
    relay = os.environ.get(RELAY_VARIABLE)
    start = logged = time.monotonic()
    relayed = -RELAY_EVERY
    count = 0
    for count, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if relay and now - relayed >= RELAY_EVERY:
            tell(relay, count, total, desc)
            relayed = now
        if now - logged >= LOG_EVERY:
            print(describe(count, total, desc, now - start), file=sys.stderr, flush=True)
            logged = now
    if logged != start:
        print(f"{desc}: {count} in {duration(time.monotonic() - start)}", file=sys.stderr, flush=True)


def tell(relay: str, count: int, total: int | None, desc: str) -> None:
    """Leave a note for the launcher, in the file that RELAY_VARIABLE names; a full disk is no reason to stop for it."""
    with suppress(OSError):
        Path(relay).write_text(f"{count}\t{total or ''}\t{desc}\n", encoding="utf-8")


def describe(count: int, total: int | None, desc: str, seconds: float) -> str:
    """Return one line on a loop that did ``count`` of ``total`` items in ``seconds``.

    >>> describe(30, 120, "codes", 60.0)
    'codes: 30 of 120 (25 %), 0.5 a second, 3 min left'
    """
    rate = count / seconds if seconds > 0 else 0.0
    line = f"{desc}: {count}" + (f" of {total} ({100 * count // total} %)" if total else "") + f", {rate:.3g} a second"
    return line + (f", {duration((total - count) / rate)} left" if total and rate else "")


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that keeps two figures.

    >>> [duration(s) for s in (0.42, 12.3, 119, 180, 7200)]
    ['0.4 s', '12 s', '119 s', '3 min', '2.0 h']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
