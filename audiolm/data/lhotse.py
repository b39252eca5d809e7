"""lhotse's manifests, both ways: ``recordings`` and ``supervisions`` (with word alignments) as JSON lines.

An audio file is one lhotse recording, its channels the data directory's recordings: ``call`` with channels 0 and 1 is
``call-A`` and ``call-B``. An utterance is a supervision with text, speaker, gender, language and its words of ``ctm``
as alignment; turns of ``rttm`` are supervisions without text in a manifest of their own, ``turns``. Schema: lhotse 1
and 2, ``lhotse/audio/recording.py``, ``source.py``, ``lhotse/supervision.py``. lhotse itself is not needed.
"""

import math
import os
import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.json_lines import read_json_lines, write_json_lines
from audiolm.data.readers import is_pipe
from audiolm.data.tables import Segment, Turn, Word, channel_index, number_of
from audiolm.data.tools import write_rejected
from audiolm.data.validate import fit
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

MANIFESTS = ("recordings", "supervisions", "turns")
SLACK = 1e-3  # seconds by which a supervision may begin before its recording, as in lhotse's own check


def export_lhotse(data: DataDir, folder: Path) -> list[tuple[str, str]]:
    """Write ``recordings.jsonl.gz``, ``supervisions.jsonl.gz`` and, where there are turns, ``turns.jsonl.gz``.

    Returns:
        (id, reason) of words in no utterance, which lhotse has no place for; also in ``rejected.tsv``.

    Raises:
        AudiolmError: a file's header cannot be read, or files of one recording differ in rate or length.
    """
    files: dict[str, list[str]] = {}
    for reco in data.recos:
        files.setdefault(data.file_and_channel(reco)[0], []).append(reco)
    write_json_lines(folder / "recordings.jsonl.gz", (_recording(data, *item) for item in progress(files.items())))
    rejected: list[tuple[str, str]] = []
    write_json_lines(folder / "supervisions.jsonl.gz", _supervisions(data, rejected))
    if data.rttm:
        write_json_lines(folder / "turns.jsonl.gz", _turns(data))
    else:
        (folder / "turns.jsonl.gz").unlink(missing_ok=True)
    write_rejected(folder / "rejected.tsv", rejected)
    return rejected


def _recording(data: DataDir, file: str, recos: list[str]) -> dict:
    sources: dict[str, list[int]] = {}
    headers = {}
    for reco in recos:
        path = data.wav_path(reco)
        header = headers.setdefault(path, audio.info(path, data.allow_pipes))
        if header.channels > 1:  # lhotse counts channels of a file from its first
            sources[path] = list(range(header.channels))
        else:
            sources.setdefault(path, []).append(channel_index(data.file_and_channel(reco)[1]))
    if len(shapes := {(header.fs, header.frames) for header in headers.values()}) > 1:
        raise AudiolmError(f"files of '{file}' differ in rate or length {sorted(shapes)}; a lhotse recording has one")
    fs, frames = shapes.pop()
    return {
        "id": file,
        "sources": [
            {"type": "command", "channels": channels, "source": path.strip("| ")}
            if is_pipe(path)
            else {"type": "file", "channels": channels, "source": os.path.abspath(path)}
            for path, channels in sources.items()
        ],
        "sampling_rate": fs,
        "num_samples": frames,
        "duration": frames / fs,
        "channel_ids": sorted(channel for channels in sources.values() for channel in channels),
    }


def _supervisions(data: DataDir, rejected: list[tuple[str, str]]) -> Iterator[dict]:
    """Utterances; recordings are some even where nothing but their words says so."""
    utts_of: dict[str, list[tuple[str, Segment]]] = {}
    for utt in data.utts if data.segments or data.utt2spk or data.text or data.ctm else ():
        utts_of.setdefault(data.place(utt).reco, []).append((utt, data.place(utt)))
    words_of = data.words() if data.ctm else {}
    genders, languages = data.others.get("spk2gender", {}), data.others.get("utt2lang", {})
    for reco in data.recos:
        file, channel = data.file_and_channel(reco)
        places = sorted(utts_of.get(reco, ()), key=lambda item: (item[1].start, item[0]))
        said = _assign(words_of.get(reco, ()), places, reco, rejected)
        for utt, place in places:
            speaker = data.utt2spk.get(utt)
            fields = {
                "id": utt,
                "recording_id": file,
                "start": place.start,
                "duration": round(place.end - place.start, 8),
                "channel": channel_index(channel),
                "text": data.text.get(utt),
                "language": languages.get(utt),
                "speaker": speaker,
                "gender": genders.get(speaker, "").upper() or None,
            }
            if said[utt]:
                items = [[word.word, word.start, word.duration, word.confidence] for word in said[utt]]
                fields["alignment"] = {"word": items}
            yield {name: value for name, value in fields.items() if value is not None}


