"""VCTK (Yamagishi et al., 2019): 44 h of 110 speakers of English with many accents, 48 kHz; CC BY 4.0.

Both layouts are read: 0.92 (``wav48_silence_trimmed/<speaker>/<id>_mic1.flac`` and ``_mic2``) and 0.80
(``wav48/<speaker>/<id>.wav``), with ``txt/<speaker>/<id>.txt`` and ``speaker-info.txt``. Speaker p315 has no
transcripts, and p280 no second microphone in 0.92; both are left out by rule. Whole speakers are held out.
"""

import argparse
from pathlib import Path

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_held_out_options,
    audio_by_stem,
    draw_sets,
    find_root,
    read_lines,
    write_sets,
)
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

GET = "VCTK 0.92 (VCTK-Corpus-0.92.zip) from https://datashare.ed.ac.uk/handle/10283/3443"
KNOWN_GAPS = {"p315": "the corpus has no transcripts of speaker p315", "p280": "speaker p280 was not recorded by mic2"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    parser.add_argument("--mic", choices=["mic1", "mic2"], default="mic2", help="microphone, of release 0.92")
    add_held_out_options(parser, 6, "speakers")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    root = find_root(args.corpus_dir, GET, "txt")
    trimmed = root / "wav48_silence_trimmed"
    audio = trimmed if trimmed.is_dir() else root / "wav48"
    if not audio.is_dir():
        raise AudiolmError(f"{root} has neither wav48_silence_trimmed (release 0.92) nor wav48 (0.80); get {GET}")
    names = {path.name for folder in (root / "txt", audio) for path in folder.iterdir() if path.is_dir()}
    set_of, _ = draw_sets({name: {name} for name in names - KNOWN_GAPS.keys()}, args.sets, args.held_out, args.seed)
    set_of |= dict.fromkeys(names & KNOWN_GAPS.keys(), args.sets[0])
    sets = {name: Found(others={"spk2gender": read_genders(root / "speaker-info.txt")}) for name in args.sets}
    for speaker in progress(sorted(names), desc="speakers"):
        add_speaker(sets[set_of[speaker]], root, audio, speaker, f"_{args.mic}" if audio == trimmed else "")
    write_sets(args, sets.items())


def read_genders(path: Path) -> dict[str, str]:
    """Speaker -> ``f`` or ``m``; release 0.80 writes ``225`` where 0.92 writes ``p225``."""
    genders = {}
    if path.is_file():
        for _, line in list(read_lines(path))[1:]:
            fields = line.split()
            if len(fields) > 2:
                genders[f"p{fields[0]}" if fields[0].isdigit() else fields[0]] = fields[2].lower()
    return genders


def add_speaker(found: Found, root: Path, audio: Path, speaker: str, suffix: str) -> None:
    """Add one speaker's utterances; ``suffix`` (``_mic2``) ends the names of the files that are taken."""
    files = {
        stem.removesuffix(suffix): path
        for stem, path in audio_by_stem(audio / speaker).items()
        if stem.endswith(suffix)
    }
    texts = {path.stem: path for path in sorted((root / "txt" / speaker).glob("*.txt"))}
    missing = found.left_out if speaker in KNOWN_GAPS else found.faults
    for id in sorted(files.keys() | texts.keys()):
        if id not in texts:
            missing[id] = KNOWN_GAPS.get(speaker, f"{files[id]} has no transcript txt/{speaker}/{id}.txt")
        elif id not in files:
            missing[id] = KNOWN_GAPS.get(
                speaker, f"there is no audio {audio.name}/{speaker}/{id}{suffix} of {texts[id]}"
            )
        else:
            try:
                text = " ".join(line for _, line in read_lines(texts[id])).strip()
            except AudiolmError as error:
                found.faults[id] = str(error)
                continue
            if not text:
                found.faults[id] = f"its transcript {texts[id]} is empty"
                continue
            found.recordings.append(Recording(id, files[id], [Utterance(id, speaker, text)]))
