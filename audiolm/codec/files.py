"""Audio and codes in files: what a user names becomes recordings, and codes become files again.

Codes of a recording are a ``.npy`` file [frames, levels], named as the recording, in a folder with the ``meta.json`` of
token archives (audiolm.data.tokens), or an entry of such an archive.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from audiolm.codec.model import Codec
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import atomic, name_of
from audiolm.data.readers import BLANK
from audiolm.data.tokens import Meta, TokenReader, TokenWriter, read_meta, write_meta
from audiolm.errors import AudiolmError

KIND = "codes"
# What folders are searched for; files that are named themselves may be of any format that libsndfile reads.
SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".sph", ".w64"}


@dataclass
class Recordings:
    """One-channel recordings of the files that were named.

    Attributes:
        data: them, under names that may hold slashes.
        rejected: (name, reason) of files that are no audio.
        rates: sample rate in Hz -> number of recordings.
    """

    data: DataDir
    rejected: list[tuple[str, str]] = field(default_factory=list)
    rates: Counter = field(default_factory=Counter)


def find_recordings(inputs: Sequence[Path], channel: int | None = None, allow_pipes: bool = False) -> Recordings:
    """The recordings of audio files, folders of them (searched to the bottom) and data directories.

    A file's name is that below the folder that was named, without its suffix; a data directory's recordings have their
    own. Of a file with several channels each is a recording, ``<name>_ch1`` and so on, unless one is picked.

    Args:
        channel: the one to take of files with several, from 1; data directories say it themselves.
        allow_pipes: run the pipes in data directories.

    Raises:
        AudiolmError: nothing there, a folder without audio, or two files of one name.
    """
    found = Recordings(DataDir(allow_pipes=allow_pipes))
    for name, (path, picked) in _named(inputs, allow_pipes).items():
        try:
            header = audio.info(path, allow_pipes)
            chosen = _channels(path, header.channels, picked, channel)
        except AudiolmError as error:
            found.rejected.append((name, str(error)))
            continue
        for number in chosen:
            reco = f"{name}_ch{number + 1}" if len(chosen) > 1 else name
            if reco in found.data.wav:
                raise AudiolmError(f"'{reco}' of {path} is the name of {found.data.wav[reco]} too; rename one of them")
            found.data.wav[reco] = path
            found.data.reco2file_and_channel[reco] = (name, str(number + 1))
            found.data.reco2dur[reco] = header.duration
            found.rates[header.fs] += 1
    return found


def _channels(path: str, count: int, picked: int | None, channel: int | None) -> Sequence[int]:
    """The 0-based channels to take: what a data directory's table picks, else ``channel`` (from 1), else all."""
    if count == 1 or picked is not None:
        return [audio.pick_channel(path, count, picked)]
    if channel is None:
        return range(count)
    if channel > count:
        raise AudiolmError(f"{path} has {count} channels, channel {channel} was asked for")
    return [channel - 1]


def _named(inputs: Sequence[Path], allow_pipes: bool) -> dict[str, tuple[str, int | None]]:
    """Name -> file, and the 0-based channel if a table says it."""
    found: dict[str, tuple[str, int | None]] = {}
    for given in inputs:
        if (given / "wav.scp").is_file():
            data = DataDir.read(given, allow_pipes)
            own = {reco: (data.wav_path(reco), data.channel(reco)) for reco in data.recos}
        else:
            own = {name: (str(path), None) for name, path in below(given, SUFFIXES, "audio")}
        for name, source in own.items():
            if found.setdefault(name, source) != source:
                raise AudiolmError(f"{source[0]} and {found[name][0]} have one name, '{name}'; do them one by one")
    return found


