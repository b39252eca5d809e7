"""A set's recordings as one-channel FLAC files at one rate: each job a share, then the data directory of all."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import TABLE as FREQUENT
from audiolm.data.files import CannotWrite, name_of, remove_others, write_lines
from audiolm.data.pieces import Piece, Screen, cut_tables, piece_name, read_pieces, write_pieces
from audiolm.data.readers import read_reco2dur, read_wav_scp
from audiolm.data.tables import WORD_ORDER, Problem, iter_ctm, iter_rttm, seconds, write_ctm
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


def recorded(dump: Path) -> Path:
    """Where the audio stage has put a set's recordings: ``<dump>/mix`` where speakers share a microphone
    (``audiolm audio --mix``; ``audiolm diarize --streams`` makes ``<dump>/audio`` of it), else ``<dump>/audio``.
    """
    return dump / "mix" if (dump / "mix").is_dir() else dump / "audio"


def convert_share(
    source: DataDir,
    directory: Path,
    fs: int,
    job: int = 1,
    expect_fs: int | None = None,
    downmix: bool = False,
    screen: Screen | None = None,
) -> None:
    """Write recordings to ``directory/flac``; at the end the job's ``wav.scp``, ``reco2dur`` and ``rejected`` of them.

    Args:
        source: the job's share of a data directory.
        fs: rate of the output in Hz.
        expect_fs: recordings of another rate are rejected.
        downmix: recordings with several channels, none of them picked by ``reco2file_and_channel``, are averaged
            instead of rejected.
        screen: cuts recordings into pieces and rejects some; what it did goes to ``pieces``.

    Raises:
        AudiolmError: nothing can be written. Faults of a recording only reject it.
    """
    if not 1 <= fs <= 655350 or (fs > 65535 and fs % 10):
        raise AudiolmError(f"FLAC files cannot have a sample rate of {fs} Hz; give another --fs, such as 24000")
    if screen is not None:
        _convert_pieces(source, directory, fs, screen, job, expect_fs, downmix)
        return
    (directory / f"pieces.{job}").unlink(missing_ok=True)
    files: dict[str, list[str]] = {}
    for reco in source.recos:
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
                durations |= dict.fromkeys(names.values(), count / fs)
        except CannotWrite:
            raise
        except AudiolmError as error:
            left = names.values() if names else recos
            rejected += [(reco, str(error)) for reco in left]
    _write_part(directory, job, durations, rejected)


def _convert_pieces(
    source: DataDir,
    directory: Path,
    fs: int,
    screen: Screen,
    job: int,
    expect_fs: int | None,
    downmix: bool,
) -> None:
    """As ``convert_share``, piece by piece; a piece of a file is kept or rejected with all its channels."""
    files: dict[str, list[str]] = {}
    for reco in source.recos:
        files.setdefault(source.file_and_channel(reco)[0], []).append(reco)
    durations: dict[str, float] = {}
    rejected: list[tuple[str, str]] = []
    pieces: dict[str, Piece] = {}
    for file in progress(sorted(files), desc="audio"):
        recos = files[file]
        try:
            regions = screen.cut(recos)
        except AudiolmError as error:
            rejected += [(reco, str(error)) for reco in recos]
            continue
        for start, end in regions:
            own = {piece_name(reco, start, end, len(regions) == 1): Piece(reco, start, end) for reco in recos}
            pieces |= own
            try:
                faults = screen.faults(recos, start, end)
                first = next((f"channel '{reco}': {fault}" for reco, fault in faults.items()), None)
                rejected += [(name, faults.get(piece.reco, first)) for name, piece in own.items() if first]
                if not first:
                    durations |= _write_channels(source, directory, fs, own, expect_fs, downmix)
            except CannotWrite:
                raise
            except AudiolmError as error:
                rejected += [(name, str(error)) for name in own]
    write_pieces(directory / f"pieces.{job}", pieces)
    _write_part(directory, job, durations, rejected)


def _write_channels(
    source: DataDir, directory: Path, fs: int, pieces: dict[str, Piece], expect_fs: int | None, downmix: bool
) -> dict[str, float]:
    """Write one piece of all channels of a file; return the seconds of each."""
    durations = {}
    for name, piece in pieces.items():
        path, picked = source.wav_path(piece.reco), source.channel(piece.reco)
        channels = audio.info(path, source.allow_pipes).channels
        mixed = downmix and picked is None and channels > 1
        output = {flac_path(directory, name): "mix" if mixed else audio.pick_channel(path, channels, picked)}
        count = audio.convert(path, output, fs, expect_fs, source.allow_pipes, piece.start, piece.end)
        durations[name] = count / fs
    return durations


def _write_part(directory: Path, job: int, durations: dict[str, float], rejected: list[tuple[str, str]]) -> None:
    write_rejected(directory / f"rejected.{job}.tsv", sorted(rejected))
    write_lines(directory / f"reco2dur.{job}", (f"{reco} {seconds(durations[reco])}" for reco in sorted(durations)))
    write_lines(directory / f"wav.scp.{job}", (f"{reco} {flac_path(directory, reco)}" for reco in sorted(durations)))


def flac_path(directory: Path, reco: str) -> Path:
    """Where a recording is written (absolute)."""
    return Path(os.path.abspath(directory)) / "flac" / f"{name_of(reco)}.flac"


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
    pieces: dict[str, Piece] = {}
    for job in range(1, num_jobs + 1):
        part = directory / f"wav.scp.{job}"
        if not part.is_file():
            raise AudiolmError(f"no {part}: job {job} of {num_jobs} has not finished; run the audio stage again")
        wav |= {reco: path for _, reco, path in read_wav_scp(part)}
        durations |= {reco: duration for _, reco, duration in read_reco2dur(directory / f"reco2dur.{job}")}
        rejected += rejections(directory / f"rejected.{job}.tsv")
        if (directory / f"pieces.{job}").is_file():
            pieces |= read_pieces(directory / f"pieces.{job}")
    recos = {pieces[name].reco if name in pieces else name for name in wav}
    named = {pieces[name].reco if name in pieces else name for name, _ in rejected}
    lost = source.wav.keys() ^ (recos | named)
    if lost:
        raise AudiolmError(
            f"{directory}: recording '{min(lost)}' is not in both {source.path} and the parts ({len(lost)} such);"
            " run the audio stage again"
        )
    if not wav:
        raise AudiolmError(f"every recording of {source.path} was rejected; the first: {': '.join(rejected[0])}")
    counts = [Count("recordings", len(wav) + len(rejected), len(rejected))]
    stream = source.has("ctm") and not pieces
    if stream:
        source.ctm = []  # words are many: below they are written as they are read
    data = select(source, recos=recos)
    data.reco2dur = _lengths(durations, pieces)
    problems: list[Problem] = []
    utts = set(data.utts)
    if source.segments:
        utts = set(check_segments(source.path / "segments", data, problems.append))
        counts.append(Count("utterances", len(source.segments), len(source.segments) - len(utts)))
    for name, noun in (("text", "transcripts"), ("utt2spk", "speakers of utterances")):
        table = getattr(source, name)
        orphans = sorted(table.keys() - set(source.utts))
        problems += [Problem(str(source.path / name), 0, utt, f"'{utt}' is no utterance here") for utt in orphans]
        if orphans:
            counts.append(Count(noun, len(table), len(orphans)))
    for name, lines, noun in (("rttm", iter_rttm, "turns"), ("ctm", iter_ctm, "words")):
        if getattr(source, name):
            entries = list(inside(data, source.path / name, lines, problems.append))
            setattr(data, name, entries)
            counts.append(Count(noun, len(getattr(source, name)), len(getattr(source, name)) - len(entries)))
    data = select(data, utts=utts, recos=recos)
    if pieces:
        data = cut_tables(data, {name: pieces[name] for name in wav}, problems)
        if source.segments:
            counts[1] = Count("utterances", len(source.segments), len(source.segments) - len(data.segments))
    data.wav, data.reco2dur = wav, durations
    data.write(directory)
    if stream:
        counts += _write_words(source.path / "ctm", data, directory / "ctm", problems)
    (directory / FREQUENT).unlink(missing_ok=True)  # of recordings as they were before
    write_rejected(directory / "rejected.tsv", rejected + [item for item in problems if not item.repairable])
    remove_others(directory / "flac", {os.path.basename(path) for path in wav.values()})
    for part in directory.iterdir():
        job = re.fullmatch(r"(?:wav\.scp|reco2dur|pieces)\.(\d+)|rejected\.(\d+)\.tsv", part.name)
        if job and int(job[1] or job[2]) > num_jobs:
            part.unlink()
    return counts


def _write_words(source: Path, data: DataDir, path: Path, problems: list[Problem]) -> list[Count]:
    """Write the words of a ``ctm`` that are inside the audio, and count them if there are any."""
    inputs, ordered, before = 0, True, ()
    for _, word in iter_ctm(source):
        order = WORD_ORDER(word)
        inputs, ordered, before = inputs + 1, ordered and before <= order, order
    known = len(problems)
    words = inside(data, source, iter_ctm, problems.append)
    if ordered:
        write_lines(path, (word.line for word in words))
    else:
        write_ctm(path, words)
    dropped = sum(not problem.repairable for problem in problems[known:])
    if dropped == inputs:
        path.unlink()
    return [Count("words", inputs, dropped)] if inputs else []


def _lengths(durations: dict[str, float], pieces: dict[str, Piece]) -> dict[str, float]:
    """Recording -> seconds, where only its pieces' are known: to the end of the last."""
    lengths: dict[str, float] = {}
    for name, length in durations.items():
        if name in pieces:
            reco, _, length = pieces[name]
            lengths[reco] = max(length, lengths.get(reco, 0.0))
        else:
            lengths[name] = length
    for piece in pieces.values():  # rejected ones too: what lies in them is not beyond the end
        lengths[piece.reco] = max(piece.end, lengths.get(piece.reco, 0.0))
    return lengths
