"""WavCaps (Mei et al., 2024): 403 000 captioned clips, 7 600 h, 32 kHz, for academic use; by cvssp on Hugging Face.

``json_files/FreeSound/fsd_final.json``, ``BBC_Sound_Effects/bbc_final.json``, ``SoundBible/sb_final.json`` and
``AudioSet_SL/as_final.json`` list id, caption and seconds of every clip; the archives of ``Zip_files`` unpack to
folders ``FreeSound_flac``, ``BBC_Sound_Effects_flac``, ``SoundBible_flac``, ``AudioSet_SL_flac``. Left out by rule are
the clips of the blacklists (``json_files/blacklist``: what test sets of other corpora share) and clips over 180 s.
"""

import argparse
import os
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
    make_id,
    read_json,
    write_sets,
)
from audiolm.errors import AudiolmError

GET = "WavCaps (json_files and Zip_files) from https://huggingface.co/datasets/cvssp/WavCaps"
# Source -> its JSON file, below json_files; and the key of its ids in the blacklists, where they have one.
SOURCES = {
    "FreeSound": ("FreeSound/fsd_final.json", "FreeSound"),
    "BBC_Sound_Effects": ("BBC_Sound_Effects/bbc_final.json", ""),
    "SoundBible": ("SoundBible/sb_final.json", ""),
    "AudioSet_SL": ("AudioSet_SL/as_final.json", "AudioSet"),
}
BLACKLISTS = ("blacklist_exclude_all_ac.json", "blacklist_exclude_ub8k_esc50_vggsound.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    parser.add_argument("--sources", nargs="+", choices=list(SOURCES), default=list(SOURCES), help="what to take")
    parser.add_argument("--blacklists", nargs="*", default=list(BLACKLISTS), help="files of json_files/blacklist")
    parser.add_argument("--max_seconds", type=float, default=180.0, help="longer clips are left out")
    add_held_out_options(parser, 500, "clips")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets: the corpus has no parts, so clips are drawn for all but the first."""
    root = find_root(args.corpus_dir, GET, "json_files")
    everything = Found()
    check_complete(root, args.corpus_dir, args.sources, args.blacklists)
    blacklist = read_blacklists(root / "json_files" / "blacklist", args.blacklists)
    for source in args.sources:
        add_source(everything, root, args.corpus_dir, source, blacklist, args.max_seconds)
    check_some(everything, "WavCaps")
    clips = {recording.id: {recording.id} for recording in everything.recordings}
    set_of, _ = draw_sets(clips, args.sets, args.held_out, args.seed)
    sets = {name: Found() for name in args.sets}
    for recording in everything.recordings:
        sets[set_of[recording.id]].recordings.append(recording)
    sets[args.sets[0]].faults, sets[args.sets[0]].left_out = everything.faults, everything.left_out
    write_sets(args, sets.items())


def check_complete(root: Path, corpus_dir: Path, sources: list[str], blacklists: list[str]) -> None:
    """Refuse a copy without a blacklist, or a source's JSON file or folder, naming each."""
    names = [f"json_files/blacklist/{name}" for name in blacklists]
    missing = [name for name in names if not (root / name).is_file()]
    for source in sources:
        if not (root / "json_files" / SOURCES[source][0]).is_file():
            missing.append(f"json_files/{SOURCES[source][0]}")
        if find_clips(corpus_dir, source) is None:
            missing.append(f"folder {source}_flac (Zip_files/{source})")
    if missing:
        raise AudiolmError(
            f"{corpus_dir} lacks {', '.join(missing)}; get {GET}, or name what you have with --sources, --blacklists"
        )


def find_clips(corpus_dir: Path, source: str) -> Path | None:
    """The folder ``<source>_flac``, wherever the archives' long paths put it."""
    for folder, below, _ in os.walk(corpus_dir, followlinks=True):
        if f"{source}_flac" in below:
            return Path(folder, f"{source}_flac")
        below[:] = sorted(name for name in below if not name.endswith("_flac"))  # hundreds of thousands of clips
    return None


def read_blacklists(folder: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """Key (``FreeSound``, ``AudioSet``) -> id without suffix -> the list that names it."""
    table: dict[str, dict[str, str]] = {}
    for name in names:
        content = read_json(folder / name)
        if not isinstance(content, dict) or not all(isinstance(ids, list) for ids in content.values()):
            raise AudiolmError(f"{folder / name} is no table of lists of ids, FreeSound's and AudioSet's; get {GET}")
        for key, ids in content.items():
            table.setdefault(key, {}).update((Path(str(id)).stem, name) for id in ids)
    return table


def add_source(
    found: Found,
    root: Path,
    corpus_dir: Path,
    source: str,
    blacklist: dict[str, dict[str, str]],
    max_seconds: float,
) -> None:
    """Add the clips of one source."""
    path = root / "json_files" / SOURCES[source][0]
    content = read_json(path)
    clips = content.get("data") if isinstance(content, dict) else content
    if not isinstance(clips, list):
        raise AudiolmError(f"{path} has no list 'data' of clips; get {GET}")
    folder = find_clips(corpus_dir, source)
    files = audio_by_stem(folder)
    listed = blacklist.get(SOURCES[source][1], {})
    for number, clip in enumerate(clips):
        try:
            name, caption, seconds = Path(str(clip["id"])).stem, str(clip["caption"]), float(clip["duration"])
        except (KeyError, TypeError, ValueError) as error:
            found.faults[f"{path.name}:{number}"] = f"clip {number} lacks id, caption or duration ({error})"
            continue
        id = f"{source}-{make_id(name)}"
        file = files.pop(name, folder / f"{name}.flac")
        if name in listed:
            found.left_out[id] = f"in {listed[name]}"
        elif seconds > max_seconds:
            found.left_out[id] = f"lasts {seconds:g} s, more than --max_seconds {max_seconds:g}"
        else:
            found.recordings.append(Recording(id, file, [Utterance(id, None, caption)]))
    found.faults.update(
        (f"{source}-{make_id(name)}", f"{path.name} has no clip {file}") for name, file in files.items()
    )
