"""One microphone, two streams: the main speaker and everybody else (Moshi, Défossez et al. 2024, section 4.3,
post-training).

One speaker is drawn at random as the main one. A mask that is 1 where diarization hears that speaker and 0 elsewhere
gives two waveforms, wav · mask and wav · (1 − mask), which add up to the recording.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from audiolm.annotate.sources import utts_by_reco
from audiolm.annotate.turns import Region, SpeakerTurn, union
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import name_of
from audiolm.data.tables import Segment, Turn, Word
from audiolm.errors import AudiolmError

STREAMS = ("A", "B")  # main speaker, residual
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
    data: DataDir, recos: Iterable[str], turns: Iterable[Turn], directory: Path, seed: int, job: int = 1
) -> None:
    """Write one job's streams: ``directory/flac/<reco>-A.flac`` (main speaker), ``-B.flac`` (residual), and their
    tables.

    The tables, in ``directory/part.<job>``, make a data directory of recordings ``<reco>-A`` and ``<reco>-B``, which
    are channels A and B of file ``<reco>``. The corpus's segments, text, words and turns go to the stream whose mask
    they lie in for the most part.

    Args:
        data: recordings of one channel.
        turns: of diarization; recordings without any are left out (diarization has rejected them).

    Raises:
        AudiolmError: a file of ``data`` has several channels, or an output cannot be written.
    """
    found, words, reference, utts = data.by_reco(turns), data.words(), data.turns(), utts_by_reco(data)
    streams = DataDir(rttm=[], ctm=[])
    for reco in sorted(recos):
        if reco not in found:
            raise AudiolmError(
                f"file '{reco}' of {data.path} has several channels, expected one microphone: leave --streams out, "
                "its channels are streams already"
            )
        own = [SpeakerTurn(turn.start, turn.end, turn.speaker) for turn in found[reco]]
        if not own:
            continue
        regions = mask_regions(own, main_speaker(own, reco, seed))
        _write_audio(data, reco, regions, directory, streams)
        for word in words[reco]:
            stream = _side(regions, word.start, word.end)
            streams.ctm.append(Word(reco, stream, word.start, word.duration, word.word, word.confidence))
        for turn in reference[reco]:
            stream = _side(regions, turn.start, turn.end)
            channel = str(STREAMS.index(stream) + 1)
            streams.rttm.append(Turn(reco, channel, turn.start, turn.duration, turn.speaker))
        for utt in utts.get(reco, ()):
            place = data.place(utt)
            stream = _side(regions, place.start, place.end)
            streams.segments[utt] = Segment(f"{reco}-{stream}", place.start, place.end)
            for source, target in ((data.text, streams.text), (data.utt2spk, streams.utt2spk)):
                target.update({utt: source[utt]} if utt in source else {})
    streams.write(directory / f"part.{job}")


def _write_audio(data: DataDir, reco: str, regions: Sequence[Region], directory: Path, streams: DataDir) -> None:
    fs = audio.info(data.wav_path(reco), data.allow_pipes).fs
    wav = data.audio(reco)
    main = wav * mask(regions, len(wav), fs)
    for stream, part in zip(STREAMS, (main, wav - main), strict=True):
        path = (directory / "flac" / f"{name_of(reco)}-{stream}.flac").absolute()
        audio.write(path, part, fs)
        streams.wav[f"{reco}-{stream}"] = str(path)
        streams.reco2dur[f"{reco}-{stream}"] = len(wav) / fs
        streams.reco2file_and_channel[f"{reco}-{stream}"] = (reco, stream)


def _side(regions: Sequence[Region], start: float, end: float) -> str:
    """The stream that holds more of start … end."""
    inside = sum(max(0.0, min(end, e) - max(start, s)) for s, e in regions)
    return STREAMS[0] if 2 * inside >= end - start else STREAMS[1]
