"""What the corpus modules share: what a corpus says of a set, checked against its audio, becomes ``data/<set>``.

A module of this package has ``add_arguments(parser)`` for options of its own and ``prepare(args)``, which reads the
corpus as it is distributed and hands a :class:`Found` for every set to :func:`write_sets`. ``audiolm corpus NAME``
calls them (audiolm/commands/corpus.py); ``args`` has ``corpus_dir``, ``dir``, ``sets``, ``nj`` and ``max_rejected``.
"""

import argparse
import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import lines_of
from audiolm.data.parts import CORPUS_OPTION, check_rejected
from audiolm.data.recordings import Count
from audiolm.data.tables import Segment, Turn, Word, channel_index
from audiolm.data.tools import write_rejected, write_sound
from audiolm.data.validate import fit
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs.progress import progress

AUDIO_SUFFIXES = (".flac", ".wav", ".sph", ".ogg", ".opus", ".mp3")
SHOWN = 3  # names that an error lists of many


@dataclass(slots=True)
class Utterance:
    """What somebody says, or a caption.

    Attributes:
        speaker: None where nobody is named; the utterance is then its own speaker, as Kaldi wants it.
        text: transcript; empty where there is none.
        start, end: seconds of the recording; None: all of it.
        words: (word, start, end) in seconds of the recording, where the corpus has them.
    """

    id: str
    speaker: str | None
    text: str = ""
    start: float | None = None
    end: float | None = None
    words: Sequence[tuple[str, float, float]] = ()


@dataclass(slots=True)
class Recording:
    """One channel of an audio file: ``channel`` ``A``, ``B`` … of ``file``; without, the whole file."""

    id: str
    path: Path
    utterances: list[Utterance]
    file: str = ""
    channel: str = ""


@dataclass
class Found:
    """What a corpus has of one set.

    Attributes:
        faults: id -> what is wrong with it: a transcript without audio, audio without a transcript, a bad line.
        left_out: id -> the rule by which it is not in the set, though nothing is wrong with it.
        turns: write ``rttm``: every utterance is a turn, and those of ``noises`` are too.
        noises: turns without words (laughter, noise, unintelligible speech).
        others: other Kaldi tables (``spk2gender``, ``utt2lang`` …); what they say of absent ids is dropped.
    """

    recordings: list[Recording] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    turns: bool = False
    noises: list[Turn] = field(default_factory=list)
    others: dict[str, dict[str, str]] = field(default_factory=dict)


def write_sets(args: argparse.Namespace, sets: Iterable[tuple[str, Found]]) -> None:
    """Write ``data/<set>`` and its ``rejected.tsv`` for every set, and print what is in it.

    Raises:
        AudiolmError: more than ``args.max_rejected`` of a set is at fault, or nothing is left of it.
    """
    for name, found in sets:
        directory = args.dir / "data" / name
        data, faults, count = make_data(found, directory, args.nj)
        rejected = sorted({**found.left_out, **faults}.items())
        directory.mkdir(parents=True, exist_ok=True)
        write_rejected(directory / "rejected.tsv", rejected)
        if not data.wav:
            first = next(iter(sorted(faults.items())), ("", "the corpus has no recording of it"))
            raise AudiolmError(f"nothing of set '{name}' can be used; the first reason: {' '.join(first).strip()}")
        check_rejected([count], args.max_rejected, directory, CORPUS_OPTION)
        data, problems = write_sound(data, directory)
        faults |= {
            problem.id or f"{Path(problem.path).name}:{problem.line}": f"{Path(problem.path).name}: {problem.reason}"
            for problem in problems
            if not problem.repairable
        }
        rejected = sorted({**found.left_out, **faults}.items())
        write_rejected(directory / "rejected.tsv", rejected)
        hours = sum(data.reco2dur.values()) / 3600
        people = f"{len(set(data.utt2spk.values()))} speakers, " if data.utt2spk else ""
        said = f"{name}: {len(data.wav)} recordings, {len(data.utts)} utterances, {people}{hours:.2f} h"
        if rejected:
            said += f"; {len(faults)} faulty and {len(found.left_out)} left out, see {directory}/rejected.tsv"
        print(said, flush=True)


