"""AMI Meeting Corpus (Carletta et al., 2005): 100 h of meetings of three to five people, 16 kHz; CC BY 4.0.

Audio as its server gives it, ``<meeting>/audio/<meeting>.Mix-Headset.wav`` (or ``.Headset-0.wav`` …, one a speaker),
and the manual annotations 1.6.2 in NXT's XML: ``words/<meeting>.<agent>.words.xml``,
``segments/<meeting>.<agent>.segments.xml`` and ``corpusResources/meetings.xml``. The sets are those of the corpus's
"full-corpus-ASR" partition. Segments become utterances and turns (``rttm``), words have their times (``ctm``).
"""

import argparse
import math
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from audiolm.corpora.base import (
    Found,
    Recording,
    Utterance,
    add_parts_option,
    find_root,
    names_of,
    parts_by_set,
    write_sets,
)
from audiolm.data.tables import Turn, number_of
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

ANNOTATIONS = "the manual annotations (ami_public_manual_1.6.2.zip) from https://groups.inf.ed.ac.uk/ami/download"
AUDIO = "https://groups.inf.ed.ac.uk/ami/download (streams 'Headset mix', or 'Individual headsets')"
NITE = "{http://nite.sourceforge.net/}"
RANGE = re.compile(r"([^#]+)#id\(([^)]+)\)(?:\.\.id\(([^)]+)\))?")
# Sessions (all meetings whose names begin so) of the partition "full-corpus-ASR".
PARTS = {
    "train": "ES2002 ES2003 ES2005 ES2006 ES2007 ES2008 ES2009 ES2010 ES2012 ES2013 ES2014 ES2015 ES2016 IS1000 IS1001"
    " IS1002 IS1003 IS1004 IS1005 IS1006 IS1007 TS3005 TS3006 TS3007 TS3008 TS3009 TS3010 TS3011 TS3012 EN2001 EN2003"
    " EN2004 EN2005 EN2006 EN2009 IN1001 IN1002 IN1005 IN1007 IN1008 IN1009 IN1012 IN1013 IN1014 IN1016",
    "dev": "ES2011 IS1008 TS3004 IB4001 IB4002 IB4003 IB4004 IB4010 IB4011",
    "test": "ES2004 IS1009 TS3003 EN2002",
}


class Speaker(NamedTuple):
    """Who an agent (``A`` …) of a meeting is, and the number of his headset."""

    name: str
    headset: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    add_parts_option(parser, ("train", "dev", "test"), PARTS)
    parser.add_argument(
        "--mic",
        choices=["mix", "headset"],
        default="mix",
        help="mix: one recording a meeting, of all headsets; headset: one recording a speaker",
    )


def prepare(args: argparse.Namespace) -> None:
    """Write the sets."""
    table = parts_by_set(args, PARTS)
    root = find_root(args.corpus_dir, ANNOTATIONS, "corpusResources/meetings.xml")
    for folder in ("words", "segments"):
        if not (root / folder).is_dir():
            raise AudiolmError(f"no folder {root / folder}; get {ANNOTATIONS}")
    speakers = read_speakers(root / "corpusResources" / "meetings.xml")
    audio = find_audio(args.corpus_dir)
    if not audio:
        raise AudiolmError(f"no <meeting>/audio folder below {args.corpus_dir}; get audio from {AUDIO}")
    part_of = {session: part for part, sessions in PARTS.items() for session in sessions.split()}
    meetings = {
        name: [meeting for meeting in sorted(speakers) if part_of.get(meeting[:6]) in parts]
        for name, parts in table.items()
    }
    if not audio.keys() & {meeting for named in meetings.values() for meeting in named}:
        raise AudiolmError(f"no audio of {names_of(sorted(speakers))} below {args.corpus_dir}; get it from {AUDIO}")
    if no_part := sorted(meeting for meeting in speakers if meeting[:6] not in part_of):
        print(f"in no part of the corpus's partition, and so in no set: {names_of(no_part)}")
    write_sets(args, ((name, read(root, audio, own, speakers, args.mic)) for name, own in meetings.items()))


def parse(path: Path) -> ElementTree.Element:
    """The root element of an XML file of the annotations."""
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}; get {ANNOTATIONS}") from None
    except ElementTree.ParseError as error:
        raise AudiolmError(f"{path} is no XML ({error}); get {ANNOTATIONS}") from None


