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
    write_sets(args, ((name, read(root, parts)) for name, parts in table.items()))


def read(root: Path, parts: list[str]) -> Found:
    """The clips of some parts, with an utterance for each caption."""
    found = Found()
    for part in parts:
        folders = [folder for folder in (root / part, root / f"clotho_audio_{part}" / part) if folder.is_dir()]
        if not folders:
            raise AudiolmError(f"no folder {root / part}; get and unpack clotho_audio_{part}.7z from {URL}")
        files = audio_by_stem(folders[0])
        for _, row in read_csv(root / f"clotho_captions_{part}.csv", ("file_name", *CAPTIONS)):
            stem = Path(row["file_name"].strip()).stem
            id = make_id(stem)
            captions = [Utterance(f"{id}-{number}", id, row[name]) for number, name in enumerate(CAPTIONS, 1)]
            found.recordings.append(Recording(id, files.pop(stem, folders[0] / row["file_name"].strip()), captions))
        found.faults.update((make_id(stem), f"no caption of {path}") for stem, path in files.items())
    return found
