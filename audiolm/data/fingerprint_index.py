"""An inverted index of fingerprints on disk, in shards, and the search for copies in it (Wang 2003, section 2.3).

A shard is a folder: ``postings.npy`` uint64 [N], each a recording's number (upper 32 bits) and a frame, ordered by
hash; ``buckets.npy`` int64 [2^18 + 1], where each hash's postings begin; ``density.npy`` uint8 [frames of all
recordings], how many hashes begin in each, and ``begins.npy`` int64 [recordings + 1], where each recording's frames
begin there; ``reco2dur``, the recordings in order of their numbers and their seconds. Jobs write shards of their own
and searches map them, so neither needs memory for more than one; an index of any size is more shards, on more machines.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiolm.data.files import write_lines
from audiolm.data.fingerprints import FRAME_RATE, HASH_BITS, fingerprint
from audiolm.data.readers import read_reco2dur
from audiolm.data.tables import seconds
from audiolm.errors import AudiolmError

SHARD = 1 << 26  # postings of a shard, 512 MiB: about 100 hours
STRETCH = 10.0  # seconds that are looked up at once
PHASES = (0.0, 0.5)  # frames by which what is looked up is shifted
# Votes of a match: this share of the hashes of both; of stretches with many, of which only a part may be a copy, so
# many and a small share of their own. Words said twice by one voice reach 0.5 in 0.4 s, strangers 0.1 in 3 s.
LEAST_VOTES, BOTH_SHARE = 6, 0.5
MANY_VOTES, OWN_SHARE = 40, 0.15
EXTENT = (0.02, 0.98)  # of the votes' times: a match begins and ends there, lest single votes by chance stretch it
GAP = 2.0  # seconds
COMMON = 64  # times the mean number of a hash's postings: hashes with more (hum, test tones) tell nothing
_BIAS = 1 << 31  # keeps frames − frames above zero


class Match(NamedTuple):
    """What of a recording (start and end in seconds) is also in another, ``offset`` s later there, by so many votes."""

    reco: str
    start: float
    end: float
    other: str
    offset: float
    votes: int


class IndexWriter:
    """Collects the recordings of one job and writes ``<folder>/<name>.<number>`` whenever a shard is full.

    Use as a context manager: at its end the last shard is written and those of an earlier run go.
    """

    def __init__(self, folder: Path, name: str, size: int = SHARD):
        self.folder, self.name, self.size, self.number = folder, name, size, 0
        self._clear()

    def __enter__(self) -> "IndexWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self._flush()
            for stale in self.folder.glob(f"{self.name}.*"):
                number = stale.name.removeprefix(f"{self.name}.")
                if number.isdigit() and int(number) > self.number:
                    shutil.rmtree(stale)

    def add(self, reco: str, wav: np.ndarray, fs: int) -> None:
        """Add a recording, float [samples]."""
        hashes, frames = fingerprint(wav, fs)
        self.hashes.append(hashes)
        self.postings.append(np.uint64(len(self.recos)) << np.uint64(32) | frames.astype(np.uint64))
        self.density.append(np.minimum(np.bincount(frames), 255).astype(np.uint8))
        self.recos.append((reco, len(wav) / fs))
        self.count += len(hashes)
        if self.count >= self.size:
            self._flush()

    def _clear(self) -> None:
        self.hashes, self.postings, self.density, self.recos, self.count = [], [], [], [], 0

    def _flush(self) -> None:
        if not self.recos:
            return
        self.number += 1
        hashes, postings = np.concatenate(self.hashes), np.concatenate(self.postings)
        order = np.argsort(hashes, kind="stable")
        shard = self.folder / f"{self.name}.{self.number}"
        hidden = self.folder / f".{shard.name}.tmp"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        np.save(hidden / "postings.npy", postings[order])
        np.save(hidden / "buckets.npy", np.searchsorted(hashes[order], np.arange((1 << HASH_BITS) + 1)))
        np.save(hidden / "density.npy", np.concatenate(self.density))
        np.save(hidden / "begins.npy", np.cumsum([0, *map(len, self.density)]))
        write_lines(hidden / "reco2dur", (f"{reco} {seconds(length)}" for reco, length in self.recos))
        shutil.rmtree(shard, ignore_errors=True)
        os.replace(hidden, shard)
        self._clear()


class Shard:
    """One shard, mapped from disk. ``durations``: recording -> seconds, in order of their numbers."""

    def __init__(self, folder: Path):
        try:
            self.postings = np.load(folder / "postings.npy", mmap_mode="r", allow_pickle=False)
            self.buckets = np.load(folder / "buckets.npy", allow_pickle=False)
            self.density = np.load(folder / "density.npy", mmap_mode="r", allow_pickle=False)
            self.begins = np.load(folder / "begins.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise AudiolmError(f"{folder} is no shard of fingerprints ({error}): make the index again") from None
        if len(self.buckets) != (1 << HASH_BITS) + 1 or self.buckets[-1] != len(self.postings):
            raise AudiolmError(f"{folder} is incomplete or of another version: make the index again")
        self.sizes = np.diff(self.buckets)
        self.common = max(4096, COMMON * len(self.postings) >> HASH_BITS)
        self.durations = {reco: length for _, reco, length in read_reco2dur(folder / "reco2dur")}
        self.recos = list(self.durations)
        self.numbers = {reco: number for number, reco in enumerate(self.recos)}

    def votes(self, hashes: np.ndarray, frames: np.ndarray, start: float, end: float, itself: str = "") -> list["Vote"]:
        """Those recordings for whose best time offset enough hashes vote (see LEAST_VOTES and MANY_VOTES).

        An offset's votes are its own and its two neighbours': a copy that is shifted by part of a frame votes for two.

        Args:
            hashes, frames: of the stretch that is looked up.
            start, end: its own frames.
            itself: the recording that it is of, which is not found where it is.
        """
        own_count = len(hashes)
        many = MANY_VOTES + OWN_SHARE * own_count
        least = max(LEAST_VOTES, min(BOTH_SHARE * own_count, many))
        known = self.sizes[hashes] <= self.common
        hashes, frames = hashes[known], frames[known]
        first, count = self.buckets[hashes], self.sizes[hashes]
        total = int(count.sum())
        if total < least:
            return []
        # Where all postings of all hashes lie: each hash's run, one after another.
        places = np.repeat(first - np.cumsum(count) + count, count) + np.arange(total)
        keys = self.postings[places] + np.repeat(np.uint64(_BIAS) - frames.astype(np.uint64), count)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        own, votes = np.unique(keys, return_counts=True)  # a key: recording and offset
        together = votes.copy()
        neighbours = np.flatnonzero(np.diff(own) == 1)
        together[neighbours] += votes[neighbours + 1]
        together[neighbours + 1] += votes[neighbours]
        if itself in self.numbers:
            here = np.uint64((self.numbers[itself] << 32) + _BIAS)
            together[(own >= here - np.uint64(2)) & (own <= here + np.uint64(2))] = 0
        best = np.flatnonzero(together >= least)
        best = best[np.lexsort((-together[best], own[best] >> np.uint64(32)))]
        recos, which = np.unique(own[best] >> np.uint64(32), return_index=True)
        found = []
        for reco, i in zip(recos.tolist(), best[which].tolist(), strict=True):
            offset = int(own[i] & np.uint64(0xFFFFFFFF)) - _BIAS
            others = self._hashes_of(reco, start + offset, end + offset)
            if together[i] < min(BOTH_SHARE * max(own_count, others), many):
                continue
            low, high = np.searchsorted(keys, (own[i] - np.uint64(1), own[i] + np.uint64(2)))
            hits = np.searchsorted(np.cumsum(count), order[low:high], side="right")  # which hashes these are
            begins, _ = np.quantile(frames[hits], EXTENT)
            _, ends = np.quantile(frames[hits] + (hashes[hits] & 63), EXTENT)
            found.append(Vote(self.recos[reco], offset, int(together[i]), float(begins), float(ends)))
        return found

    def _hashes_of(self, number: int, start: float, end: float) -> int:
        """How many hashes of a recording begin from frame ``start`` to ``end``."""
        begin, stop = self.begins[number : number + 2].tolist()
        first, last = (min(max(begin + round(time), begin), stop) for time in (start, end))
        return int(self.density[first:last].sum(dtype=np.int64))


class Vote(NamedTuple):
    """A recording of a shard, how many frames later the stretch is in it, and from where to where votes come."""

    reco: str
    offset: int
    votes: int
    start: float
    end: float


def open_index(folder: Path) -> list[Shard]:
    """All shards of an index.

    Raises:
        AudiolmError: there is none, or one is damaged.
    """
    shards = sorted(path for path in folder.glob("[!.]*.*") if path.is_dir())
    if not shards:
        raise AudiolmError(f"no index of fingerprints in {folder}: make one with 'audiolm dedup index' or 'add'")
    return [Shard(path) for path in shards]


def search(shards: Sequence[Shard], reco: str, wav: np.ndarray, fs: int) -> list[Match]:
    """What of a recording is also in those of the index; stretch by stretch, neighbouring ones joined.

    A recording of the index that is called ``reco`` is taken for this one: only its other places are found.

    Args:
        wav: float [samples].
    """
    duration = len(wav) / fs
    edges = np.linspace(0.0, duration, max(1, round(duration / STRETCH)) + 1)
    best: dict[tuple[int, str], Match] = {}
    for phase in PHASES:  # a copy may lie between two frames of the original
        late = round(phase * fs / FRAME_RATE)
        hashes, frames = fingerprint(wav[late:], fs)
        for number, (start, end) in enumerate(zip(edges, edges[1:], strict=False)):
            first, last = np.searchsorted(frames, (start * FRAME_RATE, end * FRAME_RATE))
            for shard in shards:
                for vote in shard.votes(
                    hashes[first:last], frames[first:last], start * FRAME_RATE, end * FRAME_RATE, reco
                ):
                    times = (min(time / FRAME_RATE + late / fs, duration) for time in (vote.start, vote.end))
                    found = Match(reco, *times, vote.reco, vote.offset / FRAME_RATE - late / fs, vote.votes)
                    known = best.get((number, vote.reco))
                    if known is None or found.votes > known.votes:
                        best[number, vote.reco] = found
    return _joined(list(best.values()))


def _joined(matches: Sequence[Match]) -> list[Match]:
    """Join matches with the same recording at the same offset that hardly a pause parts."""
    joined: list[Match] = []
    for match in sorted(matches, key=lambda m: (m.other, m.start)):
        last = joined[-1] if joined else None
        if last and last.other == match.other and match.start - last.end < GAP and _equal(last.offset, match.offset):
            joined[-1] = last._replace(end=max(last.end, match.end), votes=last.votes + match.votes)
        else:
            joined.append(match)
    return sorted(joined, key=lambda m: (m.start, m.other))


def _equal(offset: float, other: float) -> bool:
    """Whether two offsets are the same but for the rounding to frames."""
    return abs(offset - other) < 2.5 / FRAME_RATE
