"""LJ Speech 1.1 (Ito and Johnson, 2017): 24 h of one woman reading, 22.05 kHz; public domain, keithito.com.

``metadata.csv`` has lines ``<id>|<text as printed>|<text with numbers spelt out>``, ``wavs/<id>.wav`` the audio. The
transcript is the spelt-out one. The corpus has no parts: whole chapters (``LJ001`` … ``LJ050``) are held out.
"""

import argparse
from pathlib import Path

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_held_out_options,
    audio_by_stem,
    check_some,
    draw_sets,
    find_root,
    read_lines,
    write_sets,
)
from audiolm.errors import AudiolmError

GET = "LJ Speech 1.1 (LJSpeech-1.1.tar.bz2) from https://keithito.com/LJ-Speech-Dataset"
SPEAKER = "LJ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_held_out_options(parser, 2, "chapters")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    root = find_root(args.corpus_dir, GET, "metadata.csv")
    if not (root / "wavs").is_dir():
        raise AudiolmError(f"no folder {root / 'wavs'} with the audio; get {GET}")
    everything = read(root)
    check_some(everything, str(root / "metadata.csv"))
    ids = [recording.id for recording in everything.recordings] + list(everything.faults)
    chapters = {chapter_of(id): {chapter_of(id)} for id in ids}
    set_of, _ = draw_sets(chapters, args.sets, args.held_out, args.seed)
    sets = {name: Found(others=everything.others) for name in args.sets}
    for recording in everything.recordings:
        sets[set_of[chapter_of(recording.id)]].recordings.append(recording)
    for id, reason in everything.faults.items():
        sets[set_of[chapter_of(id)]].faults[id] = reason
    write_sets(args, sets.items())


def chapter_of(id: str) -> str:
    """``LJ001-0002`` is of chapter ``LJ001``."""
    return id.split("-")[0]


def read(root: Path) -> Found:
    """All utterances."""
    found = Found(others={"spk2gender": {SPEAKER: "f"}})
    files = audio_by_stem(root / "wavs")
    seen = set()
    for number, line in read_lines(root / "metadata.csv"):
        fields = line.split("|")
        if len(fields) != 3 or not fields[0] or not fields[2].strip():
            id = fields[0] or f"metadata.csv:{number}"
            found.faults[id] = f"metadata.csv:{number}: found '{line}', expected '<id>|<text>|<text spelt out>'"
        else:
            id = fields[0]
            path = files.get(id, root / "wavs" / f"{id}.wav")
            found.recordings.append(Recording(id, path, [Utterance(id, SPEAKER, fields[2])]))
        seen.add(id)
    for id in files.keys() - seen:
        found.faults[id] = f"{files[id]} has no transcript in metadata.csv"
    return found
