"""What is wrong with a data directory, found by reading its tables once; audio is opened only if asked for.

``examine`` is behind both ``audiolm datadir validate`` (there must be no problem) and ``fix`` (what is sound is kept),
so that what ``fix`` writes validates.

Two differences from Kaldi's ``validate_data_dir.sh``: recordings without utterances are fine (the silent side of a
dialogue), and so are utterances without a transcript (the untranscribed part of a corpus).
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from audiolm.data import readers
from audiolm.data.channels import first_channel
from audiolm.data.datadir import OTHER_TABLES, DataDir, existing
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
    rows,
    seconds,
    split,
)
from audiolm.errors import AudiolmError

T = TypeVar("T", Turn, Word)

ROUNDING = 0.02  # seconds by which times in tables may pass the end of the audio: they are rounded, often to 10 ms
FIRST_FILES = 3  # of wav.scp, that are looked for
MAX_OVERSHOOT = 0.5  # seconds by which they may pass it to be cut instead of dropped (Kaldi's extract-segments)


@dataclass
class Findings:
    """What ``examine`` found.

    Attributes:
        sound: the directory without its problems.
        problems: each line or item that is wrong; ``repairable`` ones stay in ``sound``, put right.
        warnings: what other tools may refuse.
        counts: entries by table, of what is sound.
    """

    sound: DataDir
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.repairable]


def examine(
    path: str | os.PathLike, allow_pipes: bool = False, open_audio: bool = False, keep_times: bool = True
) -> Findings:
    """Check every table of a directory against itself and the others.

    Args:
        open_audio: also read every file's header: it must be there, be audio, and have one channel or a line in
            ``reco2file_and_channel``; lengths then come from the audio.
        keep_times: False checks ``rttm`` and ``ctm`` without holding them in memory.

    Raises:
        AudiolmError: there is no directory, no ``wav.scp``, or nothing sound in it; a table counts the channels of some
            files from 0 and of others from 1.
    """
    path = existing(path)
    found = Findings(DataDir(path=path, allow_pipes=allow_pipes))
    data, report = found.sound, found.problems.append
    data.wav = {reco: entry for _, reco, entry in readers.read_wav_scp(path / "wav.scp", allow_pipes, report)}
    if not data.wav and not found.problems:
        raise AudiolmError(f"{path}/wav.scp is empty, expected one line per recording")
    read_channels, channels = readers.read_reco2file_and_channel, path / "reco2file_and_channel"
    if channels.is_file():
        read_channels = partial(read_channels, first=first_channel(channels, channels.name, report))
    data.reco2file_and_channel = _of_known(channels, read_channels, "recording", data.wav, report)
    data.reco2dur = _of_known(path / "reco2dur", readers.read_reco2dur, "recording", data.wav, report)
    if open_audio:
        _check_headers(data, report)
    data.segments = check_segments(path / "segments", data, report)
    _check_utterances(found)
    if not data.wav or ((path / "segments").is_file() and not data.segments):
        first = f"; first problem: {found.problems[0]}" if found.problems else ""
        raise AudiolmError(f"{path} has nothing sound in it{first}")
    if not open_audio:
        _look_for_audio(found)
    found.counts = {
        "recordings": len(data.wav),
        "utterances": len(data.utts),
        "speakers": len(set(data.utt2spk.values())),
        "transcripts": len(data.text),
    }
    for name, noun, lines in (("rttm", "turns", iter_rttm), ("ctm", "words", iter_ctm)):
        entries = inside(data, path / name, lines, report) if (path / name).is_file() else iter(())
        if keep_times:
            setattr(data, name, list(entries))
            found.counts[noun] = len(getattr(data, name))
        else:
            found.counts[noun] = sum(1 for _ in entries)
    return found


def fit(start: float, end: float, duration: float | None) -> tuple[float | None, str]:
    """Fit a stretch of time into audio of ``duration`` seconds (None: unknown).

    Returns:
        where it ends then, or None if it is not inside; and what was wrong, or "".
    """
    if duration is None or end <= duration + ROUNDING:
        return end, ""
    wrong = f"goes from {seconds(start)} to {seconds(end)} s, the recording ends at {seconds(duration)} s"
    return duration if start < duration and end <= duration + MAX_OVERSHOOT else None, wrong


def inside(data: DataDir, path: Path, lines: Callable, report: Report) -> Iterator[T]:
    """Turns or words of a file that lie in recordings of ``data``; small overshoots are cut."""
    recos = data.reco_of_channel()
    what, table = {iter_rttm: ("turn", "rttm"), iter_ctm: ("word", "ctm")}[lines]
    for number, entry in lines(path, report, first=first_channel(path, table, report, recos)):
        name = f"{what} '{entry.word if what == 'word' else entry.speaker}'"
        reco = recos.get((entry.file, channel_index(entry.channel)))
        if reco is None:
            reason = f"{name} is in file '{entry.file}' channel '{entry.channel}', which no recording is"
            report(Problem(str(path), number, entry.file, reason))
            continue
        end, wrong = fit(entry.start, entry.end, data.reco2dur.get(reco))
        if wrong:
            report(Problem(str(path), number, reco, f"{name} {wrong}", repairable=end is not None))
        if end is not None:
            yield replace(entry, duration=end - entry.start) if wrong else entry


def _of_known(path: Path, read: Callable, kind: str, known: dict, report: Report) -> dict:
    """A table, if it is there, of ids that are in ``known``."""
    table = {}
    if path.is_file():
        if path.stat().st_size == 0:
            report(Problem(str(path), 0, "", f"is empty, expected one line per {kind}", repairable=True))
        for number, key, value in read(path, report=report):
            if key in known:
                table[key] = value
            else:
                report(Problem(str(path), number, key, f"'{key}' is no {kind} of this directory"))
    return table


def _look_for_audio(found: Findings) -> None:
    """Warn where the first files are not there; without audio at hand, tables can be checked all the same."""
    data = found.sound
    named = [path for path in map(data.wav_path, data.recos[:FIRST_FILES]) if not readers.is_pipe(path)]
    if missing := [path for path in named if not os.path.exists(path)]:
        where = "" if os.path.isabs(missing[0]) else f", neither in {os.getcwd()} nor in {data.path.absolute()}"
        advice = "make the files available" if os.path.isabs(missing[0]) else "write absolute paths"
        found.warnings.append(
            f"wav.scp: {len(missing)} of the first {len(named)} files are not there, such as {missing[0]}{where};"
            f" {advice}, and look at all of them with --audio"
        )


def _check_headers(data: DataDir, report: Report) -> None:
    from audiolm.data import audio

    only: dict[tuple[str, str], list[str]] = {}  # (path, file id) of one channel -> recordings
    for reco in data.recos:
        try:
            header = audio.info(data.wav_path(reco), allow_pipes=data.allow_pipes)
            audio.pick_channel(data.wav[reco], header.channels, data.channel(reco))
        except AudiolmError as error:
            report(Problem(str(data.path / "wav.scp"), 0, reco, f"'{reco}': {error}"))
            for table in (data.wav, data.reco2file_and_channel, data.reco2dur):
                table.pop(reco, None)
            continue
        if header.channels == 1 and reco in data.reco2file_and_channel:
            only.setdefault((data.wav[reco], data.file_and_channel(reco)[0]), []).append(reco)
        written = data.reco2dur.get(reco, header.duration)
        if abs(written - header.duration) > ROUNDING:
            reason = f"'{reco}' lasts {seconds(header.duration)} s, the table says {seconds(written)} s"
            report(Problem(str(data.path / "reco2dur"), 0, reco, reason, repairable=True))
        data.reco2dur[reco] = round(header.duration, 6)
    for (entry, _), recos in only.items():
        for reco in recos if len(recos) > 1 else ():
            channels = " and ".join(data.file_and_channel(reco)[1] for reco in recos)
            reason = f"'{reco}': {entry} has one channel, reco2file_and_channel names {channels} of it"
            report(Problem(str(data.path / "wav.scp"), 0, reco, reason))
        for reco in recos if len(recos) > 1 else ():
            for table in (data.wav, data.reco2file_and_channel, data.reco2dur):
                table.pop(reco, None)


def check_segments(path: Path, data: DataDir, report: Report) -> dict[str, Segment]:
    """The segments of a file that are inside recordings of ``data``; small overshoots are cut."""
    segments, lengths = {}, dict(data.reco2dur)
    for number, utt, place in read_segments(path, report) if path.is_file() else ():
        if place.reco not in data.wav:
            report(Problem(str(path), number, utt, f"'{utt}' is in recording '{place.reco}', which wav.scp has not"))
            continue
        if place.end == math.inf:
            try:
                place = replace(place, end=_length(data, place.reco, lengths))
            except AudiolmError as error:
                report(Problem(str(path), number, utt, f"'{utt}' ends with its recording, and {error}"))
                continue
        end, wrong = fit(place.start, place.end, data.reco2dur.get(place.reco))
        if place.start >= place.end:
            end, wrong = None, f"begins at {seconds(place.start)} s, the recording ends at {seconds(place.end)} s"
        if wrong:
            report(Problem(str(path), number, utt, f"'{utt}' {wrong}", repairable=end is not None))
        if end is not None:
            segments[utt] = replace(place, end=end) if wrong else place
    return segments


def _length(data: DataDir, reco: str, lengths: dict[str, float]) -> float:
    """Seconds of a recording: of ``lengths``, else of its file's header, which ``lengths`` then has too."""
    if reco not in lengths:
        from audiolm.data import audio

        lengths[reco] = round(audio.info(data.wav_path(reco), data.allow_pipes).duration, 6)
    return lengths[reco]


