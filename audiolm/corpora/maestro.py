"""MAESTRO 3.0.0 (Hawthorne et al., 2019): 199 h of piano, 44.1 and 48 kHz stereo, with MIDI; CC BY-NC-SA 4.0.

``maestro-v3.0.0.csv`` (or ``.json``) names composer, title, part, MIDI and audio file of every performance. The data
directory has ``midi.scp`` beside its tables; ``text`` is composer and title. Recordings are stereo: ``audiolm audio
--downmix`` makes one channel of them.
"""

import argparse
from pathlib import Path

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_parts_option,
    find_root,
    make_id,
    parts_by_set,
    read_csv,
    read_json,
    write_sets,
)
from audiolm.errors import AudiolmError

GET = "MAESTRO 3.0.0 (maestro-v3.0.0.zip) from https://magenta.tensorflow.org/datasets/maestro"
NAME = "maestro-v3.0.0"
PARTS = ("train", "validation", "test")
COLUMNS = ("canonical_composer", "canonical_title", "split", "midi_filename", "audio_filename")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_parts_option(parser, PARTS, PARTS)


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    table = parts_by_set(args, PARTS)
    root = find_root(args.corpus_dir, GET, f"{NAME}.csv", f"{NAME}.json")
    if (root / f"{NAME}.csv").is_file():
        rows = [row for _, row in read_csv(root / f"{NAME}.csv", COLUMNS)]
    else:
        rows = read_rows(root / f"{NAME}.json")
    if unknown := sorted({row["split"] for row in rows} - set(PARTS)):
        raise AudiolmError(
            f"{root / NAME}: a performance is of part '{unknown[0]}', expected one of {', '.join(PARTS)}"
        )
    if not any((root / row["audio_filename"]).is_file() for row in rows):  # the archive of MIDI alone has these tables
        raise AudiolmError(f"none of the recordings that {NAME} names is in {root}; get {GET}")
    write_sets(args, ((name, read(root, rows, parts)) for name, parts in table.items()))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of the JSON table: column -> number -> value."""
    table = read_json(path)
    try:
        return [{name: str(table[name][number]) for name in COLUMNS} for number in table["split"]]
    except (KeyError, TypeError):
        raise AudiolmError(f"{path} is no table of the columns {', '.join(COLUMNS)}; get {GET}") from None


def read(root: Path, rows: list[dict[str, str]], parts: list[str]) -> Found:
    """The performances of some parts."""
    found = Found(others={"midi.scp": {}})
    named = set()
    for row in rows:
        named.add(row["audio_filename"])
        if row["split"] not in parts:
            continue
        id = make_id(Path(row["audio_filename"]).stem)
        text = f"{row['canonical_composer']}: {row['canonical_title']}"
        found.recordings.append(Recording(id, root / row["audio_filename"], [Utterance(id, None, text)]))
        midi = root / row["midi_filename"]
        if midi.is_file():
            found.others["midi.scp"][id] = str(midi.absolute())
        else:
            found.faults[f"{id}.midi"] = f"there is no MIDI file {midi}; the recording is kept"
    if "train" in parts:  # performances that no line names are of no part
        for path in sorted(root.glob("*/*.wav")):
            if (name := path.relative_to(root).as_posix()) not in named:
                found.faults[make_id(name)] = f"no line of {NAME} names {path}"
    return found