def read_speakers(path: Path) -> dict[str, dict[str, Speaker]]:
    """Meeting -> agent -> who that is."""
    try:
        return {
            meeting.attrib["observation"]: {
                person.attrib["nxt_agent"]: Speaker(person.attrib["global_name"], int(person.attrib["channel"]))
                for person in meeting
            }
            for meeting in parse(path)
        }
    except (KeyError, ValueError) as error:
        raise AudiolmError(f"{path}: a meeting or speaker is incomplete ({error}); get {ANNOTATIONS}") from None


def find_audio(corpus_dir: Path) -> dict[str, Path]:
    """Meeting -> its audio folder, up to two folders below ``corpus_dir`` (``amicorpus/<meeting>/audio``)."""
    folders = {}
    for pattern in ("*/audio", "*/*/audio"):
        for folder in sorted(corpus_dir.glob(pattern)):
            folders.setdefault(folder.parent.name, folder)
    return folders


def read(
    root: Path, audio: dict[str, Path], meetings: list[str], speakers: dict[str, dict[str, Speaker]], mic: str
) -> Found:
    """The meetings of a set, of one microphone."""
    found = Found(turns=True, others={"spk2gender": {}})
    for meeting in progress(meetings, desc="meetings"):
        folder = audio.get(meeting, Path(meeting, "audio"))
        mix = Recording(meeting, folder / f"{meeting}.Mix-Headset.wav", [])
        if mic == "mix":
            found.recordings.append(mix)
        for agent, speaker in sorted(speakers[meeting].items()):
            recording = mix
            if mic == "headset":
                path = folder / f"{meeting}.Headset-{speaker.headset}.wav"
                recording = Recording(f"{meeting}-{agent}", path, [])
                found.recordings.append(recording)
            found.others["spk2gender"][speaker.name] = speaker.name[0].lower()
            try:
                add_speech(found, root, meeting, agent, speaker.name, recording)
            except AudiolmError as error:
                found.faults[f"{meeting}.{agent}"] = str(error)
    return found


def add_speech(found: Found, root: Path, meeting: str, agent: str, speaker: str, recording: Recording) -> None:
    """Add what one person says in a meeting."""
    elements = list(parse(root / "words" / f"{meeting}.{agent}.words.xml"))
    place = {element.get(f"{NITE}id"): index for index, element in enumerate(elements)}
    table = root / "segments" / f"{meeting}.{agent}.segments.xml"
    for segment in parse(table).iter("segment"):
        id = segment.get(f"{NITE}id", f"{meeting}.{agent}")
        start, end = (number_of(segment.get(f"transcriber_{side}", "")) for side in ("start", "end"))
        chosen = []
        for child in segment:
            match = RANGE.fullmatch(child.get("href", ""))
            first, last = (match[2], match[3] or match[2]) if match else (None, None)
            if first not in place or last not in place:
                found.faults[id] = f"{table.name}: refers to '{child.get('href')}', which the words file has not"
                break
            chosen += elements[place[first] : place[last] + 1]
        else:
            words = words_of(chosen)
            if words and start < end:
                utt = f"{speaker}-{meeting}-{agent}-{round(start * 100):06d}-{round(end * 100):06d}"
                timed = [word for word in words if word[1] is not None]
                text = " ".join(word for word, _, _ in words)
                recording.utterances.append(Utterance(utt, speaker, text, start, end, timed))
            elif start < end:
                found.noises.append(Turn(recording.id, "1", start, end - start, speaker))
            else:
                found.faults[id] = f"{table.name}: goes from {start} to {end} s, expected start < end"


def words_of(elements: list[ElementTree.Element]) -> list[tuple[str, float | None, float | None]]:
    """(word, start, end) of ``w`` elements: punctuation joins the word before, ``-`` ends one that was broken off."""
    words: list[tuple[str, float | None, float | None]] = []
    for element in elements:
        text = "".join((element.text or "").split())
        if element.tag != "w" or not text:
            continue
        if element.get("punc") == "true":
            if words:
                words[-1] = (words[-1][0] + text, *words[-1][1:])
            continue
        if element.get("trunc") == "true":
            text = text.removesuffix("-") + "-"
        start, end = (number_of(element.get(f"{side}time", "")) for side in ("start", "end"))
        words.append((text, None, None) if math.isnan(start + end) else (text, start, end))
    return words