def _assign(
    words: Iterable[Word], places: list[tuple[str, Segment]], reco: str, rejected: list[tuple[str, str]]
) -> dict[str, list[Word]]:
    """Utterance -> the words whose middle is in it; where utterances overlap, in the first."""
    said: dict[str, list[Word]] = {utt: [] for utt, _ in places}
    first = 0
    for word in words:
        middle = word.start + word.duration / 2
        while first < len(places) and places[first][1].end < middle:
            first += 1  # words are in order of time, so nothing that has ended is looked at again
        home = next((utt for utt, place in places[first:] if place.start <= middle <= place.end), None)
        if home is None:
            rejected.append((reco, f"word '{word.word}' at {word.start:.2f} s is in no utterance"))
        else:
            said[home].append(word)
    return said


def _turns(data: DataDir) -> Iterator[dict]:
    for number, turn in enumerate(sorted(data.rttm, key=lambda turn: (turn.file, turn.start, turn.channel))):
        yield {
            "id": f"{turn.file}-turn{number:06d}",
            "recording_id": turn.file,
            "start": turn.start,
            "duration": turn.duration,
            "channel": channel_index(turn.channel),
            "speaker": turn.speaker,
        }


# ---------------------------------------------------------------------- import


def import_lhotse(folder: Path, allow_pipes: bool = False) -> tuple[DataDir, list[tuple[str, str]]]:
    """The data directory of the manifests in a folder: ``recordings``, ``supervisions`` and ``turns``.

    Names may have lhotse's prefixes and suffixes (``librispeech_recordings_dev-clean.jsonl.gz``) as long as one file
    holds each. Blanks in ids become ``_``. A supervision of several channels becomes an utterance of the first; one
    that passes the end of its recording by up to half a second is cut. A score that is no number is none.

    Returns:
        the tables, and (id, reason) of what they cannot hold: recordings that are no file (URLs, memory, shar) or are
        transformed on the fly, supervisions and words outside their recording or without a time, ids that come twice.

    Raises:
        AudiolmError: no recordings, two manifests of a kind, a command without ``allow_pipes``.
    """
    data, rejected = DataDir(rttm=[], ctm=[], allow_pipes=allow_pipes), []
    recos: dict[tuple[str, int], str] = {}
    paths = {kind: _find(folder, kind) for kind in MANIFESTS}
    if paths["recordings"] is None:
        raise AudiolmError(f"no recordings manifest (recordings.jsonl.gz) in {folder}; cuts are not read")
    files: set[str] = set()
    for _, item in progress(read_json_lines(paths["recordings"]), desc="recordings"):
        _add_recording(data, recos, files, item, folder, rejected)
    whole = True
    for kind in ("supervisions", "turns"):
        for number, item in read_json_lines(paths[kind]) if paths[kind] else ():
            if missing := {"id", "recording_id", "start", "duration"} - item.keys():
                raise AudiolmError(f"{paths[kind]}:{number} is no supervision of lhotse (no '{min(missing)}')")
            id = _id(item["id"])
            try:
                reco, start, end = _place(data, recos, item)
                if kind == "turns":
                    name, letter = data.file_and_channel(reco)
                    channel = str(channel_index(letter) + 1)
                    data.rttm.append(
                        Turn(name, channel, start, round(end - start, 8), _id(item.get("speaker")) or reco)
                    )
                    continue
                _check_id(id, data.segments)
                data.segments[id] = Segment(reco, start, end)
                _add_supervision(data, id, item, rejected)
            except AudiolmError as error:
                rejected.append((id, str(error)))
                continue
            whole &= id == reco and start == 0 and data.reco2dur[reco] - end < SLACK
            if isinstance(item.get("channel"), list) and len(item["channel"]) > 1:
                rejected.append((id, f"is of channels {item['channel']}; kept as an utterance of the first alone"))
    if whole and len(data.segments) == len(data.wav):
        data.segments = {}
    if data.utt2spk:  # Kaldi wants one of every utterance; unknown speakers are their own
        data.utt2spk = {utt: data.utt2spk.get(utt, utt) for utt in data.utts}
    data.others = {name: table for name, table in data.others.items() if table}
    return data, rejected


def _find(folder: Path, kind: str) -> Path | None:
    name = re.compile(rf"(?:[^.].*[_.-])?{kind}(?:[_.-].*)?\.jsonl(?:\.gz)?")
    found = [path for path in sorted(folder.glob("*.jsonl*")) if name.fullmatch(path.name)]
    if len(found) > 1:
        raise AudiolmError(
            f"{folder} has {len(found)} manifests of {kind} ({found[0].name}, {found[1].name} …), expected one"
        )
    return found[0] if found else None


def _id(value: object) -> str:
    """An id or a speaker's name without blanks."""
    return "_".join(str("" if value is None else value).split())


def _check_id(id: str, taken: Container[str]) -> None:
    if not id:
        raise AudiolmError("its id is empty")
    if id in taken:
        raise AudiolmError(f"the id '{id}' comes twice; the first is kept")


