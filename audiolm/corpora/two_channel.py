"""Any folder of two-channel recordings: speaker A on channel 1, speaker B on channel 2 (podcasts, calls, interviews).

Every audio file below the folder is a recording of two channels. Their transcripts are NIST's STM (audiolm.data.stm):
beside a file of the same name (``talk.stm`` of ``talk.wav``), or one for many files, which its lines name first. Files
without one are kept, for stages that need no transcript. Whole files are held out, and their speakers with them.
"""

import argparse
import os
from collections.abc import Callable, Iterator
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
from audiolm.data.stm import Stretch, parse
from audiolm.data.tables import Turn, channel_index, channel_name
from audiolm.errors import AudiolmError

SUFFIX = ".stm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_held_out_options(parser, 1, "files")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    files = find_files(args.corpus_dir)
    everything = {
        id: Found([Recording(f"{id}-{channel}", path, [], id, channel) for channel in "AB"])
        for id, path in files.items()
    }
    stems: dict[str, list[str]] = {}
    for id, path in files.items():
        stems.setdefault(path.stem.lower(), []).append(id)

    def find_audio(name: str, folder: Path) -> str | None:
        return choose(files, stems, name, folder)

    faults: dict[str, str] = {}
    for table in walk(args.corpus_dir):
        if table.suffix.lower() == SUFFIX:
            add_transcript(everything, find_audio, table, args.corpus_dir, faults)
    voices = {
        id: {u.speaker for r in found.recordings for u in r.utterances} or {id} for id, found in everything.items()
    }
    set_of, left_out = draw_sets(voices, args.sets, args.held_out, args.seed)
    sets = {name: Found() for name in args.sets}
    sets[args.sets[0]].left_out = left_out
    sets[args.sets[0]].faults |= faults
    for id, name in set_of.items():
        sets[name].recordings += everything[id].recordings
        sets[name].faults |= everything[id].faults
        sets[name].noises += everything[id].noises
        sets[name].turns |= bool(everything[id].noises) or any(r.utterances for r in everything[id].recordings)
    write_sets(args, sets.items())


def walk(corpus_dir: Path) -> Iterator[Path]:
    """Every file below a folder, in order, without the shadows (``._talk.wav``) that macOS leaves in archives."""
    for folder, below, names in os.walk(corpus_dir, followlinks=True):
        below.sort()
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("._"))


def find_files(corpus_dir: Path) -> dict[str, Path]:
    """Id (path below the folder, without suffix) -> audio file."""
    files: dict[str, Path] = {}
    for path in walk(corpus_dir):
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


def add_transcript(
    everything: dict[str, Found],
    find_audio: Callable[[str, Path], str | None],
    table: Path,
    corpus_dir: Path,
    faults: dict[str, str],
) -> None:
    """Give the lines of an STM to the files that they are of; what is wrong with it goes to them, or to ``faults``."""
    own = find_audio(table.stem, table.parent)
    own = own if own and everything[own].recordings[0].path.parent == table.parent else None
    known_as = own or make_id(table.relative_to(corpus_dir).as_posix())
    to = everything[own].faults if own else faults
    stretches: list[tuple[int, Stretch]] = []
    try:
        for number, line in read_lines(table):
            try:
                if stretch := parse(line):
                    stretches.append((number, stretch))
            except AudiolmError as error:
                to[f"{known_as}:{number}"] = f"{table.name}: {error}"
    except AudiolmError as error:
        to[known_as] = str(error)
        return
    names = dict.fromkeys(stretch.file for _, stretch in stretches)
    ids = {name: find_audio(name, table.parent) for name in names}
    if own and len(ids) == 1 and None in ids.values():  # the first field is another name of the only file
        ids = dict.fromkeys(ids, own)
    if not own and not any(ids.values()):
        to[known_as] = f"there is no audio of {table} ({', '.join(AUDIO_SUFFIXES)}), nor of a file that it names"
        return
    for name in (name for name, id in ids.items() if id is None):
        first = next(number for number, stretch in stretches if stretch.file == name)
        to[f"{known_as}:{first}"] = f"{table.name}: there is no audio of '{name}', or there are several; its lines go"
    channels = {stretch.channel for _, stretch in stretches}
    if {"0", "2"} <= channels:
        to[known_as] = f"{table} counts channels from 0 and from 1 (it has 0 and 2); write one kind, or A and B"
        return
    for number, stretch in stretches:
        if id := ids[stretch.file]:
            fault = add_stretch(everything[id], id, stretch, 0 if "0" in channels else 1)
            if fault:
                to[f"{known_as}:{number}"] = f"{table.name}: {fault}"


def choose(files: dict[str, Path], stems: dict[str, list[str]], name: str, folder: Path) -> str | None:
    """The id of the audio file that a transcript in ``folder`` calls ``name``, if there is one such file.

    Names may have a suffix or folders before them. Of several files those in ``folder`` come first, then those whose
    names have the same capitals. ``stems``: names without suffix, in small letters -> ids.
    """
    path = Path(name)
    stem = path.stem if path.suffix.lower() in AUDIO_SUFFIXES else path.name
    found = stems.get(stem.lower(), [])
    for preferred in (lambda audio: audio.parent == folder, lambda audio: audio.stem == stem):
        found = [id for id in found if preferred(files[id])] or found
    return found[0] if len(found) == 1 else None


def add_stretch(found: Found, id: str, stretch: Stretch, first: int) -> str:
    """Add a line of a transcript, or return what is wrong with it; ``first``: the number of the first channel."""
    channel = channel_name(stretch.channel, first)
    index = channel_index(channel) if channel else 2
    if index > 1:
        return f"found channel '{stretch.channel}' of '{stretch.file}', expected A or B (1 or 2)"
    if not stretch.is_scored:
        return ""
    if not stretch.text:
        found.noises.append(Turn(id, str(index + 1), stretch.start, stretch.end - stretch.start, stretch.speaker))
        return ""
    times = f"{round(stretch.start * 100):06d}-{round(stretch.end * 100):06d}"
    utt = f"{stretch.speaker}-{id}-{'AB'[index]}-{times}"
    utterance = Utterance(utt, stretch.speaker, stretch.text, stretch.start, stretch.end)
    found.recordings[index].utterances.append(utterance)
    return ""
