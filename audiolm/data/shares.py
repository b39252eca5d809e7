"""The share of a data directory that one job of an array takes: its rows are read, and no others kept."""

import os
from collections import defaultdict
from itertools import islice
from pathlib import Path

from audiolm.data.datadir import DataDir, block, existing
from audiolm.data.readers import read_reco2file_and_channel, read_wav_scp
from audiolm.errors import AudiolmError


def read_share(path: str | os.PathLike, job: int = 1, num_jobs: int = 1, allow_pipes: bool = False) -> DataDir:
    """What concerns a block of about equally many recordings; memory does not grow with the other jobs' blocks.

    A file goes as a whole to the job whose block holds the first of its channels. The share of one job of one is the
    directory as ``DataDir.read`` gives it; with more jobs than recordings, shares may be empty.

    Args:
        job: 1 … ``num_jobs``.

    Raises:
        AudiolmError: there is no such job; see DataDir.read.
    """
    path = existing(path)
    lines = _count_lines(path / "wav.scp")
    own = block(lines, job, num_jobs)
    if num_jobs == 1 or not lines:
        return DataDir.read(path, allow_pipes)
    with open(path / "wav.scp", "rb") as file:
        heads = (line.split(None, 1)[:1] for line in islice(file, own.start, own.stop))
        first = {head.decode(errors="replace") for fields in heads for head in fields}
    return DataDir.read(path, allow_pipes, _whole_files(path, first))


def _count_lines(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return sum(1 for _ in file)
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None


def _whole_files(path: Path, recos: set[str]) -> set[str]:
    """All channels of the files whose first channel is one of ``recos``."""
    table = path / "reco2file_and_channel"
    if not table.is_file():
        return recos
    listed = {reco: file for _, reco, (file, _) in read_reco2file_and_channel(table, ids=recos)}
    files = {listed.get(reco, reco) for reco in recos}
    file_of = {reco: file for _, reco, (file, _) in read_reco2file_and_channel(table, files=files)}
    # A recording that the table lacks is a file of its own name (DataDir.file_and_channel).
    listed = {reco for _, reco, _ in read_reco2file_and_channel(table, ids=files)}
    file_of |= {name: name for name in files - listed}
    channels = defaultdict(list)
    for _, reco, _ in read_wav_scp(path / "wav.scp", allow_pipes=True, ids=file_of):
        channels[file_of[reco]].append(reco)
    return {reco for found in channels.values() if found[0] in recos for reco in found}
