"""The items of a task (:mod:`audiolm.lm.tasks`), read from the archives and tables of its sets as sequences."""

from collections.abc import Mapping
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np

from audiolm.data.aligned import ROUNDING, Aligned
from audiolm.data.features import FeatureReader
from audiolm.data.readers import read_text
from audiolm.errors import AudiolmError
from audiolm.lm.tasks import Part, Task
from audiolm.streams.grid import ABSENT
from audiolm.streams.patterns import flatten
from audiolm.streams.vocabulary import Vocabulary
from audiolm.text.tokenizer import Specials, Tokenizer
from audiolm.train.randomness import Key


class TaskItems:
    """The items of a task: how long their sequences are, and the sequences.

    Args:
        name: of the task; draws and messages carry it.
        task: what it is.
        vocabulary: of the model.
        tokenizer: of text parts.
        targets: False: only what is given before the first target is read, of items that may have none: where a model
            begins to generate.

    Attributes:
        problems: items that cannot be used, with the reason, by ``<set>/<item>``.
        sources: checksums of what made each archive and of the tokenizer, by the name of the part: what a model stamps.
        features: of each part of features, (frames of a place, numbers of a frame).

    Raises:
        AudiolmError: an archive is missing, or does not fit the vocabulary; windows of what has no times.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer | None = None,
        targets: bool = True,
    ):
        self.name, self.task, self.vocabulary, self.tokenizer = name, task, vocabulary, tokenizer
        self.targets = targets
        first = next(number for number, part in enumerate(task.parts) if part.role == "target")
        self.parts = task.parts if targets else task.parts[:first]
        if all(part.prompts for part in self.parts):
            raise AudiolmError(f"task '{name}' has no condition to begin from that is read from a set")
        self.weight = task.weight
        self.problems: dict[str, AudiolmError] = {}
        self.sources: dict[str, str] = {}
        self.features: dict[str, tuple[int, int]] = {}
        kinds = {part.source for part in self.parts if part.modality != "text"}
        tables = {part.source for part in self.parts if part.modality == "text" and not part.prompts}
        self._text = next((part.name for part in self.parts if part.modality == "text"), "text")
        if self.tokenizer is None and any(part.modality == "text" for part in self.parts):
            raise AudiolmError(f"task '{name}' has text, and no tokenizer is given; name one")
        self.sets = [_Set(directory, sorted(kinds), sorted(tables), tokenizer) for directory in task.sets]
        self._marks = [tuple(self._mark(mark) for mark in (part.begin, part.end)) for part in task.parts]
        self._prompts = [[self._spelt(prompt) for prompt in part.prompts] for part in self.parts]
        for part in self.parts:
            self._check(part)
        entries, lengths = [], []
        for number, source in enumerate(self.sets):
            for item in source.items:
                try:
                    length, windows = self._length(source, item)
                except AudiolmError as error:
                    self.problems[f"{source.directory}/{item}"] = error
                    continue
                entries += [(number, item, window) for window in range(windows)]
                lengths += [length] * windows
        self.entries, self.lengths = entries, np.array(lengths, dtype=np.int64)

    def item(self, index: int) -> str:
        """``<set>/<item>`` of a sequence."""
        number, item, _ = self.entries[index]
        return f"{self.sets[number].directory}/{item}"

    def sequence(self, index: int, key: Key) -> dict[str, np.ndarray]:
        """A sequence as the model reads it, its last token left out: that one is a target only.

        Without targets it is all that is given, a begin mark of the first target last.

        Returns:
            by place [T]: ``ids`` int64, absent where features stand; ``targets`` int64, the next id where it is to be
            learnt, else absent; ``part`` int64, number of the place's part; ``prefix`` bool, before the first target.
            Of each part of features: ``<name>`` float32 [N, window, dim], and its places ``<name>_places`` int64 [N].
        """
        whole = self._whole(index, key)
        ids, part, learnt = whole["ids"], whole["part"], whole.pop("learnt")
        if not self.targets:
            if (begin := self._marks[len(self.parts)][0]) is not None:
                ids, part = np.append(ids, begin), np.append(part, len(self.parts))
            absent = np.full(len(ids), ABSENT)
            return {**whole, "ids": ids, "targets": absent, "part": part, "prefix": absent < 0}
        return {
            **whole,
            "ids": ids[:-1],
            "targets": np.where(learnt, ids, ABSENT)[1:],
            "part": part[:-1],
            "prefix": np.arange(len(ids) - 1) < int(learnt.argmax()),
        }

    def _whole(self, index: int, key: Key) -> dict[str, np.ndarray]:
        number, item, window = self.entries[index]
        source = self.sets[number]
        start, end = self._window(source, item, window, key)
        read = source.read(item, start, end)
        if end is not None:  # never a frame more than :attr:`lengths` says, however times are rounded
            read = {kind: part[: self._most(source, kind)] for kind, part in read.items()}
        ids, learnt, part_of, found = [], [], [], {}
        place = 0
        for which, part in enumerate(self.parts):
            begin, end = self._marks[which]
            inside = self._part(which, part, read, key)
            if part.modality == "features":
                found.setdefault(part.name, []).append((inside, place + (begin is not None) + np.arange(len(inside))))
                inside = np.full(len(inside), ABSENT, dtype=np.int64)
            marked = [[] if begin is None else [begin], inside, [] if end is None else [end]]
            ids += [np.asarray(some, dtype=np.int64) for some in marked]
            size = sum(map(len, marked))
            target = np.full(size, part.role == "target")
            target[: len(marked[0])] = False
            learnt.append(target)
            part_of.append(np.full(size, which))
            place += size
        joined = {"ids": np.concatenate(ids), "learnt": np.concatenate(learnt), "part": np.concatenate(part_of)}
        for name, pieces in found.items():
            joined[name] = np.concatenate([values for values, _ in pieces])
            joined[f"{name}_places"] = np.concatenate([places for _, places in pieces])
        return joined

    def _part(self, which: int, part: Part, read: Mapping[str, np.ndarray], key: Key) -> np.ndarray:
        """Ids [n], or features [n, window, dim]."""
        if part.prompts:
            prompts = self._prompts[which]
            return prompts[int(key.rng(f"{self.name} prompt {which}").integers(len(prompts)))]
        found = read[part.source]
        if part.modality == "text":
            return self.vocabulary.ids(part.name, found)
        if part.modality == "tokens":
            levels = self.vocabulary.kinds[part.name].levels
            found = found[:, part.first : part.first + levels]
            return flatten(self.vocabulary.ids(part.name, found).reshape(len(found), levels))
        found = np.pad(found.astype(np.float32), ((0, -len(found) % part.window), (0, 0)))
        return found.reshape(-1, part.window, found.shape[1])

    def _window(self, source: "_Set", item: str, window: int, key: Key) -> tuple[float, float | None]:
        """Seconds at which a window begins and ends."""
        seconds, total = self.task.seconds, source.seconds(item) if self.task.seconds else 0.0
        if seconds is None or total <= seconds:
            return 0.0, None
        moved = (window + key.rng(f"{self.name} crop").uniform(-0.5, 0.5)) * seconds
        frame = 1 / min(source.aligned.rates.values())  # on the coarsest frames: all windows have as many of them
        start = int(np.clip(moved, 0.0, total - seconds) / frame + ROUNDING) * frame
        return start, start + seconds

    def _length(self, source: "_Set", item: str) -> tuple[int, int]:
        """Places of an item's sequences, at most, and how many windows it has."""
        if item in source.unspellable:
            raise source.unspellable[item]
        if missing := source.missing(item):
            roles = {part.source: part.role for part in self.parts}
            raise AudiolmError(
                f"task '{self.name}': '{item}' has no '{missing[0]}', its {roles[missing[0]]}; run the stage that "
                f"writes it, or leave the item out of {source.directory}"
            )
        total, seconds = source.seconds(item), self.task.seconds
        windows = 1 if seconds is None else max(1, ceil(total / seconds - ROUNDING))
        # The last token is a target only; or a begin mark comes last.
        length = -1 if self.targets else int(self._marks[len(self.parts)][0] is not None)
        for which, part in enumerate(self.parts):
            length += sum(mark is not None for mark in self._marks[which])
            if part.prompts:
                length += max(map(len, self._prompts[which]))
                continue
            frames = source.num_frames(item, part.source)
            if windows > 1:
                frames = min(frames, self._most(source, part.source))
            if part.modality == "tokens":
                frames *= self.vocabulary.kinds[part.name].levels
            length += -(-frames // part.window)
        if length < 1:
            raise AudiolmError(f"task '{self.name}': '{item}' has one token, and nothing before it to predict it from")
        return length, windows

    def _most(self, source: "_Set", kind: str) -> int:
        """Frames of a window, at most."""
        return ceil(self.task.seconds * source.aligned.rates[kind] - ROUNDING)

    def _mark(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name in self.vocabulary.kinds and self.vocabulary.kinds[name].count == 1:
            return self.vocabulary.ranges[name].start
        if name in Specials._fields and self.tokenizer is not None:
            return int(self.vocabulary.ids(self._text, np.array(getattr(self.tokenizer.specials, name))))
        raise AudiolmError(
            f"task '{self.name}': '{name}' is no mark; marks are kinds of size 1 in the vocabulary "
            f"({', '.join(n for n, kind in self.vocabulary.kinds.items() if kind.count == 1) or 'none'}), and with a "
            f"tokenizer {', '.join(Specials._fields)}"
        )

    def _spelt(self, text: str) -> np.ndarray:
        return self.vocabulary.ids(self._text, np.array(self.tokenizer.encode(text), dtype=np.int64))

    def _check(self, part: Part) -> None:
        """Check that a part's archives fit the vocabulary and the task."""
        untimed = f"task '{self.name}' takes windows, and '{part.source}' has no times; leave out seconds"
        if part.modality == "text":
            if self.tokenizer.vocab_size > self.vocabulary.mask([part.name]).sum():
                raise AudiolmError(
                    f"the tokenizer has {self.tokenizer.vocab_size} ids, '{part.name}' of the vocabulary "
                    f"{self.vocabulary.kinds[part.name].size}; raise its size"
                )
            self.sources[part.name] = self.tokenizer.checksum
            if self.task.seconds and not part.prompts:
                raise AudiolmError(untimed)
            return
        for source in self.sets:
            reader = source.aligned.readers[part.source]
            where = reader.directory
            if self.sources.setdefault(part.name, reader.meta.source) != reader.meta.source:
                raise AudiolmError(
                    f"{where} was made by {reader.meta.source}, '{part.name}' of another set or part by "
                    f"{self.sources[part.name]}; write one of them again"
                )
            if isinstance(reader, FeatureReader) != (part.modality == "features"):
                raise AudiolmError(f"{where} holds {reader.holds}, the part '{part.name}' is of {part.modality}")
            if self.task.seconds and not reader.meta.frame_rate:
                raise AudiolmError(untimed)
            if part.modality == "features":
                shape = part.window, reader.meta.dim
                if self.features.setdefault(part.name, shape) != shape:
                    raise AudiolmError(
                        f"{where}: windows of {shape[0]} frames of {shape[1]} numbers, other parts '{part.name}' have "
                        f"{self.features[part.name]}; give one of them another name"
                    )
                continue
            self.vocabulary.mask([part.name])  # names the nearest kind where there is none
            levels = self.vocabulary.kinds[part.name].levels
            taken = reader.meta.vocab_sizes[part.first : part.first + levels]
            if len(taken) < levels or max(taken) > self.vocabulary.kinds[part.name].size:
                raise AudiolmError(
                    f"{where}: streams from {part.first} on have {list(taken)} ids, '{part.name}' of the vocabulary is "
                    f"{levels} levels of {self.vocabulary.kinds[part.name].size}; set levels and size to those"
                )


class _Set:
    """What a task reads of one set."""

    def __init__(self, directory: str, kinds: list[str], tables: list[str], tokenizer: Tokenizer | None):
        self.directory, self.tokenizer = directory, tokenizer
        self.unspellable: dict[str, AudiolmError] = {}
        self.aligned = Aligned(directory, kinds) if kinds else None
        self.texts = {table: self._spell(Path(directory) / table) for table in tables}

    def _spell(self, path: Path) -> dict[str, np.ndarray]:
        if not path.is_file():
            raise AudiolmError(f"no {path}; run the stage that writes it, or name another table as the part's archive")
        texts = {}
        for _, item, text in read_text(path):
            try:
                texts[item] = np.array(self.tokenizer.encode(text), dtype=np.int32)
            except AudiolmError as error:
                self.unspellable[item] = error
        return texts

    @cached_property
    def items(self) -> list[str]:
        """Items that one archive or table or more has, sorted."""
        named = [self.aligned.items()] if self.aligned else []
        return sorted(set().union(*named, *self.texts.values(), self.unspellable))

    def missing(self, item: str) -> list[str]:
        """Archives and tables that lack an item; a text of no words is none."""
        lacking = self.aligned.missing(item) if self.aligned else []
        return lacking + [table for table, texts in self.texts.items() if not len(texts.get(item, ()))]

    def seconds(self, item: str) -> float:
        return self.aligned.seconds(item) if self.aligned else 0.0

    def num_frames(self, item: str, source: str) -> int:
        return len(self.texts[source][item]) if source in self.texts else self.aligned.readers[source].num_frames(item)

    def read(self, item: str, start: float, end: float | None) -> dict[str, np.ndarray]:
        found = {table: texts[item] for table, texts in self.texts.items()}
        return found | (self.aligned.read(item, start, end) if self.aligned else {})
