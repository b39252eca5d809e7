"""One microphone, two streams: the main speaker and everybody else (Moshi, Défossez et al. 2024, section 4.3,
post-training).

One speaker is drawn at random as the main one. A mask that is 1 where diarization hears that speaker and 0 elsewhere
gives two waveforms, wav · mask and wav · (1 − mask), which add up to the recording.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audiolm.annotate.diarize import files_of
from audiolm.annotate.sources import utts_by_reco
from audiolm.annotate.turns import Region, SpeakerTurn, union
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.recordings import flac_path
from audiolm.data.tables import Turn
from audiolm.errors import AudiolmError

STREAMS, CHANNELS = ("A", "B"), ("1", "2")  # main speaker, residual: as ctm and as rttm call them
MARGIN = 0.1  # seconds by which the mask reaches into silence around the main speaker's turns
FADE = 0.01  # seconds over which the mask changes


def main_speaker(turns: Sequence[SpeakerTurn], reco: str, seed: int) -> str:
    """Draw a speaker: every one equally likely, the same for the same recording and seed."""
    digest = hashlib.sha256(f"{seed} {reco}".encode()).digest()
    speakers = sorted({turn.speaker for turn in turns})
    return speakers[np.random.default_rng(list(digest)).integers(len(speakers))]


def mask_regions(turns: Sequence[SpeakerTurn], speaker: str) -> list[Region]:
    """Where the mask is 1: the speaker's turns, and up to MARGIN s around them where nobody else speaks.

    Detectors cut onsets and ends short; the margin keeps them on the speaker's side.
    """
    others = union((turn.start, turn.end) for turn in turns if turn.speaker != speaker)
    grown = []
    for start, end in union((turn.start, turn.end) for turn in turns if turn.speaker == speaker):
        before = max((e for s, e in others if s < start), default=-np.inf)
        after = min((s for s, e in others if e > end), default=np.inf)
        grown.append((min(start, max(start - MARGIN, before, 0.0)), max(end, min(end + MARGIN, after))))
    return union(grown)


def mask(regions: Iterable[Region], samples: int, fs: int) -> np.ndarray:
    """1 within the regions and 0 outside, float32 [samples], changing linearly over FADE s around their edges."""
    out = np.zeros(samples, dtype=np.float32)
    times = np.arange(samples) / fs
    for start, end in regions:
        first, last = (int(np.clip((time + side * FADE) * fs, 0, samples)) for time, side in ((start, -1), (end, 1)))
        here = times[first:last]
        ramp = np.minimum((here - start) / FADE + 0.5, (end - here) / FADE + 0.5)
        out[first:last] = np.maximum(out[first:last], np.clip(ramp, 0, 1))
    return out


def write_part(
    data: DataDir, files: Iterable[str], turns: Iterable[Turn], directory: Path, seed: int, job: int = 1
) -> list[Turn]:
    """Write one job's streams: ``directory/flac/<file>-A.flac`` (main speaker), ``-B.flac`` (residual), and their
    tables. Where diarization heard one speaker alone, the whole recording is his, and there is no residual.

    The tables, in ``directory/part.<job>``, make a data directory of recordings ``<file>-A`` and ``<file>-B``, which
    are channels A and B of ``<file>``. Each of the corpus's utterances, words and turns goes to the stream of the
    diarized speaker who speaks most in it; where two speak at once, to the main speaker's, which has the sound.

    Args:
        data: recordings of one channel.
        files: ids of those to part; without any turn they are left out (diarization has rejected them).
        turns: of diarization.

    Returns:
        ``turns`` of these files, each on the channel of its stream.

    Raises:
        AudiolmError: a file of ``data`` has several channels, or an output cannot be written.
    """
    recos_of, by_reco, words, reference = files_of(data), data.by_reco(turns), data.words(), data.turns()
    utts, placed = utts_by_reco(data), []
    streams = DataDir(rttm=[], ctm=[])
    for file in sorted(files):
        if len(recos_of[file]) > 1:
            raise AudiolmError(
                f"file '{file}' of {data.path} has several channels, expected one microphone: leave --streams out, "
                "its channels are streams already"
            )
        (reco,) = recos_of[file]
        found = by_reco[reco]
        if not found:
            continue
        sides = _Sides([SpeakerTurn(turn.start, turn.end, turn.speaker) for turn in found], reco, seed)
        _write_audio(data, reco, file, sides, directory, streams)
        placed += [replace(turn, channel=CHANNELS[turn.speaker != sides.main]) for turn in found]
        for turn in reference[reco]:
            streams.rttm.append(replace(turn, channel=CHANNELS[sides.of(turn.start, turn.end)]))
        for word in words[reco]:
            streams.ctm.append(replace(word, channel=STREAMS[sides.of(word.start, word.end)]))
        for utt in utts.get(reco, ()):
            if not data.segments and utt not in data.text:
                continue  # nobody's utterance: the recording itself, of which nothing is known
            place = data.place(utt)
            streams.segments[utt] = replace(place, reco=f"{file}-{STREAMS[sides.of(place.start, place.end)]}")
            for source, target in ((data.text, streams.text), (data.utt2spk, streams.utt2spk)):
                target.update({utt: source[utt]} if utt in source else {})
    streams.write(directory / f"part.{job}")
    return placed


class _Sides:
    """Which stream (0: main, 1: residual) times of one recording belong to."""

    def __init__(self, turns: Sequence[SpeakerTurn], reco: str, seed: int):
        self.main = main_speaker(turns, reco, seed)
        self.regions = mask_regions(turns, self.main)
        speakers = {turn.speaker for turn in turns}
        self.alone = len(speakers) == 1
        self._turns = {s: _edges((turn.start, turn.end) for turn in turns if turn.speaker == s) for s in speakers}
        self._mask = _edges(self.regions)

    def of(self, start: float, end: float) -> int:
        """The stream of whoever speaks longest within ``start`` … ``end`` s; of nobody, that of most of the sound."""
        if self.alone:
            return 0
        end = max(end, start + 1e-3)  # a word may have no length
        spoken = {speaker: _overlap(turns, start, end) for speaker, turns in self._turns.items()}
        if not any(spoken.values()):
            return int(2 * _overlap(self._mask, start, end) < end - start)
        return int(spoken[self.main] < max(spoken.values()))


def _edges(regions: Iterable[Region]) -> np.ndarray:
    """Disjoint starts and ends, [2, regions]."""
    return np.array(union(regions)).T


def _overlap(edges: np.ndarray, start: float, end: float) -> float:
    """Seconds of ``start`` … ``end`` that lie in regions."""
    return float((np.minimum(edges[1], end) - np.maximum(edges[0], start)).clip(0).sum())


def _write_audio(data: DataDir, reco: str, file: str, sides: _Sides, directory: Path, streams: DataDir) -> None:
    fs = audio.info(data.wav_path(reco), data.allow_pipes).fs
    wav = data.audio(reco)
    main = wav if sides.alone else wav * mask(sides.regions, len(wav), fs)
    for stream, part in zip(STREAMS, [main] if sides.alone else [main, wav - main], strict=False):
        name = f"{file}-{stream}"
        path = flac_path(directory, name)
        audio.write(path, part, fs)
        streams.wav[name] = str(path)
        streams.reco2dur[name] = len(wav) / fs
        streams.reco2file_and_channel[name] = (file, stream)
