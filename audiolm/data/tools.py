"""Data directories changed as Kaldi's users know it: fix, subset, combine (``fix_data_dir.sh`` and its kin)."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from audiolm.data.datadir import OTHER_TABLES, OWN_TABLES, DataDir
from audiolm.data.files import write_lines
from audiolm.data.readers import table_line
from audiolm.data.tables import Problem, channel_index
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError


def fix(path: str | os.PathLike, allow_pipes: bool = False, open_audio: bool = False) -> list[Problem]:
    """Sort a directory's tables and drop what is wrong; return the problems found.

    If there are any, the tables as they were go to ``.backup/``, and each item that is dropped to ``rejected.tsv``,
    beside what was named there before and has not come back.
    """
    path = Path(path)
    found = examine(path, allow_pipes=allow_pipes, open_audio=open_audio)
    if found.problems:
        (path / ".backup").mkdir(exist_ok=True)
        for name in (*OWN_TABLES, *OTHER_TABLES):
            if (path / name).is_file():
                shutil.copy2(path / name, path / ".backup" / name)
        before = rejections(path / "rejected.tsv") if (path / "rejected.tsv").is_file() else []
        present = {*found.sound.wav, *found.sound.utts}
        write_rejected(path / "rejected.tsv", [item for item in before if item[0] not in present] + found.rejected)
        found.sound.write(path)
    return found.problems


def write_sound(data: DataDir, path: str | os.PathLike, open_audio: bool = False) -> tuple[DataDir, list[Problem]]:
    """Write tables that were made of another tool's, less what ``examine`` finds wrong with them.

    Returns:
        what was written, which validates, and the problems.

    Raises:
        AudiolmError: nothing of them is sound; then no data directory is left.
    """
    path = Path(path)
    problems = _drop_unwritable(data, path)
    data.write(path)
    try:
        found = examine(path, allow_pipes=data.allow_pipes, open_audio=open_audio)
    except AudiolmError:
        (path / "wav.scp").unlink(missing_ok=True)
        raise
    if found.problems:
        found.sound.write(path)
    return found.sound, problems + found.problems


def _drop_unwritable(data: DataDir, path: Path) -> list[Problem]:
    """Take what no line can hold (line feeds, halves of characters) out of the tables that other tools fill."""
    problems = []
    dependent = {"wav.scp": (data.reco2file_and_channel, data.reco2dur)}
    for name, table in (("wav.scp", data.wav), ("text", data.text), ("utt2spk", data.utt2spk)):
        for key, value in list(table.items()):
            try:
                table_line(path / name, key, value).encode()
            except (AudiolmError, UnicodeEncodeError):
                problems.append(Problem(str(path / name), 0, ascii(key)[1:-1], f"no line can hold {value!a}"))
                for keyed in (table, *dependent.get(name, ())):
                    keyed.pop(key, None)
    kept = [word for word in data.ctm if word.word.encode(errors="ignore").decode() == word.word]
    if len(kept) < len(data.ctm):
        reason = f"{len(data.ctm) - len(kept)} words hold halves of characters"
        problems.append(Problem(str(path / "ctm"), 0, "ctm", reason))
        data.ctm = kept
    return problems


def write_rejected(path: str | os.PathLike, rejected: Iterable[Problem | tuple[str, str]]) -> None:
    """Write ``<id>\\t<reason>`` lines: of problems (those without an id under their file and line), or of pairs."""
    pairs = (
        item
        if isinstance(item, tuple)
        else (item.id or f"{os.path.basename(item.path)}:{item.line}", f"{os.path.basename(item.path)}: {item.reason}")
        for item in rejected
    )
    write_lines(path, (f"{' '.join(key.split())}\t{' '.join(reason.split())}" for key, reason in pairs))


def rejections(path: str | os.PathLike) -> list[tuple[str, str]]:
    """The (id, reason) pairs of a file that ``write_rejected`` wrote."""
    with open(path, encoding="utf-8", newline="\n") as file:
        return [tuple(line.rstrip("\n").split("\t", 1)) for line in file]


def select(data: DataDir, utts: Iterable[str] | None = None, recos: Iterable[str] | None = None) -> DataDir:
    """The part of a directory that concerns the given utterances and recordings.

    Args:
        utts: None keeps every utterance of ``recos``.
        recos: None keeps the recordings that ``utts`` are in.
    """
    place = (lambda utt: data.segments[utt].reco) if data.segments else (lambda utt: utt)
    if utts is None:
        recos = set(recos)
        utts = {utt for utt in data.utts if place(utt) in recos}
    else:
        utts = set(utts)
        recos = {place(utt) for utt in utts} if recos is None else set(recos)
    spks = {data.utt2spk[utt] for utt in utts if utt in data.utt2spk}
    channels = {(file, channel_index(channel)) for file, channel in map(data.file_and_channel, recos)}
    known = {"utt": utts, "reco": recos, "spk": spks}
    others = {name: _only(table, known[OTHER_TABLES[name]]) for name, table in data.others.items()}
    return DataDir(
        wav=_only(data.wav, recos),
        segments=_only(data.segments, utts),
        text=_only(data.text, utts),
        utt2spk=_only(data.utt2spk, utts),
        reco2file_and_channel=_only(data.reco2file_and_channel, recos),
        reco2dur=_only(data.reco2dur, recos),
        rttm=[turn for turn in data.rttm if (turn.file, channel_index(turn.channel)) in channels],
        ctm=[word for word in data.ctm if (word.file, channel_index(word.channel)) in channels],
        others={name: table for name, table in others.items() if table},
        path=data.path,
        allow_pipes=data.allow_pipes,
    )


def _only(table: dict, keys: set[str]) -> dict:
    return {key: value for key, value in table.items() if key in keys}


def subset(
    data: DataDir,
    count: int | None = None,
    how: str = "spread",
    utts: Iterable[str] | None = None,
    spks: Iterable[str] | None = None,
    seed: int = 0,
) -> DataDir:
    """Some utterances of a directory, with the recordings they are in.

    Args:
        count: how many utterances (with ``per_spk``: of every speaker).
        how: ``spread`` evenly over the order, ``first``, ``last``, ``shortest``, ``speakers`` (whole speakers, drawn
            with ``seed``, until there are ``count``), ``per_spk``.
        utts, spks: instead of a count, the utterances or speakers to keep.

    Raises:
        AudiolmError: more than there are; an utterance or speaker that is not there.
    """
    if utts is not None or spks is not None:
        chosen = set(utts or ())
        missing = sorted(chosen - set(data.utts)) + sorted(set(spks or ()) - set(data.utt2spk.values()))
        if missing:
            raise AudiolmError(f"{data.path} has no utterance or speaker '{missing[0]}' ({len(missing)} are missing)")
        wanted = set(spks or ())
        return select(data, chosen | {utt for utt, spk in data.utt2spk.items() if spk in wanted})
    everything = data.utts
    if how != "per_spk" and not 1 <= count <= len(everything):
        raise AudiolmError(f"{data.path} has {len(everything)} utterances, {count} were asked for")
    if how == "first":
        return select(data, everything[:count])
    if how == "last":
        return select(data, everything[-count:])
    if how == "shortest":
        return select(data, sorted(everything, key=lambda utt: _length(data, utt))[:count])
    if how == "speakers":
        table, chosen = data.spk2utt(), []
        for spk in np.random.default_rng(seed).permutation(sorted(table)):
            if len(chosen) < count:
                chosen += table[str(spk)]
        return select(data, chosen)
    if how == "per_spk":
        return select(data, [utt for names in data.spk2utt().values() for utt in _spread(names, count)])
    return select(data, _spread(everything, count))


def _length(data: DataDir, utt: str) -> float:
    place = data.place(utt)
    return place.end - place.start


def _spread(names: list[str], count: int) -> list[str]:
    """``count`` of the names, evenly spaced (all, if there are fewer)."""
    count = min(count, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def combine(parts: Iterable[DataDir]) -> DataDir:
    """One directory of several; what two of them both have must be the same.

    If some have ``segments``, the others' recordings become utterances from 0 to their end.

    Raises:
        AudiolmError: an id means different things in two directories, or some have speakers and some do not.
    """
    parts = list(parts)
    if len({bool(part.utt2spk) for part in parts}) > 1:
        without = next(part.path for part in parts if not part.utt2spk)
        raise AudiolmError(f"{without} has no utt2spk, others that it is combined with have one; write one first")
    segmented = any(part.segments for part in parts)
    whole = DataDir(rttm=[], ctm=[], allow_pipes=any(part.allow_pipes for part in parts))
    channels: dict[tuple[str, str, int], list] = {}
    for part in parts:
        _join(whole.wav, {reco: part.wav_path(reco) for reco in part.wav}, part, "wav.scp")
        if segmented:
            _join(whole.segments, {utt: part.place(utt) for utt in part.utts}, part, "segments")
        for name, attribute in (
            ("text", "text"),
            ("utt2spk", "utt2spk"),
            ("reco2file_and_channel", "reco2file_and_channel"),
            ("reco2dur", "reco2dur"),
        ):
            _join(getattr(whole, attribute), getattr(part, attribute), part, name)
        for name, table in part.others.items():
            _join(whole.others.setdefault(name, {}), table, part, name)
        for name, entries in (("rttm", part.rttm), ("ctm", part.ctm)):
            own: dict[tuple[str, str, int], list] = {}
            for entry in entries:
                own.setdefault((name, entry.file, channel_index(entry.channel)), []).append(entry)
            _join(channels, own, part, name)
    for (name, *_), entries in channels.items():
        getattr(whole, name).extend(entries)
    return whole


def _join(table: dict, more: dict, part: DataDir, name: str) -> None:
    for key, value in more.items():
        if table.setdefault(key, value) != value:
            raise AudiolmError(f"'{key}' of {part.path}/{name} is something else in a directory before it")