def _place(data: DataDir, recos: dict[tuple[str, int], str], item: dict) -> tuple[str, float, float]:
    """(Recording, start, end in seconds) of a supervision."""
    file, start, duration = _id(item["recording_id"]), _number(item["start"]), _number(item["duration"])
    channel = item.get("channel", 0)
    if isinstance(channel, list):
        channel = min(channel, default=None, key=lambda number: number if isinstance(number, int) else -1)
    reco = recos.get((file, channel)) if isinstance(channel, int) else None
    if reco is None:
        raise AudiolmError(f"recording '{file}' has no channel {channel} among those read")
    total, end = data.reco2dur[reco], start + duration
    until, _ = fit(start, end, total)
    if not (start >= -SLACK and duration > 0 and until is not None and start < total):
        raise AudiolmError(f"goes from {start:g} to {end:g} s of {total:g} s of recording '{file}'")
    return reco, max(0.0, start), min(round(until, 8), total)


def _number(value: object) -> float:
    """A finite number, else NaN."""
    return number_of(str(value))


def _add_recording(
    data: DataDir,
    recos: dict[tuple[str, int], str],
    files: set[str],
    item: dict,
    folder: Path,
    rejected: list[tuple[str, str]],
) -> None:
    try:
        id, sources, duration = _id(item["id"]), item["sources"], _number(item["duration"])
        entries = [(source["type"], source["source"], list(source["channels"])) for source in sources]
    except (KeyError, TypeError, ValueError) as error:
        raise AudiolmError(f"'{str(item)[:60]}' is no recording of lhotse ({error!r}); cuts are not read") from None
    listed = [channel for _, _, channels in entries for channel in channels]
    why = ""
    if item.get("transforms"):
        why = f"its audio is transformed when read ({str(item['transforms'])[:60]}); save it first"
    elif not id or id in files:
        why = f"the id '{id}' comes twice; the first is kept" if id else "its id is empty"
    elif not duration > 0:
        why = f"lasts {item['duration']} s, expected a number of seconds above 0"
    elif len(set(listed)) < len(listed) or not all(type(channel) is int and channel >= 0 for channel in listed):
        why = f"found its channels {listed}, expected different numbers from 0"
    if why:
        rejected.append((id, why))
        return
    files.add(id)
    several = len(listed) > 1
    for kind, source, channels in entries:
        if kind == "command":
            if not data.allow_pipes:
                raise AudiolmError(
                    f"recording '{id}' is a command, which runs a shell; use --allow_pipes if you trust it"
                )
            entry = f"{source} |"
        elif kind == "file":
            beside = folder / source
            entry = (
                str(beside.absolute()) if not os.path.exists(source) and beside.exists() else os.path.abspath(source)
            )
        else:
            rejected.append((id, f"its audio is of type '{kind}', expected a file"))
            continue
        if kind == "file" and is_pipe(entry.strip()):
            rejected.append((id, f"its file {entry} would be a pipe in wav.scp; rename it"))
            continue
        if len(channels) > 1 and channels != list(range(len(channels))):
            rejected.append((id, f"channels {channels} of {source} are not numbered from 0"))
            continue
        for channel in channels:
            letter = chr(ord("A") + channel) if channel < 26 else str(channel + 1)
            reco = f"{id}-{letter}" if several else id
            if reco in data.wav:
                rejected.append((reco, f"channel {channel} of '{id}' would have the id of another recording"))
                continue
            data.wav[reco], data.reco2dur[reco] = entry, duration
            if several:
                data.reco2file_and_channel[reco] = (id, letter)
            recos[id, channel] = reco


def _add_supervision(data: DataDir, id: str, item: dict, rejected: list[tuple[str, str]]) -> None:
    if text := " ".join(str(item.get("text") or "").split()):
        data.text[id] = text
    if speaker := _id(item.get("speaker")):
        data.utt2spk[id] = speaker
        if (gender := str(item.get("gender") or "")[:1].lower()) in ("f", "m"):
            data.others.setdefault("spk2gender", {})[speaker] = gender
    if language := " ".join(str(item.get("language") or "").split()):
        data.others.setdefault("utt2lang", {})[id] = language
    place = data.segments[id]
    file, letter = data.file_and_channel(place.reco)
    for symbol, start, duration, score in _word_items(item):
        if not (symbol := "".join(str(symbol).split())):
            continue
        begin, length, confidence = _number(start), _number(duration), _number(score)
        end, wrong = fit(begin, begin + length, data.reco2dur[place.reco])
        if not (begin >= -SLACK and length >= 0):
            end, wrong = None, f"begins at {start} s and lasts {duration} s, expected two numbers from 0"
        if end is None:
            rejected.append((id, f"word '{symbol}' {wrong}"))
        else:
            confidence = 1.0 if math.isnan(confidence) else confidence
            length = end - begin if wrong else length
            data.ctm.append(Word(file, letter, max(0.0, begin), length, symbol, confidence))


def _word_items(item: dict) -> Iterator[tuple]:
    """Word alignments as (symbol, start, duration, score or None); lhotse before 1.8 wrote objects."""
    alignment = item.get("alignment")
    for entry in (alignment.get("word") or ()) if isinstance(alignment, dict) else ():
        if isinstance(entry, dict):
            entry = [entry.get(name) for name in ("symbol", "start", "duration", "score")]
        symbol, start, duration, score, *_ = *(entry if isinstance(entry, list) else [entry]), None, None, None, None
        yield symbol, start, duration, score
