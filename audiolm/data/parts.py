"""The parts that the jobs of an array verb leave, joined: each kind's table or archive whole, everything accounted for.

A verb writes its part files to ``dump/<set>/<kind>``: ``wav.scp.<job>``, ``rttm.<job>``, ``ctm.<job>``,
``codes.<job>.ark`` and ``.scp``; and ``rejected.<job>.tsv``, which names each recording or utterance not among them.
"""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audiolm.data import features, recordings
from audiolm.data.datadir import DataDir
from audiolm.data.documents import Counts
from audiolm.data.duplicates import read_frequent, write_frequent
from audiolm.data.files import remove_others, write_lines
from audiolm.data.readers import read_reco2file_and_channel, read_wav_scp
from audiolm.data.recordings import Count
from audiolm.data.tables import (
    TURN_ORDER,
    WORD_ORDER,
    Problem,
    Turn,
    Word,
    iter_ctm,
    iter_rttm,
    read_segments,
    refuse,
)
from audiolm.data.tools import rejections, write_rejected
from audiolm.errors import AudiolmError

TABLES = {"diarize": ("rttm", iter_rttm, TURN_ORDER), "align": ("ctm", iter_ctm, WORD_ORDER)}
ARCHIVES = ("text", "codes", "heard")
CORPUS_OPTION = "--max_rejected (of a recipe: --corpus_rejected)"
KINDS = ("audio", *TABLES, *ARCHIVES, "tokens")


def join(work: Path, name: str, kind: str, num_jobs: int) -> list[Count]:
    """Join the parts of one kind of one set; return how many of what went in and were rejected.

    The parts stay, so that a join that was interrupted can be done again; those of an earlier, wider array go.

    Args:
        work: the recipe's working directory.
        name: of the set.
        kind: see :func:`is_kind`.
        num_jobs: jobs of the array that made the parts.

    Raises:
        AudiolmError: a part is missing; a recording is neither in the result nor in ``rejected.tsv``.
    """
    directory = folder(work, name, kind)
    if kind == "audio":
        return recordings.finish(DataDir.read(work / "data" / name, allow_pipes=True), directory, num_jobs)
    if kind == "tokens":
        return [_join_tokens(directory, num_jobs)]
    audio = directory.parent / "audio"
    data = _recordings(recordings.recorded(directory.parent) if kind == "diarize" else audio)
    if kind == "heard":  # nobody hears who talks alone
        data.wav = {reco: data.wav[reco] for reco in data.partners()}
    rejected = [item for part in _parts(directory, "rejected.{}.tsv", num_jobs) for item in rejections(part)]
    if kind in TABLES:
        table, read, order = TABLES[kind]
        parted = data if data.path == audio else _join_streams(audio, data, num_jobs)
        entries = merged(_parts(directory, table + ".{}", num_jobs), read, order)
        present = set()

        def lines() -> Iterator[str]:
            for reco, entry in parted.with_reco(entries):
                present.add(reco)
                yield entry.line

        write_lines(directory / table, lines())
        if kind == "diarize":  # turns that were found in a mix stand on one of its channels
            files = {parted.file_and_channel(reco)[0] for reco in present}
            present = {reco for reco in data.wav if data.file_and_channel(reco)[0] in files}
    else:
        if kind == "text":
            _check_words(data, directory.parent / "align/ctm")
        features.merge(directory, kind, num_jobs)
        present = set(features.open_archive(directory, kind).keys())
    write_rejected(directory / "rejected.tsv", sorted(rejected))
    partly = present if kind == "align" else set()
    return [_account(data, directory, present, [item for item, _ in rejected], partly)]


def _recordings(path: Path) -> DataDir:
    """A data directory's recordings and channels, all of it that counting takes."""
    data = DataDir(wav={reco: entry for _, reco, entry in read_wav_scp(path / "wav.scp")}, path=path)
    if data.has("reco2file_and_channel"):
        table = read_reco2file_and_channel(path / "reco2file_and_channel")
        data.reco2file_and_channel = {reco: place for _, reco, place in table}
    return data


def merged(parts: Iterable[Path], read: Callable, order: Callable) -> Iterator[Turn] | Iterator[Word]:
    """The entries of sorted files in order; a file is open only from its first entry's turn to its last one's.

    Args:
        read, order: of the files, such as ``iter_ctm`` and ``WORD_ORDER``.
    """
    waiting = []
    for number, part in enumerate(parts):
        if first := next(read(part), None):
            waiting.append((order(first[1]), number, part))
    heapq.heapify(waiting)
    begun: list[tuple] = []
    while waiting or begun:
        if waiting and (not begun or waiting[0][0] <= begun[0][0]):
            _, number, part = heapq.heappop(waiting)
            entries = read(part)
        else:
            _, number, entry, entries = heapq.heappop(begun)
            yield entry
        if following := next(entries, None):
            heapq.heappush(begun, (order(following[1]), number, following[1], entries))


def _check_words(data: DataDir, path: Path) -> None:
    """Refuse words of other recordings: the jobs of the text stage pass over what is in none of their files."""

    def report(problem: Problem) -> None:
        if not problem.repairable:  # what is out of order, the jobs have rejected
            refuse(problem)

    if path.is_file():
        for _ in data.with_reco(word for _, word in iter_ctm(path, report)):
            pass


def is_kind(work: Path, name: str, kind: str) -> bool:
    """Whether a kind can be joined: one of KINDS, or any archive whose first job has described it."""
    return kind in KINDS or (folder(work, name, kind) / "meta.json").is_file()