def check_some(found: Found, what: str) -> None:
    """Refuse ``what`` of which every item is at fault, by the reason of the first, before sets are drawn from it."""
    if not found.recordings:
        first = next(iter(found.faults.items()), ("", "there is none"))
        raise AudiolmError(f"nothing of {what} can be used; the first reason: {' '.join(first).strip()}")


def make_data(found: Found, directory: Path, nj: int) -> tuple[DataDir, dict[str, str], Count]:
    """The data directory of a set, all faults (those of the audio too), and how many of what went in and were faulty.

    Every file's header is read, by ``nj`` threads. A recording whose file is missing, unreadable or lacks the channel
    is faulty with all its utterances; so are utterances outside it, or whose end is not after their start. Words and
    turns without words that are outside it go to ``found.left_out``.
    """
    faults = dict(found.faults)
    headers = read_headers((recording.path for recording in found.recordings), nj, f"headers of {directory.name}")
    whole = all(u.start is None and u.id == r.id for r in found.recordings for u in r.utterances)
    data = DataDir(rttm=[], ctm=[])
    for recording in found.recordings:
        why = _wrong(recording, headers[recording.path], data)
        if why:
            faults[recording.id] = why
            faults.update((utterance.id, why) for utterance in recording.utterances)
            continue
        data.wav[recording.id] = str(recording.path.absolute())
        data.reco2dur[recording.id] = round(headers[recording.path].duration, 6)
        if recording.channel:
            data.reco2file_and_channel[recording.id] = (recording.file, recording.channel)
        for utterance in recording.utterances:
            why = _add(data, recording, utterance, whole, found)
            if why:
                faults[utterance.id] = why
    recos = data.reco_of_channel() if found.turns and found.noises else {}
    for turn in found.noises if found.turns else ():
        reco = recos.get((turn.file, channel_index(turn.channel)))
        if reco is None:
            continue  # its recording is named
        end, wrong = fit(turn.start, turn.end, data.reco2dur[reco])
        if turn.duration > 0 and end is not None:
            data.rttm.append(replace(turn, duration=end - turn.start) if wrong else turn)
        else:
            found.left_out[f"{reco}:{turn.start:g}"] = f"a turn without words {wrong or 'has no length'}"
    known = {**data.wav, **data.segments, **dict.fromkeys(data.utt2spk.values(), "")}
    data.others = {
        name: {key: value for key, value in table.items() if key in known} for name, table in found.others.items()
    }
    ids = {r.id for r in found.recordings} | {u.id for r in found.recordings for u in r.utterances} | faults.keys()
    return data, faults, Count("recordings and utterances", len(ids), len(faults))


def read_headers(paths: Iterable[Path], nj: int, desc: str) -> dict[Path, audio.Info | str]:
    """The header of every file, or what is wrong with it."""

    def read(path: Path) -> audio.Info | str:
        try:
            return audio.info(path)
        except AudiolmError as error:
            return str(error)

    todo = list(dict.fromkeys(paths))
    found, left = {}, progress(todo, desc=desc)
    with ThreadPoolExecutor(max(1, nj)) as pool:  # opening a file is waiting, on most disks
        while batch := list(islice(left, 1000)):
            found.update(zip(batch, pool.map(read, batch), strict=True))
    return found


def _wrong(recording: Recording, header: audio.Info | str, data: DataDir) -> str:
    if isinstance(header, str):
        return header
    if recording.id in data.wav:
        return f"{recording.path} and {data.wav[recording.id]} have the same id '{recording.id}'"
    if recording.channel and "ABCDEFGH".index(recording.channel) >= header.channels:
        return f"{recording.path} has {header.channels} channel(s), expected channel {recording.channel}"
    return ""


