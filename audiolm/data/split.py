"""A data directory cut into parts, a table at a time: in memory are one table's lines and which parts each id is in."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from audiolm.data.datadir import OTHER_TABLES, existing, filled, found_path, refusal
from audiolm.data.files import write_lines
from audiolm.data.readers import (
    read_other,
    read_reco2dur,
    read_reco2file_and_channel,
    read_text,
    read_utt2spk,
    read_wav_scp,
)
from audiolm.data.tables import (
    TURN_ORDER,
    WORD_ORDER,
    Turn,
    Word,
    channel_index,
    iter_ctm,
    iter_rttm,
    read_segments,
    seconds,
)
from audiolm.errors import AudiolmError

Parts = tuple[int, ...]  # indices of the parts that an id is in


def split(
    source: str | os.PathLike, into: str | os.PathLike, num_parts: int, per_utt: bool = False, allow_pipes: bool = False
) -> None:
    """Cut a directory into ``into/1`` … ``into/<num_parts>`` of about as many utterances, in their order.

    A speaker's utterances stay together, unless ``per_utt`` or where there is no ``utt2spk``. A recording without
    utterances goes with the recording before it. A recording whose utterances are in two parts is in both. Every table
    of every part is written atomically, sorted; one that is empty now is removed. ``wav.scp`` comes last, and goes
    first where there is one: what is interrupted is no data directory.

    Raises:
        AudiolmError: fewer speakers (or utterances) than parts; see DataDir.read.
    """
    Splitter(existing(source), Path(into), num_parts, allow_pipes).run(per_utt)


class Splitter:
    """One directory on its way into parts."""

    def __init__(self, source: Path, into: Path, num_parts: int, allow_pipes: bool):
        self.source = source
        self.folders = [into / str(number) for number in range(1, num_parts + 1)]
        self.single = [(part,) for part in range(num_parts)]  # one object each for a million ids
        self.report = refusal(source)  # says what mends a table
        self.read_wav = partial(read_wav_scp, allow_pipes=allow_pipes)

    def run(self, per_utt: bool) -> None:
        """Write all tables of all parts."""
        segmented = self._has("segments")
        speaker = {utt: spk for _, utt, spk in self._rows("utt2spk", read_utt2spk)}
        utts = self._assign(speaker, per_utt or not speaker, "segments" if segmented else "wav.scp")
        for folder in self.folders:
            (folder / "wav.scp").unlink(missing_ok=True)
        recos = self._segments(utts) if segmented else dict(utts)
        wav = self._dealt(self._wav(recos))
        self._deal("text", utts, read_text)
        spks = self._speakers(speaker, utts)
        self._deal("reco2dur", recos, read_reco2dur, seconds)
        channels = self._channels(recos)
        for name, kind in OTHER_TABLES.items():
            ids = {"utt": utts, "reco": recos, "spk": spks}[kind]
            self._deal(name, ids, read_other)
        for name, read, order in (("rttm", iter_rttm, TURN_ORDER), ("ctm", iter_ctm, WORD_ORDER)):
            entries = _in_order(self.source / name, read, order) if self._has(name) else ()
            places = ((entry, (entry.file, channel_index(entry.channel))) for entry in entries)
            self._write(name, ((channels.get(place, ()), entry.line) for entry, place in places))
        self._put("wav.scp", wav)

    def _has(self, name: str) -> bool:
        return (self.source / name).is_file()

    def _rows(self, name: str, read: Callable) -> Iterable[tuple]:
        """(Line number, id, value) of every line of a table that is there."""
        path = self.source / name
        return filled(path, read(path, report=self.report)) if name == "wav.scp" or path.is_file() else ()

    def _assign(self, speaker: Mapping[str, str], per_utt: bool, table: str) -> dict[str, Parts]:
        """Utterance -> its part."""
        if per_utt:
            read = self.read_wav if table == "wav.scp" else read_other
            names = [utt for _, utt, _ in self._rows(table, read)]
            parts = self._cut(np.ones(len(names)), "utterances", "")
            return {utt: self.single[part] for utt, part in zip(names, parts, strict=True)}
        counts = Counter(speaker.values())
        spks = sorted(counts)
        hint = "; split per utterance instead (--per_utt)"
        parts = self._cut(np.array([counts[spk] for spk in spks]), "speakers", hint)
        part_of = {spk: self.single[part] for spk, part in zip(spks, parts, strict=True)}
        return {utt: part_of[spk] for utt, spk in speaker.items()}

    def _cut(self, sizes: np.ndarray, what: str, hint: str) -> list[int]:
        """The part of each group of ``sizes`` [G] utterances: groups in order, about as many utterances in every part.

        A cut is at the group whose end is nearest to the even cut that leaves at least one group to every part.
        """
        num_parts, num_groups = len(self.folders), len(sizes)
        if not 1 <= num_parts <= num_groups:
            found = f"it has {num_groups} {what}{hint}"
            raise AudiolmError(f"cannot split {self.source} into {num_parts} parts: {found}")
        ends = np.cumsum(sizes)
        cuts = [0]
        for part in range(1, num_parts):
            nearest = int(np.abs(ends - int(ends[-1]) * part / num_parts).argmin()) + 1
            cuts.append(min(max(nearest, cuts[-1] + 1), num_groups - num_parts + part))
        return np.repeat(np.arange(num_parts), np.diff([*cuts, num_groups])).tolist()

    def _segments(self, utts: Mapping[str, Parts]) -> dict[str, Parts]:
        """Deal out ``segments``; return recording -> the parts that its utterances are in."""
        recos: dict[str, Parts] = {}

        def lines() -> Iterator[tuple[Parts, str]]:
            for _, utt, place in self._rows("segments", read_segments):
                parts = utts.get(utt, ())
                known = recos.setdefault(place.reco, parts)
                if known is not parts:
                    recos[place.reco] = tuple(sorted({*known, *parts}))
                yield parts, f"{utt} {place.line}"

        self._write("segments", lines())
        return recos

    def _wav(self, recos: dict[str, Parts]) -> Iterator[tuple[Parts, str]]:
        """The lines of ``wav.scp``; adds to ``recos`` those without utterances: each goes with the one before it."""
        last = self.single[0]
        for _, reco, entry in self._rows("wav.scp", self.read_wav):
            parts = recos.get(reco)
            if not parts:
                parts = recos[reco] = last
            last = self.single[parts[0]]
            yield parts, f"{reco} {found_path(entry, self.source)}"

    def _speakers(self, speaker: Mapping[str, str], utts: Mapping[str, Parts]) -> dict[str, Parts]:
        """Deal out ``utt2spk`` and ``spk2utt``; return speaker -> parts."""
        table: dict[tuple[str, int], list[str]] = defaultdict(list)

        def lines() -> Iterator[tuple[Parts, str]]:
            for utt, spk in speaker.items():
                parts = utts.get(utt, ())
                for part in parts:
                    table[spk, part].append(utt)
                yield parts, f"{utt} {spk}"

        self._write("utt2spk", lines())
        self._write("spk2utt", (((part,), f"{spk} {' '.join(table[spk, part])}") for spk, part in sorted(table)))
        spks: dict[str, Parts] = {}
        for spk, part in sorted(table):
            spks[spk] = (*spks.get(spk, ()), part)
        return spks

    def _channels(self, recos: Mapping[str, Parts]) -> dict[tuple[str, int], Parts]:
        """Deal out ``reco2file_and_channel``; return (file, 0-based channel) -> parts."""
        table = {reco: place for _, reco, place in self._rows("reco2file_and_channel", read_reco2file_and_channel)}
        lines = ((recos.get(reco, ()), f"{reco} {file} {channel}") for reco, (file, channel) in table.items())
        self._write("reco2file_and_channel", lines)
        if not (self._has("rttm") or self._has("ctm")):
            return {}
        channels: dict[tuple[str, int], Parts] = {}
        for reco, parts in recos.items():
            file, channel = table.get(reco, (reco, "A"))
            place = file, channel_index(channel)
            channels[place] = parts
        return channels

    def _deal(self, name: str, ids: Mapping[str, Parts], read: Callable, value: Callable[..., str] = str) -> None:
        self._write(name, ((ids.get(key, ()), f"{key} {value(found)}") for _, key, found in self._rows(name, read)))

    def _write(self, name: str, lines: Iterable[tuple[Parts, str]]) -> None:
        """Write the lines of a table to the parts that each is for."""
        self._put(name, self._dealt(lines))

    def _dealt(self, lines: Iterable[tuple[Parts, str]]) -> list[list[str]]:
        """The lines of each part."""
        dealt: list[list[str]] = [[] for _ in self.folders]
        for parts, line in lines:
            for part in parts:
                dealt[part].append(line)
        return dealt

    def _put(self, name: str, dealt: Iterable[list[str]]) -> None:
        for folder, own in zip(self.folders, dealt, strict=True):
            if own:
                write_lines(folder / name, own)
            else:
                (folder / name).unlink(missing_ok=True)


def _in_order(path: Path, read: Callable, order: Callable) -> Iterable[Turn] | Iterable[Word]:
    """The entries of an ``rttm`` or ``ctm`` in the order of writing; all are in memory only if they are in another."""
    if all(a <= b for a, b in pairwise(order(entry) for _, entry in read(path))):
        return (entry for _, entry in read(path))
    return sorted((entry for _, entry in read(path)), key=order)
