"""A set's recordings as one-channel FLAC files at one rate: each job a share, then the data directory of all."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir, read_reco2dur, read_wav_scp, share
from audiolm.data.files import CannotWrite, remove_others, write_lines
from audiolm.data.tables import Problem, iter_ctm, iter_rttm, seconds
from audiolm.data.tools import rejections, select, write_rejected
from audiolm.data.validate import check_segments, inside
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress


@dataclass(frozen=True)
class Count:
    """How many of what went in and were rejected."""

    what: str
    inputs: int
    rejected: int


def convert_share(
    source: DataDir,
    directory: Path,
    fs: int,
    job: int = 1,
    num_jobs: int = 1,
    expect_fs: int | None = None,
    downmix: bool = False,
) -> None:
    """Write the job's recordings to ``directory/flac``; at the end their ``wav.scp``, ``reco2dur`` and ``rejected``.

    Args:
        fs: rate of the output in Hz.
        expect_fs: recordings of another rate are rejected.
        downmix: recordings with several channels, none of them picked by ``reco2file_and_channel``, are averaged
            instead of rejected.

    Raises:
        AudiolmError: nothing can be written. Faults of a recording only reject it.
    """
    if not 1 <= fs <= 655350 or (fs > 65535 and fs % 10):
        raise AudiolmError(f"FLAC files cannot have a sample rate of {fs} Hz; give another --fs, such as 24000")
    files: dict[str, list[str]] = {}
    for reco in share(source.recos, job, num_jobs):
        files.setdefault(source.wav_path(reco), []).append(reco)
    durations: dict[str, float] = {}
    rejected: list[tuple[str, str]] = []
    for path, recos in progress(files.items(), total=len(files), desc="audio"):
        outputs: dict[Path, int | str] = {}
        names: dict[Path, str] = {}
        try:
            channels = audio.info(path, source.allow_pipes).channels
            for reco in recos:
                picked = source.channel(reco)
                try:
                    mixed = downmix and picked is None and channels > 1
                    output = flac_path(directory, reco)
                    outputs[output] = "mix" if mixed else audio.pick_channel(path, channels, picked)
                    names[output] = reco
                except AudiolmError as error:
                    rejected.append((reco, str(error)))
            if outputs:
                count = audio.convert(path, outputs, fs, expect_fs, source.allow_pipes)
                durations |= {reco: count / fs for reco in names.values()}
        except CannotWrite:
            raise
        except AudiolmError as error:
            left = names.values() if names else recos
            rejected += [(reco, str(error)) for reco in left]
    write_rejected(directory / f"rejected.{job}.tsv", sorted(rejected))
    write_lines(directory / f"reco2dur.{job}", (f"{reco} {seconds(durations[reco])}" for reco in sorted(durations)))
    write_lines(directory / f"wav.scp.{job}", (f"{reco} {flac_path(directory, reco)}" for reco in sorted(durations)))


def flac_path(directory: Path, reco: str) -> Path:
    """Where a recording is written (absolute)."""
    return Path(os.path.abspath(directory)) / "flac" / f"{reco.replace('/', '%2F')}.flac"


def finish(source: DataDir, directory: Path, num_jobs: int) -> list[Count]:
    """Make a data directory of the parts that ``convert_share`` left: the source's tables for what was converted.

    Now that lengths are known, segments, turns and words that are not inside the audio are rejected too. All that is
    left out is named in ``rejected.tsv``; parts and FLAC files of earlier runs are removed.

    Returns:
        recordings, utterances, turns and words that went in and were rejected.

    Raises:
        AudiolmError: a part is missing, or the parts are not those of this source.
    """
    wav: dict[str, str] = {}
    durations: dict[str, float] = {}
    rejected: list[Problem | tuple[str, str]] = []
    for job in range(1, num_jobs + 1):
        part = directory / f"wav.scp.{job}"
        if not part.is_file():
            raise AudiolmError(f"no {part}: job {job} of {num_jobs} has not finished; run the audio stage again")
        wav |= {reco: path for _, reco, path in read_wav_scp(part)}
        durations |= {reco: duration for _, reco, duration in read_reco2dur(directory / f"reco2dur.{job}")}
        rejected += rejections(directory / f"rejected.{job}.tsv")
    lost = source.wav.keys() ^ (wav.keys() | {reco for reco, _ in rejected})
    if lost:
        raise AudiolmError(
            f"{directory}: recording '{min(lost)}' is not in both {source.path} and the parts ({len(lost)} such);"
            " run the audio stage again"
        )
    if not wav:
        raise AudiolmError(f"every recording of {source.path} was rejected; the first: {': '.join(rejected[0])}")
    counts = [Count("recordings", len(source.wav), len(rejected))]
    data = select(source, recos=wav)
    data.wav, data.reco2dur = wav, durations
    problems: list[Problem] = []
    utts = set(data.utts)
    if source.segments:
        utts = set(check_segments(source.path / "segments", data, problems.append))
        counts.append(Count("utterances", len(source.segments), len(source.segments) - len(utts)))
    for name, lines, noun in (("rttm", iter_rttm, "turns"), ("ctm", iter_ctm, "words")):
        if getattr(source, name):
            entries = list(inside(data, source.path / name, lines, problems.append))
            setattr(data, name, entries)
            counts.append(Count(noun, len(getattr(source, name)), len(getattr(source, name)) - len(entries)))
    select(data, utts=utts, recos=wav).write(directory)
    write_rejected(directory / "rejected.tsv", rejected + [item for item in problems if not item.repairable])
    remove_others(directory / "flac", {os.path.basename(path) for path in wav.values()})
    for part in directory.iterdir():
        job = re.fullmatch(r"(?:wav\.scp|reco2dur)\.(\d+)|rejected\.(\d+)\.tsv", part.name)
        if job and int(job[1] or job[2]) > num_jobs:
            part.unlink()
    return counts