def below(given: Path, suffixes: set[str], what: str) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of a file, or of all files with these suffixes below a folder, in order.

    Raises:
        AudiolmError: nothing there, or none in the folder.
    """
    if given.is_file():
        yield given.stem, given
        return
    if not given.is_dir():
        raise AudiolmError(f"no file or folder {given}; name what is there")
    files = sorted(path for path in given.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not files:
        raise AudiolmError(f"no {what} in the folder {given}, expected files *{', *'.join(sorted(suffixes))}")
    for path in files:
        yield path.relative_to(given).with_suffix("").as_posix(), path


class CodesWriter(Protocol):
    """Takes the codes [frames, levels] of one recording after another."""

    def write(self, name: str, codes: np.ndarray) -> None:
        """Keep the codes of a recording."""


class FolderWriter:
    """Writes ``<folder>/<name>.npy``, each whole or not at all.

    Raises:
        AudiolmError: the folder holds codes of another kind.
    """

    def __init__(self, folder: Path, meta: Meta):
        self.folder, self.meta = folder, meta
        if (folder / "meta.json").exists() and (held := read_meta(folder, KIND)) != meta:
            raise AudiolmError(
                f"{folder} holds codes of codec {held.source}, {len(held.vocab_sizes)} levels; these are of codec "
                f"{meta.source}, {len(meta.vocab_sizes)} levels: name another folder"
            )
        write_meta(folder, KIND, meta)

    def write(self, name: str, codes: np.ndarray) -> None:
        with atomic(inside(self.folder, name, ".npy"), "wb") as file:
            np.save(file, codes.astype(self.meta.dtype))


class ArchiveWriter:
    """Writes entries of a token archive; blanks in names become ``%20``."""

    def __init__(self, archive: TokenWriter):
        self.archive = archive

    def write(self, name: str, codes: np.ndarray) -> None:
        self.archive.write(BLANK.sub("%20", name), codes)


@contextmanager
def codes_writer(folder: Path, meta: Meta, archive: bool) -> Iterator[CodesWriter]:
    """Where codes go: a token archive in the folder, or a file a recording."""
    if archive:
        with TokenWriter(folder, KIND, meta=meta) as writer:
            yield ArchiveWriter(writer)
    else:
        yield FolderWriter(folder, meta)


class Codes:
    """Codes of recordings, from ``.npy`` files, folders of them and token archives.

    Args:
        codec: what they will be decoded with.
        checksum: the codec's; codes that say whose they are must be its.
        levels: how many of their levels to take; None: all.

    Raises:
        AudiolmError: nothing there, no codes, codes of another codec, or that the codec does not have.
    """

    def __init__(self, inputs: Sequence[Path], codec: Codec, checksum: str, levels: int | None = None):
        self.frames: dict[str, int] = {}
        self.levels = levels
        self._sources: dict[str, np.ndarray | tuple[TokenReader, str]] = {}
        for given in inputs:
            if given.is_dir() and any(given.glob(f"{KIND}.*.scp")):
                reader = TokenReader(given, KIND, checksum)
                for key in reader.keys():
                    self._add(key, (reader, key), reader.num_frames(key), f"'{key}' of {given}")
            else:
                for name, path in below(given, {".npy"}, "codes"):
                    _check_source(path, checksum)
                    codes = _mapped(path)
                    self._add(name, codes, len(codes), str(path))
        for name in self.frames:
            self._check(name, codec)

    def _add(self, name: str, source: np.ndarray | tuple[TokenReader, str], frames: int, where: str) -> None:
        if name in self._sources:
            raise AudiolmError(f"{where}: there are other codes of the name '{name}'; decode them one by one")
        self._sources[name], self.frames[name] = source, frames

    def _check(self, name: str, codec: Codec) -> None:
        source = self._sources[name]
        codes = source[0].read(source[1]) if isinstance(source, tuple) else source
        levels = codes.shape[1]
        if self.levels is not None and not 1 <= self.levels <= levels:
            raise AudiolmError(f"{self.levels} levels were asked for, the codes of '{name}' have {levels}")
        size = codec.config.quantizer.codebook_size
        if levels > codec.n_q or codes.min() < 0 or codes.max() >= size:
            raise AudiolmError(
                f"the codes of '{name}' have {levels} levels with values {codes.min()} … {codes.max()}; this codec has "
                f"{codec.n_q} levels of {size} entries: use the codec that made them"
            )

    def read(self, name: str, begin: int, end: int) -> np.ndarray:
        """Frames ``begin`` to ``end`` of a recording's codes, integers [end - begin, levels]."""
        source = self._sources[name]
        codes = source[0].read(source[1], begin, end) if isinstance(source, tuple) else source[begin:end]
        return codes[:, : self.levels]


def _check_source(path: Path, checksum: str) -> None:
    """The nearest ``meta.json`` above a file of codes says whose they are; without one nobody knows."""
    for folder in path.absolute().parents:
        with suppress(AudiolmError):  # no such file, or one of something else
            source = read_meta(folder, KIND).source
            break
    else:
        return
    if source != checksum:
        raise AudiolmError(f"{path} was made by codec {source}, this one is {checksum}; use the codec that made it")


def _mapped(path: Path) -> np.ndarray:
    """A ``.npy`` file of integers [frames >= 1, levels >= 1], mapped; no pickles."""
    try:
        codes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AudiolmError(f"{path} is not an .npy file of codes: {error}") from None
    if codes.ndim != 2 or codes.size == 0 or codes.dtype.kind not in "iu":
        raise AudiolmError(
            f"{path} holds {codes.dtype} of shape {list(codes.shape)}, expected integers [frames, levels], as "
            "audiolm encode writes them"
        )
    return codes


def inside(folder: Path, name: str, suffix: str) -> Path:
    """The file of a recording below a folder, whatever its name; slashes are folders."""
    path = Path(os.path.normpath(name))
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        name = name_of(name)
    return folder / f"{name}{suffix}"