def _add(data: DataDir, recording: Recording, utterance: Utterance, whole: bool, found: Found) -> str:
    """Add an utterance to the tables, or return why it cannot be."""
    duration = data.reco2dur[recording.id]
    start = utterance.start or 0.0
    end = duration if utterance.end is None else utterance.end
    if not 0 <= start < end:
        return f"goes from {start:g} to {end:g} s, expected 0 <= start < end"
    end, why = fit(start, end, duration)
    if end is None:
        return why
    if utterance.id in data.utt2spk:
        return f"another utterance has the id '{utterance.id}' too"
    file, channel = data.file_and_channel(recording.id)
    data.utt2spk[utterance.id] = utterance.speaker or utterance.id
    if not whole:
        data.segments[utterance.id] = Segment(recording.id, start, end)
    if text := " ".join(utterance.text.split()):
        data.text[utterance.id] = text
    if found.turns:
        number = str(ord(channel) - ord("A") + 1)
        data.rttm.append(Turn(file, number, start, end - start, utterance.speaker or utterance.id))
    for word, begin, stop in utterance.words:
        until, wrong = fit(begin, max(begin, stop), duration)
        if until is None or begin < 0:
            found.left_out[f"{utterance.id}:{begin:g}"] = f"its word '{word}' {wrong or 'begins before 0 s'}"
        else:
            data.ctm.append(Word(file, channel, begin, max(0.0, until - begin), word))
    return ""


# ---------------------------------------------------------------------- finding and reading what is distributed


def find_root(corpus_dir: Path, get: str, *markers: str) -> Path:
    """The folder with one of ``markers`` in it: ``corpus_dir`` itself, or one below it.

    Args:
        get: what the corpus is called and where it comes from, for the error.
        markers: files or folders of the distribution, relative to its root; any one of them will do.

    Raises:
        AudiolmError: no such folder.
    """
    if not corpus_dir.is_dir():
        raise AudiolmError(
            f"--corpus_dir {corpus_dir} is no folder; get {get}, and name the folder it was unpacked into"
        )
    for folder in (corpus_dir, *sorted(path for path in corpus_dir.iterdir() if path.is_dir())):
        if any((folder / marker).exists() for marker in markers):
            return folder
    raise AudiolmError(f"no {' or '.join(markers)} in {corpus_dir} nor in a folder below it; get {get}")


def names_of(missing: Sequence[str]) -> str:
    """Some names, and how many more there are.

    >>> names_of(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(missing) - SHOWN
    return ", ".join(missing[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield (number, line without its end) of a text file; see audiolm.data.files.lines_of.

    Raises:
        AudiolmError: it cannot be read, or is not in that encoding.
    """
    try:
        content = path.read_bytes()
        text = content.decode(encoding)
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise AudiolmError(
            f"{path}:{line}: not {encoding} (byte 0x{content[error.start]:02x}); get it again, or convert it with iconv"
        ) from None
    yield from enumerate(lines_of(text.removeprefix("\ufeff")), 1)


def read_csv(path: Path, columns: Sequence[str], encoding: str = "utf-8") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) of a CSV file with a header that has ``columns``; further columns are passed on.

    Raises:
        AudiolmError: it cannot be read, a column is missing, or a row is cut off.
    """
    try:
        with open(path, encoding=encoding, newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise AudiolmError(f"{path} has no column '{missing[0]}' in its first line, found: {found}")
            for row in reader:
                if any(row[name] is None for name in columns):
                    found = sum(value is not None for value in row.values())
                    expected = len(reader.fieldnames)
                    raise AudiolmError(f"{path}:{reader.line_num}: found {found} columns, expected {expected}")
                yield reader.line_num, row
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise AudiolmError(f"{path} is not {encoding} text ({error.reason}); get it again") from None


def read_json(path: Path):
    """The content of a JSON file.

    Raises:
        AudiolmError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise AudiolmError(f"{path} is no JSON ({error}); get it again") from None


