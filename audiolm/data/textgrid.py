"""Praat's TextGrid: words and turns as tiers, for looking at them beside the audio (written only).

Source: Praat manual, "TextGrid file formats"; the long text format, UTF-8. A tier's intervals touch and cover the whole
time; what overlaps within a tier goes to further tiers.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.data.files import name_of, write_lines
from audiolm.data.tables import Turn, Word, channel_index, seconds
from audiolm.errors import AudiolmError

Interval = tuple[float, float, str]  # start, end (s), label


def write_textgrid(path: str | os.PathLike, tiers: Mapping[str, Sequence[Interval]], duration: float) -> None:
    """Write tiers of a recording of ``duration`` s atomically.

    Args:
        tiers: name -> intervals in any order; where some overlap, tiers ``<name> 2``, ``<name> 3`` … take them.
    """
    layers = [(name, layer) for name, intervals in tiers.items() for name, layer in _layers(name, intervals)]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds(duration)}"]
    lines += ["tiers? <exists>", f"size = {len(layers)}", "item []:"]
    for number, (name, layer) in enumerate(layers, 1):
        filled = list(_filled(layer, duration))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {seconds(duration)}", f"        intervals: size = {len(filled)}"]
        for position, (start, end, label) in enumerate(filled, 1):
            lines += [f"        intervals [{position}]:", f"            xmin = {seconds(start)}"]
            lines += [f"            xmax = {seconds(end)}", f"            text = {_quoted(label)}"]
    write_lines(path, lines)


def write_textgrids(
    data: DataDir,
    directory: Path,
    words: Iterable[Word] = (),
    turns: Iterable[Turn] = (),
    tables: tuple[str | Path, str | Path] = ("ctm", "rttm"),
) -> int:
    """Write ``<file>.TextGrid`` for every file: a tier of words a channel, and one of turns a speaker; how many.

    Files are as long as their longest channel; ``/`` in a file's id becomes ``%2F``, ``%`` ``%25``.

    Args:
        tables: where the words and the turns were read from, for errors.

    Raises:
        AudiolmError: a word or turn is of a file that ``data`` has not.
    """
    lengths: dict[str, float] = {}
    for reco in data.recos:
        file = data.file_and_channel(reco)[0]
        lengths[file] = max(lengths.get(file, 0.0), data.duration(reco))
    tiers: dict[str, dict[str, list[Interval]]] = {file: {} for file in sorted(lengths)}
    for word in words:
        channel = channel_index(word.channel)
        name = f"words {chr(ord('A') + channel) if channel < 26 else channel + 1}"
        _tiers_of(tiers, word, data, tables[0]).setdefault(name, []).append((word.start, word.end, word.word))
    for turn in turns:
        own, name = _tiers_of(tiers, turn, data, tables[1]), f"speaker {turn.speaker}"
        own.setdefault(name, []).append((turn.start, turn.end, turn.speaker))
    for file, own in tiers.items():
        write_textgrid(directory / f"{name_of(file)}.TextGrid", dict(sorted(own.items())), lengths[file])
    return len(tiers)


def _tiers_of(tiers: dict[str, dict], entry: Word | Turn, data: DataDir, table: str | Path) -> dict:
    if entry.file not in tiers:
        raise AudiolmError(
            f"{table} names a recording '{entry.file}' (at {seconds(entry.start)} s), which"
            f" {data.path or 'the directory'}/wav.scp has not; take it out of the one, or add it to the other"
        )
    return tiers[entry.file]


def _layers(name: str, intervals: Sequence[Interval]) -> list[tuple[str, list[Interval]]]:
    """Intervals of positive length, dealt to as few tiers as hold them without overlap; one tier at least."""
    layers: list[list[Interval]] = [[]]
    rounded = [(round(start, 6), round(end, 6), label) for start, end, label in intervals]  # as they are written
    for interval in sorted(interval for interval in rounded if interval[0] != interval[1]):
        free = next((layer for layer in layers if not layer or layer[-1][1] <= interval[0]), None)
        if free is None:
            layers.append(free := [])
        free.append(interval)
    return [(name if number == 1 else f"{name} {number}", layer) for number, layer in enumerate(layers, 1)]


def _filled(layer: Sequence[Interval], duration: float):
    """Yield the intervals with empty ones between them, all within 0 … duration."""
    at = 0.0
    for start, end, label in layer:
        start, end = min(start, duration), min(end, duration)
        if seconds(start) != seconds(at):
            yield at, start, ""
        if seconds(end) != seconds(start):
            yield start, end, label
        at = end
    if seconds(duration) != seconds(at):
        yield at, duration, ""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