def _check_utterances(found: Findings) -> None:
    """Speakers, transcripts and other tables against the utterances; those without a speaker go."""
    data, report = found.sound, found.problems.append
    path = data.path
    utts = data.segments if (path / "segments").is_file() else data.wav
    data.utt2spk = _of_known(path / "utt2spk", readers.read_utt2spk, "utterance", utts, report)
    if (path / "utt2spk").is_file():
        for utt in sorted(utts.keys() - data.utt2spk.keys()):
            report(Problem(str(path / "utt2spk"), 0, utt, f"utterance '{utt}' has no speaker"))
            for table in (utts, data.reco2file_and_channel, data.reco2dur):  # without segments, the recording goes
                table.pop(utt, None)
        speakers = [data.utt2spk[utt] for utt in sorted(utts)]
        if any(a > b for a, b in zip(speakers, speakers[1:], strict=False)):
            found.warnings.append(
                "utt2spk is not sorted by speaker too (Kaldi wants speaker ids to begin utterance ids)"
            )
        _check_spk2utt(data, report)
    else:
        found.warnings.append("no utt2spk (Kaldi wants one; where speakers are unknown each utterance is its own)")
    if twice := _overlaps(data):
        found.warnings.append(
            f"{len(twice)} utterances overlap another one of their speaker in the same recording, such as"
            f" '{twice[0][0]}' and '{twice[0][1]}'"
        )
    data.text = _of_known(path / "text", readers.read_text, "utterance", utts, report)
    if data.text and len(data.text) < len(utts):
        found.warnings.append(f"{len(utts) - len(data.text)} of {len(utts)} utterances have no transcript")
    known = {"utt": utts, "reco": data.wav, "spk": data.spk2utt()}
    nouns = {"utt": "utterance", "reco": "recording", "spk": "speaker"}
    for name, key in OTHER_TABLES.items():
        if (path / name).is_file():
            data.others[name] = _of_known(path / name, readers.read_other, nouns[key], known[key], report)


def _overlaps(data: DataDir) -> list[tuple[str, str]]:
    """Pairs of an utterance that begins, by more than rounding, before one of its speaker has ended, and that one."""
    pairs, last = [], {}
    for utt in sorted(data.segments, key=lambda utt: data.segments[utt].start):
        place = data.segments[utt]
        key = place.reco, data.utt2spk.get(utt)
        before = last.get(key)
        if before and place.start < data.segments[before].end - MAX_OVERSHOOT:
            pairs.append((utt, before))
        if not before or place.end > data.segments[before].end:
            last[key] = utt
    return pairs


def _check_spk2utt(data: DataDir, report: Report) -> None:
    path = data.path / "spk2utt"
    if not path.is_file():
        return
    table = {}
    for _, fields in rows(path, 2, 2, "<speaker> <utterances>", report):
        table[fields[0]] = sorted(split(fields[1]))
    if table != data.spk2utt():
        report(Problem(str(path), 0, "", "is not utt2spk turned round", repairable=True))
