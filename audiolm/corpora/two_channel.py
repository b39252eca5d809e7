"""Any folder of two-channel recordings: speaker A on channel 1, speaker B on channel 2 (podcasts, calls, interviews).

Every audio file below the folder is a recording of two channels. Beside it may lie its transcript, as NIST's STM
(``talk.stm`` of ``talk.wav``; lines ``<file> <channel> <speaker> <start> <end> [<label>] <words>``); files without one
are kept, for stages that need no transcript. Whole files are held out, and their speakers with them.
"""

import argparse
import os
import re
from pathlib import Path

from audiolm.corpora.base import (
    AUDIO_SUFFIXES,
    Found,
    Recording,
    Utterance,
    add_held_out_options,
    draw_sets,
    make_id,
    read_lines,
    write_sets,
)
from audiolm.data.tables import channel_index, number_of
from audiolm.errors import AudiolmError

UNSPOKEN = ("ignore_time_segment_in_scoring", "inter_segment_gap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_held_out_options(parser, 1, "files")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    files = find_files(args.corpus_dir)
    everything = {id: read_file(id, path) for id, path in files.items()}
    voices = {
        id: {u.speaker for r in found.recordings for u in r.utterances} or {id} for id, found in everything.items()
    }
    set_of, left_out = draw_sets(voices, args.sets, args.held_out, args.seed)
    sets = {name: Found() for name in args.sets}
    sets[args.sets[0]].left_out = left_out
    sets[args.sets[0]].faults |= find_orphans(args.corpus_dir, set(files.values()))
    for id, name in set_of.items():
        sets[name].recordings += everything[id].recordings
        sets[name].faults |= everything[id].faults
        sets[name].turns |= any(r.utterances for r in everything[id].recordings)
    write_sets(args, sets.items())


def find_files(corpus_dir: Path) -> dict[str, Path]:
    """Id (path below the folder, without suffix) -> audio file."""
    files: dict[str, Path] = {}
    for folder, below, names in os.walk(corpus_dir, followlinks=True):
        below.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in AUDIO_SUFFIXES:
                id = make_id(path.relative_to(corpus_dir).with_suffix("").as_posix()).replace("%2F", "_")
                if id in files:
                    raise AudiolmError(f"{files[id]} and {path} would have the same id '{id}'; rename one")
                files[id] = path
    if not corpus_dir.is_dir():
        raise AudiolmError(f"--corpus_dir {corpus_dir} is no folder; name the one that the recordings are in")
    if not files:
        raise AudiolmError(f"no audio ({', '.join(AUDIO_SUFFIXES)}) below --corpus_dir {corpus_dir}")
    return files


def find_orphans(corpus_dir: Path, files: set[Path]) -> dict[str, str]:
    """Name of a transcript without audio -> that it has none."""
    stems = {path.with_suffix("") for path in files}
    return {
        make_id(path.relative_to(corpus_dir).as_posix()): f"there is no audio of {path} ({', '.join(AUDIO_SUFFIXES)})"
        for folder, _, names in os.walk(corpus_dir, followlinks=True)
        for path in (Path(folder, name) for name in names if name.endswith(".stm"))
        if path.with_suffix("") not in stems
    }


def read_file(id: str, path: Path) -> Found:
    """Both channels of a file, with what its transcript says."""
    found = Found()
    sides = {channel: Recording(f"{id}-{channel}", path, [], id, channel) for channel in "AB"}
    found.recordings = list(sides.values())
    if not (table := path.with_suffix(".stm")).is_file():
        return found
    for number, line in read_lines(table):
        fields = line.split(None, 5)
        if not line.strip() or line.startswith(";;"):
            continue
        start, end = (number_of(field) for field in fields[3:5]) if len(fields) > 4 else (0.0, 0.0)
        try:
            side = "AB"[channel_index(fields[1])]
        except (AudiolmError, IndexError):
            side = ""
        if not side or not start < end:
            expected = "<file> <A or B> <speaker> <start> <end> [<label>] <words>"
            found.faults[f"{id}:{number}"] = f"{table.name}: found '{line}', expected '{expected}'"
            continue
        text = re.sub(r"^<[^>]*>\s*", "", fields[5] if len(fields) > 5 else "")
        if fields[2] not in UNSPOKEN and text.lower() not in UNSPOKEN and text:
            utt = f"{fields[2]}-{id}-{side}-{round(start * 100):06d}-{round(end * 100):06d}"
            sides[side].utterances.append(Utterance(utt, fields[2], text, start, end))
    return found
