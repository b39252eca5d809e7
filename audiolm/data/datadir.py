"""Kaldi data directories: what a set holds, read strictly and written sorted, whole and in UTF-8.

Ids: a recording (``reco``) is one channel; an utterance (``utt``) is a stretch of a recording, or the whole of it where
there is no ``segments``. See audiolm.data.tables for the line formats.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from audiolm.data.files import write_lines
from audiolm.data.readers import (
    OTHER_TABLES,
    is_pipe,
    read_other,
    read_reco2dur,
    read_reco2file_and_channel,
    read_text,
    read_utt2spk,
    read_wav_scp,
    table_line,
    without_pipes,
)
from audiolm.data.tables import (
    Problem,
    Report,
    Segment,
    Turn,
    Word,
    channel_index,
    iter_ctm,
    iter_rttm,
    read_segments,
    seconds,
    write_ctm,
    write_rttm,
)
from audiolm.errors import AudiolmError

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

OWN_TABLES = ("wav.scp", "segments", "text", "utt2spk", "spk2utt", "reco2file_and_channel", "reco2dur", "rttm", "ctm")


class DataDir:
    """The tables of one data directory.

    Attributes:
        path: where it was read from, or None.
        wav: recording -> path of its audio file, or a pipe.
        segments: utterance -> Segment; empty where utterances are whole recordings.
        text: utterance -> transcript.
        utt2spk: utterance -> speaker.
        reco2file_and_channel: recording -> (file id, channel ``A``, ``B`` …), where several channels share a file.
        reco2dur: recording -> seconds.
        rttm, ctm: speaker turns and words, by (file id, channel); read from disk when first asked for.
        others: file name -> table, for other Kaldi tables (``spk2gender``, ``utt2lang``, ``feats.scp`` …).
        files: None, or where only some recordings were read, the files that ``rttm`` and ``ctm`` are read of.
    """

    def __init__(
        self,
        wav: dict[str, str] | None = None,
        segments: dict[str, Segment] | None = None,
        text: dict[str, str] | None = None,
        utt2spk: dict[str, str] | None = None,
        reco2file_and_channel: dict[str, tuple[str, str]] | None = None,
        reco2dur: dict[str, float] | None = None,
        rttm: list[Turn] | None = None,
        ctm: list[Word] | None = None,
        others: dict[str, dict[str, str]] | None = None,
        path: str | os.PathLike | None = None,
        allow_pipes: bool = False,
    ):
        self.wav = wav or {}
        self.segments = segments or {}
        self.text = text or {}
        self.utt2spk = utt2spk or {}
        self.reco2file_and_channel = reco2file_and_channel or {}
        self.reco2dur = reco2dur or {}
        self.others = others or {}
        self.path = Path(path) if path is not None else None
        self.allow_pipes = allow_pipes
        self.files: set[str] | None = None
        self._rttm, self._ctm = rttm, ctm
        self._segmented = False  # on disk, where none of the segments may be of the recordings that were read

    # ------------------------------------------------------------------ reading and writing

    @classmethod
    def read(
        cls, path: str | os.PathLike, allow_pipes: bool = False, recos: Collection[str] | None = None
    ) -> "DataDir":
        """Read a data directory; only ``wav.scp`` must be there.

        Args:
            recos: None: all; else only what concerns these recordings, which are all the channels of some files.

        Raises:
            AudiolmError: a file is missing, empty, unsorted, not UTF-8, has a duplicate or malformed line, or
                ``wav.scp`` holds a pipe and ``allow_pipes`` is not set (``audiolm datadir fix`` repairs them). With
                ``recos``, lines of others are not looked at.
        """
        path = existing(path)
        data, report = cls(path=path, allow_pipes=allow_pipes), refusal(path)

        def table(name: str, read: Callable, **only) -> dict:
            if name != "wav.scp" and not (path / name).exists():
                return {}
            lines = read(path / name, report=report, **only)
            if name == "wav.scp" and not allow_pipes:
                lines = without_pipes(path / name, lines)
            pairs = ((key, value) for _, key, value in lines)
            return dict(filled(path / name, pairs) if recos is None else pairs)

        data.wav = table("wav.scp", partial(read_wav_scp, allow_pipes=True), ids=recos)
        data.reco2file_and_channel = table("reco2file_and_channel", read_reco2file_and_channel, ids=recos)
        data.reco2dur = table("reco2dur", read_reco2dur, ids=recos)
        data.segments = table("segments", read_segments, recos=recos)
        utts = recos
        if recos is not None:
            data._segmented = (path / "segments").is_file()
            data.files = {data.file_and_channel(reco)[0] for reco in data.wav}
            utts = data.segments if data._segmented else recos
        data.text = table("text", read_text, ids=utts)
        data.utt2spk = table("utt2spk", read_utt2spk, ids=utts)
        known = {"reco": recos, "utt": utts, "spk": None if recos is None else set(data.utt2spk.values())}
        for name, kind in OTHER_TABLES.items():
            if found := table(name, read_other, ids=known[kind]):
                data.others[name] = found
        return data

    @property
    def rttm(self) -> list[Turn]:
        if self._rttm is None:
            lines = iter_rttm(self.path / "rttm", refusal(self.path), self.files) if self.has("rttm") else ()
            self._rttm = [turn for _, turn in lines]
        return self._rttm

    @rttm.setter
    def rttm(self, turns: list[Turn]) -> None:
        self._rttm = turns

    @property
    def ctm(self) -> list[Word]:
        if self._ctm is None:
            lines = iter_ctm(self.path / "ctm", refusal(self.path), self.files) if self.has("ctm") else ()
            self._ctm = [word for _, word in lines]
        return self._ctm

    @ctm.setter
    def ctm(self, words: list[Word]) -> None:
        self._ctm = words

    def has(self, name: str) -> bool:
        """Whether the directory that was read has a file of that name."""
        return self.path is not None and (self.path / name).is_file()

    def write(self, path: str | os.PathLike) -> None:
        """Write every table that holds something, each atomically; remove those that are empty now.

        ``spk2utt`` is made from ``utt2spk``. Relative audio paths are written as they are (Kaldi takes them from the
        directory that a recipe runs in), or absolute where they were found beside the tables.

        Raises:
            AudiolmError: an id or a value cannot be written as a line.
        """
        path = Path(path)
        self.rttm, self.ctm  # noqa: B018 (read before files of the same directory are replaced)
        moved = self.path is not None and path.absolute() != self.path.absolute()
        tables = {
            "wav.scp": {reco: self.wav_path(reco) for reco in self.wav} if moved else self.wav,
            "segments": {utt: place.line for utt, place in self.segments.items()},
            "text": self.text,
            "utt2spk": self.utt2spk,
            "spk2utt": {spk: " ".join(utts) for spk, utts in self.spk2utt().items()},
            "reco2file_and_channel": {
                reco: f"{file} {channel}" for reco, (file, channel) in self.reco2file_and_channel.items()
            },
            "reco2dur": {reco: seconds(duration) for reco, duration in self.reco2dur.items()},
            **dict.fromkeys(OTHER_TABLES, {}),
            **self.others,
        }
        path.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            if table:
                write_lines(path / name, (table_line(path / name, key, table[key]) for key in sorted(table)))
            else:
                (path / name).unlink(missing_ok=True)
        for name, entries, write in (("rttm", self.rttm, write_rttm), ("ctm", self.ctm, write_ctm)):
            if entries:
                write(path / name, entries)
            else:
                (path / name).unlink(missing_ok=True)

    # ------------------------------------------------------------------ looking things up

    @property
    def recos(self) -> list[str]:
        """Recording ids, sorted."""
        return sorted(self.wav)

    @property
    def utts(self) -> list[str]:
        """Utterance ids, sorted: those of ``segments``, or the recordings."""
        return sorted(self.segments if self.segments or self._segmented else self.wav)

    def spk2utt(self) -> dict[str, list[str]]:
        """Speaker -> its utterances, both sorted."""
        table = defaultdict(list)
        for utt in sorted(self.utt2spk):
            table[self.utt2spk[utt]].append(utt)
        return {spk: table[spk] for spk in sorted(table)}

    def place(self, utt: str) -> Segment:
        """Where an utterance is; without ``segments``, the whole recording (its end needs ``reco2dur``)."""
        return self.segments[utt] if self.segments else Segment(utt, 0.0, self.duration(utt))

    def file_and_channel(self, reco: str) -> tuple[str, str]:
        """The file id and channel by which ``rttm`` and ``ctm`` call a recording; without a table, itself and ``A``."""
        return self.reco2file_and_channel.get(reco, (reco, "A"))

    def recos_of_files(self, recos: Iterable[str] | None = None) -> dict[str, list[str]]:
        """File id -> those of its channels that are among ``recos`` (None: all)."""
        files = defaultdict(list)
        for reco in self.recos if recos is None else recos:
            files[self.file_and_channel(reco)[0]].append(reco)
        return dict(files)

    def partners(self, recos: Iterable[str] | None = None) -> dict[str, str]:
        """Recording -> the other channel of its file, for files of exactly two channels among ``recos`` (None: all)."""
        pairs = [pair for pair in self.recos_of_files(recos).values() if len(pair) == 2]
        return {a: b for pair in pairs for a, b in (pair, pair[::-1])}

    def reco_of_channel(self) -> dict[tuple[str, int], str]:
        """(File id, 0-based channel) -> recording.

        Raises:
            AudiolmError: two recordings are the same channel.
        """
        table = {}
        for reco in sorted(self.wav):
            file, channel = self.file_and_channel(reco)
            first = table.setdefault((file, channel_index(channel)), reco)
            if first != reco:
                raise AudiolmError(
                    f"{self.path or 'data directory'}: '{first}' and '{reco}' are both channel '{channel}' of '{file}';"
                    " tell them apart in reco2file_and_channel"
                )
        return table

    def with_reco(self, entries: Iterable[T]) -> Iterator[tuple[str, T]]:
        """Yield (recording, entry) of turns or words; channels ``A`` and ``1`` are the same.

        Raises:
            AudiolmError: an entry names a file and channel that no recording has.
        """
        reco_of = self.reco_of_channel()
        for entry in entries:
            reco = reco_of.get((entry.file, channel_index(entry.channel)))
            if reco is None:
                raise AudiolmError(
                    f"{type(entry).__name__.lower()} at {seconds(entry.start)} s of file '{entry.file}' channel"
                    f" '{entry.channel}': no recording of {self.path or 'the data directory'} is that channel;"
                    " add it to wav.scp and reco2file_and_channel"
                )
            yield reco, entry

    def by_reco(self, entries: Iterable[T]) -> dict[str, list[T]]:
        """Turns or words -> recording -> its entries in order of time (see with_reco); every recording has a list."""
        table = {reco: [] for reco in sorted(self.wav)}
        for reco, entry in self.with_reco(entries):
            table[reco].append(entry)
        for entries_of_reco in table.values():
            entries_of_reco.sort(key=lambda entry: entry.start)
        return table

    def words(self) -> dict[str, list[Word]]:
        """Recording -> its words of ``ctm`` in order of time (see by_reco)."""
        return self.by_reco(self.ctm)

    def turns(self) -> dict[str, list[Turn]]:
        """Recording -> its turns of ``rttm`` in order of time (see by_reco)."""
        return self.by_reco(self.rttm)

    # ------------------------------------------------------------------ audio

    def wav_path(self, reco: str) -> str:
        """The audio file (or pipe) of a recording: relative to the current directory as in Kaldi, else to the tables.

        Raises:
            AudiolmError: no such recording.
        """
        if reco not in self.wav:
            raise AudiolmError(f"no recording '{reco}' in {self.path or 'the data directory'}/wav.scp")
        return found_path(self.wav[reco], self.path)

    def channel(self, reco: str) -> int | None:
        """The 0-based channel of its file that a recording is, or None where no table says."""
        if reco not in self.reco2file_and_channel:
            return None
        return channel_index(self.reco2file_and_channel[reco][1])

    def audio(
        self, reco: str, start: float = 0.0, duration: float | None = None, fs: int | None = None
    ) -> "np.ndarray":
        """A recording's samples, float32 [samples]; ``start`` and ``duration`` in seconds, resampled to ``fs`` Hz.

        Raises:
            AudiolmError: see audiolm.data.audio.read.
        """
        from audiolm.data import audio

        return audio.read(
            self.wav_path(reco),
            start=start,
            duration=duration,
            fs=fs,
            channel=self.channel(reco),
            allow_pipes=self.allow_pipes,
        )

    def duration(self, reco: str) -> float:
        """Seconds of a recording: ``reco2dur``, else the file's header."""
        if reco not in self.reco2dur:
            from audiolm.data import audio

            self.reco2dur[reco] = audio.info(self.wav_path(reco), allow_pipes=self.allow_pipes).duration
        return self.reco2dur[reco]


