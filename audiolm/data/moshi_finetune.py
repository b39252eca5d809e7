"""The data of kyutai-labs/moshi-finetune, both ways: stereo WAV, one JSON a file with its words, one JSONL of files.

    data.jsonl            {"path": "data_stereo/call-A.wav", "duration": 61.2}
    data_stereo/call-A.wav   left: the main speaker (Moshi); right: the user
    data_stereo/call-A.json  {"alignments": [["hello", [0.32, 0.64], "SPEAKER_MAIN"], …]}

Words of the user have the label ``SPEAKER_USER``; that project's builder passes over all but ``SPEAKER_MAIN``. Words of
other labels (a diarizer's ``SPEAKER_00``) are nobody's that the format knows: an import leaves them out and says so.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import atomic, name_of
from audiolm.data.json_lines import read_json_lines, write_json_lines
from audiolm.data.tables import Segment, Turn, Word, channel_index, number_of
from audiolm.data.tools import write_rejected
from audiolm.data.validate import ROUNDING, fit
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

MAIN, USER = "SPEAKER_MAIN", "SPEAKER_USER"
BLOCK = 60.0  # seconds of audio held in memory
PAUSE = 0.5  # seconds: a longer pause parts utterances, which the format does not have


def export_moshi_finetune(data: DataDir, folder: Path, mains: Sequence[str] = ("A",)) -> list[tuple[str, str]]:
    """Write every file with two channels once for each main speaker in ``mains`` (``A``, ``B``), who is on the left.

    Returns:
        (recording, reason) of what has no place in the format or cannot be read; also in ``rejected.tsv``.
    """
    sides: dict[str, dict[int, str]] = {}
    for reco in data.recos:
        file, channel = data.file_and_channel(reco)
        sides.setdefault(file, {})[channel_index(channel)] = reco
    words = data.words() if data.ctm else {}
    rejected: list[tuple[str, str]] = []
    lines = []
    for file, recos in progress(sorted(sides.items()), desc="stereo files"):
        if sorted(recos) != [0, 1]:
            found = ", ".join(recos.values())
            rejected += [
                (reco, f"'{file}' has {len(recos)} channel(s) ({found}), expected A and B") for reco in recos.values()
            ]
            continue
        for main in mains:
            left, right = (recos[channel] for channel in ((0, 1) if channel_index(main) == 0 else (1, 0)))
            name = f"{name_of(file)}-{main}"
            try:
                duration = _write_stereo(data, left, right, folder / "data_stereo" / f"{name}.wav")
            except AudiolmError as error:
                rejected += [(reco, str(error)) for reco in recos.values()]
                break
            said = [(word, MAIN) for word in words.get(left, ())] + [(word, USER) for word in words.get(right, ())]
            said.sort(key=lambda item: (item[0].start, item[1]))
            alignments = [[word.word, [word.start, round(word.end, 6)], label] for word, label in said]
            with atomic(folder / "data_stereo" / f"{name}.json") as file_:
                json.dump({"alignments": alignments}, file_, ensure_ascii=False)
            lines.append({"path": f"data_stereo/{name}.wav", "duration": duration})
    write_json_lines(folder / "data.jsonl", lines)
    write_rejected(folder / "rejected.tsv", rejected)
    return rejected


def _write_stereo(data: DataDir, left: str, right: str, path: Path) -> float:
    """Write two recordings as one stereo file, block by block; return its seconds. The shorter ends in silence."""
    headers = [audio.info(data.wav_path(reco), data.allow_pipes) for reco in (left, right)]
    fs = headers[0].fs
    if headers[1].fs != fs:
        raise AudiolmError(f"'{left}' has {fs} Hz and '{right}' {headers[1].fs} Hz, expected one rate")
    total = max(header.frames for header in headers)
    with audio.encoder(path, fs, 2) as put:
        for first in range(0, total, round(BLOCK * fs)):
            block = np.zeros((min(round(BLOCK * fs), total - first), 2), np.float32)
            for side, (reco, header) in enumerate(zip((left, right), headers, strict=True)):
                count = min(len(block), header.frames - first)
                if count > 0:
                    block[:count, side] = data.audio(reco, first / fs, count / fs)
            put(block)
    return total / fs


def import_moshi_finetune(listing: Path) -> tuple[DataDir, list[tuple[str, str]]]:
    """The data directory of a JSONL file: recordings ``<name>-A`` (main speaker) and ``<name>-B`` (user).

    The format has words only: words of a channel that no pause over 0.5 s parts become an utterance and a turn, and
    each channel is a speaker of its own.

    Returns:
        the tables, and (id, reason) of files that cannot be read or have no transcript, and of words that have no time,
        are outside their file or have another label.

    Raises:
        AudiolmError: the JSONL cannot be read, or nothing of it can be used.
    """
    data, rejected = DataDir(rttm=[], ctm=[]), []
    for number, item in progress(read_json_lines(listing), desc="stereo files"):
        if not isinstance(item.get("path"), str):
            raise AudiolmError(f'{listing}:{number}: found no \'path\', expected {{"path": …, "duration": …}}')
        path = Path(os.path.abspath(listing.parent / item["path"]))
        name = "_".join(path.stem.split())
        try:
            header = audio.info(path)
            if header.channels != 2:
                raise AudiolmError(f"{path} has {header.channels} channel(s), expected two")
            if f"{name}-A" in data.wav:
                raise AudiolmError(f"{path} and {data.wav[f'{name}-A']} have the same name")
            words, faults = _read_words(path.with_suffix(".json"), name, header.duration)
        except AudiolmError as error:
            rejected.append((name, str(error)))
            continue
        rejected += [(name, fault) for fault in faults]
        for channel in "AB":
            reco = f"{name}-{channel}"
            data.wav[reco], data.reco2dur[reco] = str(path), round(header.duration, 6)
            data.reco2file_and_channel[reco] = (name, channel)
            _add_utterances(data, reco, [word for word in words if word.channel == channel], header.duration)
    if not data.wav:
        raise AudiolmError(
            f"nothing of {listing} can be used; the first reason: {': '.join((rejected or [('', 'empty')])[0])}"
        )
    return data, rejected


def _read_words(path: Path, name: str, duration: float) -> tuple[list[Word], list[str]]:
    """The words of a file of ``duration`` s, in order of time, and what is wrong with others.

    A word with blanks in it becomes several of equal length; one that passes the end by up to half a second is cut.
    """
    try:
        alignments = json.loads(path.read_text(encoding="utf-8-sig"))["alignments"]
        entries = [(str(text), *times, label) for text, times, label in alignments]
        entries = [(text, number_of(str(start)), number_of(str(end)), label) for text, start, end, label in entries]
    except OSError as error:
        raise AudiolmError(f"no transcript {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise AudiolmError(f'{path} is not {{"alignments": [[word, [start, end], speaker], …]}} ({error!r})') from None
    words, faults, others = [], [], {}
    for text, start, end, label in entries:
        word = f"{path.name}: word '{text.strip()}'"
        until, wrong = fit(start, end, duration)
        if label not in (MAIN, USER):
            others.setdefault(str(label), []).append(text)
        elif not (start >= -ROUNDING and end >= start):
            faults.append(f"{word} goes from {start:g} to {end:g} s, expected 0 <= start <= end")
        elif until is None:
            faults.append(f"{word} {wrong}")
        else:
            start, parts = max(0.0, start), text.split()
            step = max(0.0, until - start) / max(1, len(parts))
            channel = "A" if label == MAIN else "B"
            words += [Word(name, channel, start + n * step, step, part) for n, part in enumerate(parts)]
    faults += [
        f"{path.name}: {len(texts)} words of label '{label}' (the first: '{texts[0].strip()}'), expected {MAIN} or"
        f" {USER}"
        for label, texts in others.items()
    ]
    return sorted(words, key=lambda word: (word.channel, word.start)), faults


def _add_utterances(data: DataDir, reco: str, words: list[Word], duration: float) -> None:
    """Add a channel's words, and the utterances and turns that they make."""
    data.ctm += words
    groups: list[list[Word]] = []
    for word in words:
        if groups and word.start - max(other.end for other in groups[-1]) <= PAUSE:
            groups[-1].append(word)
        else:
            groups.append([word])
    for group in groups:
        start, end = group[0].start, min(duration, max(word.end for word in group))
        if start < end:
            utt = f"{reco}-{round(start * 100):06d}-{round(end * 100):06d}"
            data.segments[utt] = Segment(reco, start, end)
            data.text[utt] = " ".join(word.word for word in group)
            data.utt2spk[utt] = reco
            file, channel = data.reco2file_and_channel[reco]
            data.rttm.append(Turn(file, str(channel_index(channel) + 1), start, end - start, reco))