def folder(work: Path, name: str, kind: str) -> Path:
    """Where a set's results of one kind are."""
    dump = work / "dump" / name
    return recordings.recorded(dump) if kind == "audio" else dump / kind


def _join_tokens(directory: Path, num_jobs: int) -> Count:
    """Join the packed texts of a set, ``documents.json`` with their numbers among them."""
    counts = [Counts.read(part) for part in _parts(directory, "documents.{}.json", num_jobs)]
    rejected = [item for part in _parts(directory, "rejected.{}.tsv", num_jobs) for item in rejections(part)]
    total = sum(counts, Counts())
    if {count.inputs for count in counts} != {total.documents + len(rejected)}:
        raise AudiolmError(
            f"{directory}: {total.documents} documents written and {len(rejected)} rejected, of "
            f"{' or '.join(str(n) for n in sorted({count.inputs for count in counts}))}; the text changed between "
            "jobs: run the stage again"
        )
    if total.documents:
        features.merge(directory, "tokens", num_jobs)
    total.write(directory / "documents.json")
    write_rejected(directory / "rejected.tsv", sorted(rejected))
    return Count("documents", total.inputs, len(rejected))


def _join_streams(directory: Path, mix: DataDir, num_jobs: int) -> DataDir:
    """Join the data directories that ``diarize --streams`` leaves in ``part.<job>``: ``mix``, parted."""
    parts = [directory / f"part.{job}" for job in range(1, num_jobs + 1)]
    if missing := [part for part in parts if not part.is_dir()]:
        raise AudiolmError(f"no {missing[0]}: its job has not finished; run the stage again")
    # A job whose recordings were all rejected leaves no tables.
    found = [DataDir.read(part) for part in parts if (part / "wav.scp").is_file()]
    if not found:
        raise AudiolmError(f"every recording of {mix.path} was rejected, see {directory.parent}/diarize/rejected.*.tsv")
    streams = DataDir(rttm=[], ctm=[])
    for part in found:
        for table in ("wav", "segments", "text", "utt2spk", "reco2file_and_channel", "reco2dur"):
            getattr(streams, table).update(getattr(part, table))
        streams.rttm += part.rttm
        streams.ctm += part.ctm
    streams.write(directory)
    often = {mix.file_and_channel(reco)[0]: segments for reco, segments in read_frequent(mix.path).items()}
    files = {reco: file for reco, (file, _) in streams.reco2file_and_channel.items()}
    write_frequent(directory, {reco: often[file] for reco, file in files.items() if file in often})
    remove_others(directory / "flac", {os.path.basename(path) for path in streams.wav.values()})
    return streams


def _parts(directory: Path, pattern: str, num_jobs: int) -> Iterator[Path]:
    for job in range(1, num_jobs + 1):
        part = directory / pattern.format(job)
        if not part.is_file():
            raise AudiolmError(f"no {part}: job {job} of {num_jobs} has not finished; run the stage again")
        yield part
    job = num_jobs + 1
    while (stale := directory / pattern.format(job)).is_file():
        stale.unlink()
        job += 1


def _account(data: DataDir, directory: Path, present: set[str], rejected: list[str], partly: set[str]) -> Count:
    """Count inputs and rejected ones: utterances where some of those are rejected, else recordings. A recording of
    ``partly`` is not rejected: only stretches of it are named.
    """
    out, utts, reco_of = set(rejected), 0, {}
    for _, utt, place in read_segments(data.path / "segments") if out and data.has("segments") else ():
        utts += 1
        if utt in out:
            reco_of[utt] = place.reco
    out -= partly - reco_of.keys()
    named = {reco_of.get(item, item) for item in rejected}
    if strange := sorted((present | named) - data.wav.keys()):
        raise AudiolmError(
            f"{directory} holds '{strange[0]}', which is no recording of {data.path}; run the stage again"
        )
    if lost := sorted(data.wav.keys() - present - named):
        raise AudiolmError(
            f"recording '{lost[0]}' of {data.path} is neither in {directory} nor in its rejected.tsv "
            f"({len(lost)} such); run the stage again"
        )
    if reco_of:
        return Count("utterances", utts, len(out))
    return Count("recordings", len(data.wav), len(out))


def jobs_to_redo(work: Path, sets: Iterable[str], kind: str, num_jobs: int) -> list[int]:
    """Jobs of an array whose result would be another one once the cause of rejections is mended: those that rejected
    something. All of them where none has, and of audio: what its recordings lack is found when the parts are joined.
    """
    where = [folder(work, name, kind) for name in sets]
    found = [
        job
        for job in range(1, num_jobs + 1)
        if any((part := path / f"rejected.{job}.tsv").is_file() and rejections(part) for path in where)
    ]
    return found if found and kind != "audio" else list(range(1, num_jobs + 1))


def check_rejected(counts: Iterable[Count], most: float, where: Path, option: str = "--max_rejected") -> None:
    """Refuse a result that lacks more than the share ``most`` (0 … 1) of its inputs; ``option`` raises that share."""
    for count in counts:
        if count.rejected > most * count.inputs:
            named = rejections(where / "rejected.tsv") if (where / "rejected.tsv").is_file() else []
            raise AudiolmError(
                f"{where}: {count.rejected} of {count.inputs} {count.what} were rejected, more than {most:.1%}"
                + (f" (the first: {': '.join(named[0])})" if named else "")
                + f"; read rejected.tsv, and mend the data or raise {option}"
            )