def share(ids: Sequence[str], job: int, num_jobs: int) -> list[str]:
    """The block of the sorted ``ids`` that job ``job`` (1 … ``num_jobs``) takes; blocks are contiguous and differ by at
    most one in length.

    >>> share(["c", "a", "b"], 2, 2)
    ['b', 'c']
    """
    return sorted(ids)[block(len(ids), job, num_jobs)]


def block(count: int, job: int, num_jobs: int) -> slice:
    """Which of ``count`` items in order are the job's (see share).

    Raises:
        AudiolmError: there is no such job.
    """
    if not 1 <= job <= num_jobs:
        raise AudiolmError(f"job {job} of {num_jobs}, expected 1 <= job <= num_jobs")
    return slice((job - 1) * count // num_jobs, job * count // num_jobs)


def existing(path: str | os.PathLike) -> Path:
    """The path of a data directory that is there.

    Raises:
        AudiolmError: it is not.
    """
    path = Path(path)
    if not path.is_dir():
        raise AudiolmError(f"no data directory {path}, expected a folder with wav.scp")
    return path


def refusal(path: Path) -> Report:
    """Raise a problem of a directory's table, and say what mends it."""

    def report(problem: Problem) -> None:
        mends = "mends it" if problem.repairable else "leaves it out"
        raise AudiolmError(f"{problem}; utils/fix_data_dir.sh {path} {mends}")

    return report


def found_path(entry: str, directory: Path | None) -> str:
    """The file (or pipe) that an entry of a directory's ``wav.scp`` means; see DataDir.wav_path."""
    if is_pipe(entry) or os.path.isabs(entry) or directory is None or os.path.exists(entry):
        return entry
    beside = directory.absolute() / entry
    return str(beside) if beside.exists() else entry


def filled(path: Path, lines: Iterable[T]) -> Iterator[T]:
    """Pass on the lines of a table.

    Raises:
        AudiolmError: there are none.
    """
    line = None
    for line in lines:
        yield line
    if line is None:
        raise AudiolmError(f"{path} is empty, expected one line per id; write it again, or remove it if it is optional")
