"""Fisher English Training, parts 1 and 2 (Cieri et al., 2004): 11 699 telephone calls, 1 960 h, 8 kHz, two channels.

Licensed by the LDC in four packages: speech LDC2004S13 and LDC2005S13, transcripts LDC2004T19 and LDC2005T19. Wherever
they lie below the corpus folder, these are found by their names, as every edition of the packages has them:

- ``fe_03_00001.sph``: SPHERE, mu-law, caller A on channel 1 (``.wav`` and ``.flac`` of the same name will do);
- ``trans/…/fe_03_00001.txt``: lines ``<start> <end> <A or B>: <words>`` in seconds;
- ``fe_03_p1_calldata.tbl``, ``fe_03_p2_calldata.tbl``: who was on which channel; ``fe_03_pindata.tbl``: the speakers.

A channel is a recording. ``[laughter]``, ``[noise]`` and the like are no words; words in ``(( ))`` are the
transcriber's best guess and stay. Lines without words become turns of ``rttm``, and no utterances.
"""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_held_out_options,
    draw_sets,
    read_csv,
    read_lines,
    write_sets,
)
from audiolm.data.tables import Turn
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

FIRST_OF_PART_2 = 5851
SPEECH = {1: "LDC2004S13", 2: "LDC2005S13"}
TRANSCRIPTS = {1: "LDC2004T19", 2: "LDC2005T19"}
CALL = re.compile(r"(fe_03_(\d{5}))\.(sph|wav|flac|txt)", re.ASCII)
LINE = re.compile(r"(\d+(?:\.\d+)?)\s+(\d+(?:\.\d+)?)\s+([AB]):\s*(.*)")
NOT_WORDS = re.compile(r"\[+[^\[\]]*\]+|\(\(|\)\)")
CALLDATA = ("CALL_ID", "APIN", "ASX.DL", "BPIN", "BSX.DL")
# A start that lost its first digit.
CORRECTIONS = {("fe_03_11487", "31.09", "234.06"): "231.09"}


@dataclass
class Files:
    """What was found below the corpus folder: call -> audio and transcript; the tables."""

    audio: dict[str, Path] = field(default_factory=dict)
    text: dict[str, Path] = field(default_factory=dict)
    calldata: list[Path] = field(default_factory=list)
    pindata: list[Path] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    parser.add_argument("--releases", type=int, nargs="+", choices=[1, 2], default=[1, 2], help="parts of the corpus")
    add_held_out_options(parser, 50, "calls")


def prepare(args: argparse.Namespace) -> None:
    """Write the sets; a speaker is in one of them only."""
    files = find_files(args.corpus_dir)
    check_complete(files, args.corpus_dir, args.releases)
    callers, genders = read_callers(files)
    known = {
        call: callers.get(call, {}).values()
        for call in sorted(files.audio.keys() | files.text.keys())
        if part_of(call) in args.releases
    }
    set_of, left_out = draw_sets(known, args.sets, args.held_out, args.seed)
    for call in left_out:
        set_of[call] = args.sets[0]

    def sets():
        for name in args.sets:
            found = Found(turns=True, others={"spk2gender": genders})
            for call in progress([call for call in known if set_of[call] == name], desc=f"transcripts of {name}"):
                if call in left_out:
                    found.left_out[call] = left_out[call]
                else:
                    add_call(found, call, files, callers.get(call))
            yield name, found

    write_sets(args, sets())


def part_of(call: str) -> int:
    """Part 1 or 2, of ``fe_03_05851``."""
    return 2 if int(call[-5:]) >= FIRST_OF_PART_2 else 1


def find_files(corpus_dir: Path) -> Files:
    """Walk the folder (links too) and take what has the names of the corpus."""
    found = Files()
    for folder, below, names in os.walk(corpus_dir, followlinks=True):
        below.sort()
        if "bbn_orig" in below:
            below.remove("bbn_orig")  # the same calls as one of the transcribers delivered them
        for name in sorted(names):
            path = Path(folder, name)
            low = name.lower()  # copies by way of ISO 9660 have capitals
            if low.endswith("_calldata.tbl"):
                found.calldata.append(path)
            elif low.endswith("pindata.tbl"):
                found.pindata.append(path)
            elif match := CALL.fullmatch(low):
                table = found.text if match[3] == "txt" else found.audio
                table.setdefault(match[1], path)
    return found


