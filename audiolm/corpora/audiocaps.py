"""AudioCaps (Kim et al., 2019): captions of 51 000 ten-second clips of AudioSet; github.com/cdjkim/audiocaps.

``dataset/train.csv``, ``val.csv`` and ``test.csv`` have lines ``audiocap_id,youtube_id,start_time,caption`` (five
captions a clip in val and test). The audio is YouTube's: whoever has a copy keeps it in folders ``train``, ``val`` and
``test``, under one of the names ``<youtube_id>_<start>``, ``Y<youtube_id>``, ``<youtube_id>`` or ``<audiocap_id>``.
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
    parts_by_set,
    read_csv,
    write_sets,
)
from audiolm.errors import AudiolmError

GET = "AudioCaps (dataset/*.csv) from https://github.com/cdjkim/audiocaps"
PARTS = ("train", "val", "test")
COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_parts_option(parser, PARTS, PARTS)


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    table = parts_by_set(args, PARTS)
    root = find_root(args.corpus_dir, GET, *(f"{part}.csv" for part in PARTS))
    folders = {}
    for part in (part for parts in table.values() for part in parts):  # all, before any is read
        if not (root / f"{part}.csv").is_file():
            raise AudiolmError(f"no {root / part}.csv; get {GET}, or name other --sets and --parts")
        places = [place / part for place in (args.corpus_dir, root, args.corpus_dir / "audio")]
        folders[part] = next((folder for folder in places if folder.is_dir()), None)
        if folders[part] is None:
            raise AudiolmError(
                f"no folder {places[0]} with the clips of {part}.csv, which are YouTube's to give; put there what you"
                " have, as <youtube_id>_<start>.wav, or name other --sets and --parts"
            )
    write_sets(args, ((name, read(root, folders, parts)) for name, parts in table.items()))


def read(root: Path, folders: dict[str, Path], parts: list[str]) -> Found:
    """The clips of some parts, each in its folder; a clip with several captions has an utterance for each."""
    found = Found()
    for part in parts:
        files = audio_by_stem(folders[part])
        clips: dict[str, Recording] = {}
        for _, row in read_csv(root / f"{part}.csv", COLUMNS):
            clip = f"{row['youtube_id']}_{row['start_time']}"
            if clip not in clips:
                names = (clip, f"Y{row['youtube_id']}", row["youtube_id"], row["audiocap_id"])
                path = next((files[name] for name in names if name in files), folders[part] / f"{clip}.wav")
                clips[clip] = Recording(f"Y{clip}", path, [])
            number = len(clips[clip].utterances) + 1
            clips[clip].utterances.append(Utterance(f"Y{clip}-{number}", f"Y{clip}", row["caption"]))
        found.recordings += clips.values()
        taken = {recording.path for recording in clips.values()}
        found.faults.update(
            (f"{part}/{path.name}", f"{part}.csv has no caption of {path}")
            for path in files.values()
            if path not in taken
        )
    return found
