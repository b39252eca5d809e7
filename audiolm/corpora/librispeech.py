"""LibriSpeech (Panayotov et al., 2015): 1000 h of read English, 16 kHz; CC BY 4.0, openslr.org/12.

``LibriSpeech/<part>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac`` with one ``.trans.txt`` a chapter, and
``SPEAKERS.TXT``. An utterance is a recording; no speaker is in two parts.
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
    names_of,
    parts_by_set,
    read_lines,
    write_sets,
)
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

URL = "https://www.openslr.org/12"
PARTS = (
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
)
DEFAULT_PARTS = ("train-clean-100+train-clean-360+train-other-500", "dev-clean+dev-other", "test-clean+test-other")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_parts_option(parser, DEFAULT_PARTS, PARTS)


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    table = parts_by_set(args, PARTS)
    root = find_root(args.corpus_dir, f"LibriSpeech from {URL}", "SPEAKERS.TXT")
    wanted = [part for parts in table.values() for part in parts]
    if missing := [part for part in wanted if not (root / part).is_dir()]:
        archives = ", ".join(f"{part}.tar.gz" for part in missing)
        raise AudiolmError(f"{root} has no {names_of(missing)}; get {archives} from {URL}, or name others with --parts")
    genders = read_genders(root / "SPEAKERS.TXT")
    write_sets(args, ((name, read(root, parts, genders)) for name, parts in table.items()))


def read_genders(path: Path) -> dict[str, str]:
    """Speaker -> ``f`` or ``m``, of ``SPEAKERS.TXT`` (``14 | F | train-clean-360 | 25.03 | Kristin LeMoine``)."""
    genders = {}
    for number, line in read_lines(path):
        if line.startswith(";") or not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 3 or fields[1] not in ("F", "M"):
            raise AudiolmError(f"{path}:{number}: found '{line}', expected '<speaker> | <F or M> | <part> | …'")
        genders[fields[0]] = fields[1].lower()
    return genders


def read(root: Path, parts: list[str], genders: dict[str, str]) -> Found:
    """The utterances of some parts, by chapter."""
    found = Found(others={"spk2gender": genders})
    chapters = [chapter for part in parts for chapter in sorted((root / part).glob("*/*")) if chapter.is_dir()]
    for chapter in progress(chapters, desc="chapters"):
        speaker = chapter.parent.name
        table = chapter / f"{speaker}-{chapter.name}.trans.txt"
        files = audio_by_stem(chapter)
        texts, why = {}, f"has no transcript in {table.name}"
        try:
            lines = list(read_lines(table)) if table.is_file() else []
        except AudiolmError as error:
            lines, why = [], f"has no transcript that can be read: {error}"
        if lines:
            texts = {name: text for name, _, text in (line.partition(" ") for _, line in lines) if name}
        for utt, text in texts.items():
            path = files.get(utt, chapter / f"{utt}.flac")
            found.recordings.append(Recording(utt, path, [Utterance(utt, speaker, text)]))
        for utt in files.keys() - texts.keys():
            found.faults[utt] = f"{files[utt]} {why}"
    return found