def check_complete(files: Files, corpus_dir: Path, releases: Sequence[int]) -> None:
    """Refuse a copy without one of the packages, naming each."""
    missing = []
    for part in sorted(set(releases)):
        span = "fe_03_00001 to 05850" if part == 1 else "fe_03_05851 to 11699"
        if not any(part_of(call) == part for call in files.audio):
            missing.append(f"{SPEECH[part]} (speech, part {part}: {span}.sph)")
        if not any(part_of(call) == part for call in files.text):
            missing.append(f"{TRANSCRIPTS[part]} (transcripts, part {part}: {span}.txt)")
        elif not any(f"_p{part}_" in path.name.lower() for path in files.calldata):
            missing.append(f"fe_03_p{part}_calldata.tbl of {TRANSCRIPTS[part]} (its folder doc)")
    if missing:
        raise AudiolmError(
            f"--corpus_dir {corpus_dir} lacks {'; '.join(missing)}; the LDC licenses them, each at"
            " https://catalog.ldc.upenn.edu/<number>. Unpack or link all below one folder, or name the parts that you"
            " have with --releases"
        )


def read_callers(files: Files) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Call -> channel -> speaker (his PIN); and speaker -> ``f`` or ``m``, of himself or as he was heard."""
    callers, genders = {}, {}
    for table in files.calldata:
        for _, row in read_csv(table, CALLDATA):
            call = f"fe_03_{row['CALL_ID'].strip():0>5}"
            callers[call] = {}
            for channel in "AB":
                speaker = row[f"{channel}PIN"].strip() or f"{call}-{channel}"
                callers[call][channel] = speaker
                if (heard := row[f"{channel}SX.DL"].strip()[:1].lower()) in ("f", "m"):
                    genders.setdefault(speaker, heard)
    for table in files.pindata:
        for _, row in read_csv(table, ("PIN", "S_SEX")):
            if (sex := row["S_SEX"].strip()[:1].lower()) in ("f", "m"):
                genders[row["PIN"].strip()] = sex
    return callers, genders


def add_call(found: Found, call: str, files: Files, callers: dict[str, str] | None) -> None:
    """Add both channels of a call, or say what it lacks."""
    part = part_of(call)
    if call not in files.audio:
        found.faults[call] = f"there is no audio {call}.sph of {files.text[call]}; {SPEECH[part]} has it"
    elif call not in files.text:
        found.faults[call] = f"{files.audio[call]} has no transcript {call}.txt; {TRANSCRIPTS[part]} has it"
    elif callers is None:
        found.faults[call] = f"fe_03_p{part}_calldata.tbl has no line of this call, which says who speaks"
    else:
        sides = {
            channel: Recording(f"{call}-{channel}", files.audio[call], [], call, channel) for channel in sorted(callers)
        }
        try:
            lines = list(read_lines(files.text[call]))
        except AudiolmError as error:
            found.faults[call] = str(error)
            return
        for number, line in lines:
            if line.strip() and not line.startswith("#"):
                add_line(found, call, sides, callers, number, line)
        found.recordings += sides.values()


def add_line(
    found: Found, call: str, sides: dict[str, Recording], callers: dict[str, str], number: int, line: str
) -> None:
    """Add one line of a transcript."""
    match = LINE.fullmatch(line.strip())
    if not match:
        found.faults[f"{call}:{number}"] = f"found '{line.strip()}', expected '<start> <end> <A or B>: <words>'"
        return
    start = float(CORRECTIONS.get((call, match[1], match[2]), match[1]))
    end, channel = float(match[2]), match[3]
    speaker = callers[channel]
    words = words_of(match[4])
    if words:
        utt = f"{speaker}-{call}-{channel}-{round(start * 100):06d}-{round(end * 100):06d}"
        sides[channel].utterances.append(Utterance(utt, speaker, words, start, end))
    else:
        found.noises.append(Turn(call, str("AB".index(channel) + 1), start, end - start, speaker))


def words_of(text: str) -> str:
    """The words of a line, without marks of noise and doubt; letters of acronyms apart.

    >>> words_of("(( i think )) on t._v. [laughter]")
    'i think on t. v.'
    """
    return " ".join(NOT_WORDS.sub(" ", text).replace("_", " ").split())