def audio_by_stem(folder: Path) -> dict[str, Path]:
    """Stem -> audio file of a folder; of several formats the first of AUDIO_SUFFIXES."""
    if not folder.is_dir():
        return {}
    files = [path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES]
    files.sort(key=lambda path: (path.stem, AUDIO_SUFFIXES.index(path.suffix.lower())))
    return {path.stem: path for path in reversed(files)}


def make_id(name: str) -> str:
    """A file name as an id: blanks, ``/``, ``;`` and ``%`` become ``%20`` and so on; no two names become the same.

    >>> make_id("Rain on roof 2")
    'Rain%20on%20roof%202'
    """
    return re.sub(r"[\s/;%]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name)


# ---------------------------------------------------------------------- which set something is in


def add_parts_option(parser: argparse.ArgumentParser, default: Sequence[str], choices: Iterable[str]) -> None:
    """Add ``--parts``: for each of ``--sets`` the corpus's own parts that it is made of."""
    parser.add_argument(
        "--parts",
        nargs="+",
        default=list(default),
        help=f"for each of --sets the parts it is made of, joined by '+', out of: {', '.join(choices)}",
    )


def parts_by_set(args: argparse.Namespace, choices: Iterable[str]) -> dict[str, list[str]]:
    """Set -> its parts.

    Raises:
        AudiolmError: not as many parts as sets, an unknown part, or one that is in two sets.
    """
    choices = list(choices)
    if len(args.parts) != len(args.sets):
        raise AudiolmError(f"--parts names {len(args.parts)} ({' '.join(args.parts)}), --sets {len(args.sets)} sets")
    table = {name: parts.split("+") for name, parts in zip(args.sets, args.parts, strict=True)}
    counts = Counter(part for parts in table.values() for part in parts)
    for part, count in counts.items():
        if part not in choices:
            raise AudiolmError(f"--parts: the corpus has no part '{part}'{did_you_mean(part, choices)}")
        if count > 1:
            raise AudiolmError(f"--parts: '{part}' is named {count} times; a part is in one set only")
    return table


def add_held_out_options(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    """Add ``--held_out`` and ``--seed``, for corpora without parts of their own."""
    parser.add_argument("--held_out", type=int, default=default, help=f"{what} that each set but the first gets")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of these")


def draw_sets(
    speakers_of: Mapping[str, Iterable[str]], sets: Sequence[str], held_out: int, seed: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Draw ``held_out`` items for every set but the first; the first gets those that share no speaker with them.

    The sets after the first share no speaker either. What is drawn depends on the items and the seed alone.

    Args:
        speakers_of: item (call, chapter, speaker …) -> whose voices are in it.

    Returns:
        item -> set; and item -> why it is in none.

    Raises:
        AudiolmError: there are not so many items, or none is left for the first set.
    """
    import numpy as np

    items = sorted(speakers_of)
    order = [items[index] for index in np.random.default_rng(seed).permutation(len(items))]
    where: dict[str, str] = {}  # speaker -> set
    set_of: dict[str, str] = {}
    for name in sets[1:]:
        drawn = [item for item in order if item not in set_of and not any(s in where for s in speakers_of[item])]
        if len(drawn) < held_out:
            raise AudiolmError(
                f"set '{name}': {len(drawn)} of {len(items)} are left to draw --held_out {held_out} from; lower it,"
                " add files (three at least, one a set), or look at the first stages with --sets train --held_out 0"
            )
        for item in drawn[:held_out]:
            set_of[item] = name
        # Items of one set may share speakers, so speakers are marked when the set is complete.
        where |= {speaker: name for item in drawn[:held_out] for speaker in speakers_of[item]}
    left_out = {}
    for item in items:
        shared = [speaker for speaker in speakers_of[item] if speaker in where]
        if item not in set_of and shared:
            left_out[item] = f"speaker '{shared[0]}' is also in set '{where[shared[0]]}'"
        elif item not in set_of:
            set_of[item] = sets[0]
    if sets[0] not in set_of.values():
        raise AudiolmError(f"nothing is left for set '{sets[0]}' of {len(items)}; lower --held_out {held_out}")
    return set_of, left_out
