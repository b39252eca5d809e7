"""Batches made ahead of the training step, in an order that the keys alone decide."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from audiolm.errors import AudiolmError
from audiolm.train.randomness import Key
from audiolm.train.system import Batch, Examples

AHEAD = 4  # batches that wait to be used


def key_lists(
    seed: int, steps: range, batch_size: int, accumulate: int = 1, rank: int = 0, world: int = 1
) -> Iterator[list[Key]]:
    """Yield the keys of one process's batches: ``accumulate`` lists for every step.

    Step s has the global sample indices s · batch_size … (s + 1) · batch_size − 1; part a of rank r takes the block
    number a · world + r of them. So any number of ranks or parts sees the same examples in the same step.

    >>> [[key.index for key in keys] for keys in key_lists(0, range(1, 2), batch_size=4, accumulate=2)]
    [[4, 5], [6, 7]]
    """
    share = batch_size // (accumulate * world)
    for step in steps:
        for part in range(accumulate):
            start = step * batch_size + (part * world + rank) * share
            yield [Key(seed, index, batch_size) for index in range(start, start + share)]


@contextmanager
def batches(
    examples: Examples, keys: Iterable[list[Key]], num_workers: int = 0, pin_memory: bool = False
) -> Iterator[Iterator[Batch]]:
    """Give, inside the block, an iterator of one batch for each list of ``keys``, in order.

    Args:
        examples: makes and collates them.
        num_workers: processes that make batches; 0: one thread of this process, which suits examples made by numpy,
            soundfile or torch (they let other threads run).
        pin_memory: worker processes' tensors go where a GPU copies them from without waiting.

    An error in making an example is raised here, when its batch is due.
    """
    if num_workers:
        from torch.utils.data import DataLoader

        loader = DataLoader(
            _Indexed(examples),  # type: ignore[arg-type]
            batch_sampler=keys,  # type: ignore[arg-type]
            num_workers=num_workers,
            collate_fn=_Collate(examples),
            pin_memory=pin_memory,
            prefetch_factor=AHEAD,
        )
        iterator = iter(loader)
        try:
            yield map(_unless_error, iterator)
        finally:
            iterator._shutdown_workers()  # at once, not when the garbage collector comes by
    else:
        thread = _Thread(examples, keys)
        try:
            yield iter(thread)
        finally:
            thread.close()


class _Thread:
    """One thread that fills a short list and sleeps until most of it is used: each waking costs the consumer time."""

    END = object()

    def __init__(self, examples: Examples, keys: Iterable[list[Key]]):
        self.items: deque[Any] = deque()
        self.changed = threading.Condition()
        self.closed = False
        self.thread = threading.Thread(target=self._run, args=(examples, keys), daemon=True)
        self.thread.start()

    def _run(self, examples: Examples, keys: Iterable[list[Key]]) -> None:
        try:
            for batch_keys in keys:
                self._put(examples.collate([examples(key) for key in batch_keys]))
                if self.closed:
                    return
            self._put(self.END)
        except BaseException as error:  # raised again by the consumer
            self._put(_Error(error))

    def _put(self, item: Any) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify()
            if len(self.items) >= AHEAD:
                self.changed.wait_for(lambda: self.closed or len(self.items) <= 1)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.items)
                item = self.items.popleft()
                if len(self.items) <= 1:
                    self.changed.notify()
            if item is self.END:
                return
            yield _unless_error(item)

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify()
        self.thread.join()


class _Indexed:
    """Examples as the map-style data set that DataLoader takes, whose "indices" are keys."""

    def __init__(self, examples: Examples):
        self.examples = examples

    def __getitem__(self, key: Key) -> Any:
        try:
            return self.examples(key)
        except AudiolmError as error:  # travels as it is: DataLoader would wrap it in a traceback of many lines
            return _Error(error)


class _Collate:
    def __init__(self, examples: Examples):
        self.examples = examples

    def __call__(self, examples: list[Any]) -> Any:
        errors = [example for example in examples if isinstance(example, _Error)]
        return errors[0] if errors else self.examples.collate(examples)


class _Error:
    def __init__(self, error: BaseException):
        self.error = error


def _unless_error(item: Any) -> Any:
    if isinstance(item, _Error):
        raise item.error
    return item
