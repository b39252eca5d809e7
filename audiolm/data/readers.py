"""One reader for each of Kaldi's tables, as strict as those of audiolm.data.tables, which has ``segments``.

``ids``: of all of a table's lines only those of these recordings or utterances (see tables.rows).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from audiolm.data.tables import (
    FROM_0,
    Ids,
    Problem,
    Report,
    channel_index,
    channel_name,
    number_of,
    read_table,
    refuse,
    split,
)
from audiolm.errors import AudiolmError

BLANK = re.compile(r"[ \t\r\n\v\f]")
# The aligner (`audiolm align --backend`) that has found the times of a recording's words in ``ctm``; a recording that
# the table lacks has them from the corpus itself.
RECO2ALIGNER = "reco2aligner"
# Other tables, most of them Kaldi's, kept as they are, and the kind of id each is keyed by.
OTHER_TABLES = {
    "feats.scp": "utt",
    "vad.scp": "utt",
    "utt2lang": "utt",
    "utt2uniq": "utt",
    "utt2dur": "utt",
    "utt2num_frames": "utt",
    "utt2warp": "utt",
    "cmvn.scp": "spk",
    "spk2gender": "spk",
    "reco2num_spk": "reco",
    RECO2ALIGNER: "reco",
    "midi.scp": "reco",
}


def is_pipe(entry: str) -> bool:
    """Whether a ``wav.scp`` entry runs a shell command (``sph2pipe … |``) instead of naming a file."""
    return entry.endswith("|") or entry.startswith("|")


def read_wav_scp(path: Path, allow_pipes: bool = False, report: Report = refuse, ids: Ids = None):
    """Yield (line, recording, path or pipe)."""
    lines = _without_comments(path, read_table(path, "<recording> <audio file>", report, ids=ids), report)
    yield from lines if allow_pipes else without_pipes(path, lines, report)


def _without_comments(path: Path, lines: Iterable[tuple[int, str, str]], report: Report):
    for number, reco, entry in lines:
        if reco.startswith(";;"):
            report(Problem(str(path), number, reco, f"'{reco}' would be a comment in a ctm; name it otherwise"))
        else:
            yield number, reco, entry


def without_pipes(path: Path, lines: Iterable[tuple[int, str, str]], report: Report = refuse):
    """The lines of a ``wav.scp`` that are no pipes; pipes are reported."""
    for number, reco, entry in lines:
        if is_pipe(entry):
            reason = f"'{reco}' is a pipe, which runs a shell; expected an audio file"
            report(Problem(str(path), number, reco, f"{reason} (or --allow_pipes, if you trust it)"))
        else:
            yield number, reco, entry


def read_text(path: Path, report: Report = refuse, ids: Ids = None):
    """Yield (line, utterance, transcript)."""
    return read_table(path, "<utterance> <transcript>", report, ids=ids)


def read_other(path: Path, report: Report = refuse, ids: Ids = None):
    """Yield (line, id, value) of a table of OTHER_TABLES."""
    return read_table(path, "<id> <value>", report, ids=ids)


def read_utt2spk(path: Path, report: Report = refuse, ids: Ids = None):
    """Yield (line, utterance, speaker)."""
    expected = "<utterance> <speaker>"
    for number, utt, spk in read_table(path, expected, report, ids=ids):
        if BLANK.search(spk):
            report(Problem(str(path), number, utt, f"found '{utt} {spk}', expected '{expected}'"))
        else:
            yield number, utt, spk


def read_reco2file_and_channel(path: Path, report: Report = refuse, ids: Ids = None, files: Ids = None, first: int = 1):
    """Yield (line, recording, (file, channel)); two recordings may not be the same channel.

    ``ids`` and ``files``: only these recordings, or the recordings of these files; ``first``: see tables.iter_rttm.
    """
    expected, taken = "<recording> <file> <channel: A, B … or 1, 2 …>", {}
    only, column = (ids, 0) if files is None else (files, 1)
    for number, reco, rest in read_table(path, expected, report, ids=only, column=column):
        fields = split(rest)
        channel = channel_name(fields[1], first) if len(fields) == 2 else ""
        if not channel:
            from_0 = len(fields) == 2 and fields[1] == "0"
            why = FROM_0 if from_0 else f"expected '{expected}'"
            report(Problem(str(path), number, reco, f"found '{reco} {rest}', {why}", repairable=from_0))
        elif (place := (fields[0], channel_index(channel))) in taken:
            reason = f"'{reco}' is channel {channel} of '{fields[0]}', which '{taken[place]}' is already"
            report(Problem(str(path), number, reco, reason))
        else:
            taken[place] = reco
            yield number, reco, (fields[0], channel)


def read_reco2dur(path: Path, report: Report = refuse, ids: Ids = None):
    """Yield (line, recording, seconds)."""
    for number, reco, rest in read_table(path, "<recording> <seconds>", report, ids=ids):
        if not number_of(rest) > 0:
            report(Problem(str(path), number, reco, f"'{reco}' lasts '{rest}', expected a number of seconds above 0"))
        else:
            yield number, reco, float(rest)


def table_line(path: Path, key: str, value: str) -> str:
    """The line of a table that says ``value`` of ``key``.

    Raises:
        AudiolmError: no line can.
    """
    if not key or BLANK.search(key) or not value.strip(" \t\r\n\v\f") or re.search("[\r\n]", value):
        raise AudiolmError(f"cannot write '{key} {value}' to {path}: an id has no blanks and a value is not empty")
    return f"{key} {value}"
