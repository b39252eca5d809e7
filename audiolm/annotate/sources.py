"""What annotation works on: which audio it listens to, and the utterances of each recording."""

from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.readers import is_pipe
from audiolm.data.recordings import recorded
from audiolm.data.shares import read_share
from audiolm.errors import AudiolmError


def widest(
    work: Path, name: str, fs: int, allow_pipes: bool = False, job: int = 1, num_jobs: int = 1, kind: str = "audio"
) -> DataDir:
    """The job's share of ``dump/<name>/<kind>``, with the corpus's own audio where that has a higher rate and the dump
    less than ``fs``.

    Both have the same time axis. Speakers of one microphone that were parted are in the dump only. On synthetic speech
    PocketSphinx places word starts with a mean error of 14 ms from 16 kHz audio and 20 ms from the same audio at 8 kHz.

    Args:
        fs: rate in Hz beyond which more is of no use.
        allow_pipes: read the corpus's pipes too (see audiolm.data.audio); else recordings behind pipes are read from
            the dump.
        kind: ``audio``, or ``mix`` (audiolm.data.recordings.recorded).
    """
    dump = work / "dump" / name
    data = read_share(dump / kind, job, num_jobs)
    corpus_path = work / "data" / name
    dump_fs = _rate(data)
    own = recorded(dump).name == kind
    if not own or dump_fs is None or dump_fs >= fs or not (corpus_path / "wav.scp").is_file():
        return data
    corpus = DataDir.read(corpus_path, allow_pipes=True, recos=data.wav.keys())
    for reco in data.wav.keys() & corpus.wav.keys():
        path = corpus.wav_path(reco)
        if is_pipe(path) and not allow_pipes:
            continue
        try:
            info = audio.info(path, allow_pipes)
        except AudiolmError:
            continue  # gone since the dump was made
        if info.fs > dump_fs and (info.channels == 1 or corpus.channel(reco) is not None):
            data.wav[reco] = path
    data.allow_pipes = allow_pipes
    return data


def _rate(data: DataDir) -> int | None:
    """Sample rate of the recordings in Hz: they all have the same, the first that can be read tells."""
    for reco in data.recos:
        try:
            return audio.info(data.wav_path(reco)).fs
        except AudiolmError:
            continue  # whoever reads it will reject it
    return None


def utts_by_reco(data: DataDir) -> dict[str, list[str]]:
    """Recording -> its utterances in order of time; recordings without any are left out."""
    table: dict[str, list[str]] = {}
    for utt in data.utts:
        table.setdefault(data.segments[utt].reco if data.segments else utt, []).append(utt)
    if data.segments:
        for utts in table.values():
            utts.sort(key=lambda utt: (data.segments[utt].start, data.segments[utt].end))
    return dict(sorted(table.items()))
