"""The parts that the jobs of an array verb leave, joined: each kind's table or archive whole, everything accounted for.

A verb writes its part files to ``dump/<set>/<kind>``: ``wav.scp.<job>``, ``rttm.<job>``, ``ctm.<job>``,
``codes.<job>.ark`` and ``.scp``; and ``rejected.<job>.tsv``, which names each recording or utterance not among them.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from audiolm.data import recordings, tokens
from audiolm.data.datadir import DataDir
from audiolm.data.files import remove_others
from audiolm.data.recordings import Count
from audiolm.data.tables import iter_ctm, iter_rttm, write_ctm, write_rttm
from audiolm.data.tools import combine, rejections, write_rejected
from audiolm.errors import AudiolmError

TABLES = {"diarize": ("rttm", iter_rttm, write_rttm), "align": ("ctm", iter_ctm, write_ctm)}
ARCHIVES = ("text", "codes")
KINDS = ("audio", *TABLES, *ARCHIVES)


def join(work: Path, name: str, kind: str, num_jobs: int) -> list[Count]:
    """Join the parts of one kind of one set; return how many of what went in and were rejected.

    The parts stay, so that a join that was interrupted can be done again; those of an earlier, wider array go.

    Args:
        work: the recipe's working directory.
        name: of the set.
        kind: one of KINDS.
        num_jobs: jobs of the array that made the parts.

    Raises:
        AudiolmError: a part is missing; a recording is neither in the result nor in ``rejected.tsv``.
    """
    directory = work / "dump" / name / kind
    if kind == "audio":
        return recordings.finish(DataDir.read(work / "data" / name, allow_pipes=True), directory, num_jobs)
    data = DataDir.read(work / "dump" / name / "audio")
    rejected = [item for part in _parts(directory, "rejected.{}.tsv", num_jobs) for item in rejections(part)]
    if kind in TABLES:
        table, read, write = TABLES[kind]
        entries = [entry for part in _parts(directory, table + ".{}", num_jobs) for _, entry in read(part)]
        write(directory / table, entries)
        present = {reco for reco, found in data.by_reco(entries).items() if found}
        if kind == "diarize":  # the turns of a mix stand on its first channel
            files = {turn.file for turn in entries}
            present |= {reco for reco in data.wav if data.file_and_channel(reco)[0] in files}
            _join_streams(directory.parent / "streams", num_jobs)
    else:
        tokens.merge(directory, kind, num_jobs)
        present = set(tokens.TokenReader(directory, kind).keys())
    write_rejected(directory / "rejected.tsv", sorted(rejected))
    return [_account(data, directory, present, [item for item, _ in rejected])]


def _join_streams(directory: Path, num_jobs: int) -> None:
    """Join the data directories that ``diarize --streams`` leaves in ``part.<job>``, if it was run so."""
    if not (directory / "part.1").is_dir():
        return
    parts = [directory / f"part.{job}" for job in range(1, num_jobs + 1)]
    if missing := [part for part in parts if not part.is_dir()]:
        raise AudiolmError(f"no {missing[0]}: its job has not finished; run the stage again")
    # A job whose recordings were all rejected leaves no tables.
    found = [DataDir.read(part) for part in parts if (part / "wav.scp").is_file()]
    if found:
        combine(found).write(directory)
        remove_others(directory / "flac", {os.path.basename(path) for data in found for path in data.wav.values()})


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


def _account(data: DataDir, directory: Path, present: set[str], rejected: list[str]) -> Count:
    """Count inputs and rejected ones: utterances where some of those are rejected, else recordings."""
    named = {data.segments[item].reco if item in data.segments else item for item in rejected}
    if strange := sorted((present | named) - data.wav.keys()):
        raise AudiolmError(
            f"{directory} holds '{strange[0]}', which is no recording of {data.path}; run the stage again"
        )
    if lost := sorted(data.wav.keys() - present - named):
        raise AudiolmError(
            f"recording '{lost[0]}' of {data.path} is neither in {directory} nor in its rejected.tsv "
            f"({len(lost)} such); run the stage again"
        )
    if any(item in data.segments for item in rejected):
        return Count("utterances", len(data.segments), len(set(rejected)))
    return Count("recordings", len(data.wav), len(set(rejected)))


def check_rejected(counts: Iterable[Count], most: float, where: Path) -> None:
    """Refuse a result that lacks more than the share ``most`` (0 … 1) of its inputs."""
    for count in counts:
        if count.rejected > most * count.inputs:
            named = rejections(where / "rejected.tsv") if (where / "rejected.tsv").is_file() else []
            raise AudiolmError(
                f"{where}: {count.rejected} of {count.inputs} {count.what} were rejected, more than {most:.1%}"
                + (f" (the first: {': '.join(named[0])})" if named else "")
                + "; read rejected.tsv, and mend the data or raise --max_rejected"
            )
