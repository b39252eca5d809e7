"""Clotho 2.1 (Drossos et al., 2020): 5 929 clips of 15 to 30 s from Freesound, five captions each, 44.1 kHz.

``clotho_captions_<part>.csv`` has lines ``file_name,caption_1,…,caption_5``; the clips are in a folder ``<part>``, as
``clotho_audio_<part>.7z`` unpacks, for the parts development, validation and evaluation.
"""

import argparse
from pathlib import Path

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_parts_option,
    audio_by_stem,
    find_root,
    make_id,
    parts_by_set,
    read_csv,
    write_sets,
)
from audiolm.errors import AudiolmError

URL = "https://zenodo.org/records/4783391"
PARTS = ("development", "validation", "evaluation")
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_parts_option(parser, PARTS, PARTS)


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    table = parts_by_set(args, PARTS)
    first = f"clotho_captions_{args.parts[0].split('+')[0]}.csv"
    root = find_root(args.corpus_dir, f"Clotho 2.1 from {URL}", first)
    folders = {part: find_clips(root, part) for parts in table.values() for part in parts}  # before any is read
    write_sets(args, ((name, read(root, folders, parts)) for name, parts in table.items()))


def find_clips(root: Path, part: str) -> Path:
    """The folder of a part's clips.

    Raises:
        AudiolmError: there is none, or no captions.
    """
    if not (root / f"clotho_captions_{part}.csv").is_file():
        raise AudiolmError(f"no {root}/clotho_captions_{part}.csv; get it from {URL}, or name other --sets and --parts")
    for folder in (root / part, root / f"clotho_audio_{part}" / part):
        if folder.is_dir():
            return folder
    raise AudiolmError(
        f"no folder {root / part}; get and unpack clotho_audio_{part}.7z from {URL}, or name other --sets and --parts"
    )


def read(root: Path, folders: dict[str, Path], parts: list[str]) -> Found:
    """The clips of some parts, each in its folder, with an utterance for each caption."""
    found = Found()
    for part in parts:
        files = audio_by_stem(folders[part])
        for _, row in read_csv(root / f"clotho_captions_{part}.csv", ("file_name", *CAPTIONS)):
            stem = Path(row["file_name"].strip()).stem
            id = make_id(stem)
            captions = [Utterance(f"{id}-{number}", id, row[name]) for number, name in enumerate(CAPTIONS, 1)]
            found.recordings.append(Recording(id, files.pop(stem, folders[part] / row["file_name"].strip()), captions))
        found.faults.update((make_id(stem), f"no caption of {path}") for stem, path in files.items())
    return found
