"""Many recordings to codes and back: batches of like lengths, long recordings in windows, and each as if alone."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from audiolm.codec.model import Codec
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress

WINDOW = 60.0  # seconds encoded at once; a longer recording is cut, each window read with the past that bears on it
BATCH = 120.0  # seconds of a batch, padding included


@dataclass(frozen=True)
class Window:
    """Frames ``begin`` to ``end`` (``last``: to the end) of a recording; their codes are kept from ``keep`` on."""

    reco: str
    begin: int
    keep: int
    end: int
    last: bool


def encode_recordings(
    codec: Codec, data: DataDir, recos: list[str]
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Return recording -> codes int64 [F, n_q], and (recording, reason) of those that cannot be read."""
    codes, rejected = {}, []
    for reco, found in encode_each(codec, data, recos):
        if isinstance(found, AudiolmError):
            rejected.append((reco, str(found)))
        else:
            codes[reco] = found
    return {reco: codes[reco] for reco in recos if reco in codes}, sorted(rejected)


def encode_each(codec: Codec, data: DataDir, recos: list[str]) -> Iterator[tuple[str, np.ndarray | AudiolmError]]:
    """Yield every recording once, when its last window is done: its codes int64 [F, n_q], or why it cannot be read.

    Where the codec is causal, what pads a batch changes no code; other codecs get recordings of equal lengths together.
    A window that begins ``codec.past`` frames early gives the codes of the whole recording, up to rounding; codecs
    without such a number get whole recordings.
    """
    windows: list[Window] = []
    for reco in recos:
        try:
            windows += cut(reco, data.duration(reco), codec)
        except AudiolmError as error:
            yield reco, error
    left = Counter(window.reco for window in windows)
    parts: dict[str, dict[int, np.ndarray]] = {reco: {} for reco in left}
    faults: dict[str, AudiolmError] = {}
    groups = list(batches(windows, round(BATCH * codec.frame_rate)))
    for group in progress(groups, desc="codes"):
        waves = {}
        for window in group:
            try:
                waves[window] = _read(codec, data, window)
            except AudiolmError as error:
                faults.setdefault(window.reco, error)
        for window, codes in zip(waves, encode_batch(codec, list(waves.values())), strict=True):
            parts[window.reco][window.begin] = codes[window.keep - window.begin :]
        for window in group:
            left[window.reco] -= 1
            if left[window.reco] == 0:
                found = parts.pop(window.reco)
                if window.reco in faults:
                    yield window.reco, faults[window.reco]
                else:
                    yield window.reco, np.concatenate([part for _, part in sorted(found.items())])


def decode_each(
    codec: Codec, frames: Mapping[str, int], read: Callable[[str, int, int], np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every recording once: its samples float32 [F * frame_size]; the counterpart of `encode_each`.

    Args:
        frames: recording -> F.
        read: (recording, begin, end) -> the codes of these frames, integers [end - begin, K] of the first K levels.

    Raises:
        AudiolmError: codes that this codec does not have.
    """
    step, past = round(WINDOW * codec.frame_rate), codec.decoder_past
    windows = [window for reco, count in frames.items() for window in cut_frames(reco, count, past, step)]
    left = Counter(window.reco for window in windows)
    parts: dict[str, dict[int, np.ndarray]] = {reco: {} for reco in left}
    for group in progress(list(batches(windows, round(BATCH * codec.frame_rate))), desc="audio"):
        codes = [read(window.reco, window.begin, window.end) for window in group]
        for window, wav in zip(group, decode_batch(codec, codes), strict=True):
            parts[window.reco][window.begin] = wav[(window.keep - window.begin) * codec.frame_size :]
            left[window.reco] -= 1
            if left[window.reco] == 0:
                found = parts.pop(window.reco)
                yield window.reco, np.concatenate([part for _, part in sorted(found.items())])


def cut(reco: str, duration: float, codec: Codec, seconds: float = WINDOW) -> list[Window]:
    """Windows of at most ``seconds`` (the past that is read again beside) that cover ``duration`` seconds.

    Raises:
        AudiolmError: not one sample at the codec's rate.
    """
    frames = -(-round(duration * codec.sample_rate) // codec.frame_size)
    if frames == 0:
        raise AudiolmError(f"'{reco}' lasts {duration:g} s, not one sample at {codec.sample_rate} Hz; leave it out")
    return cut_frames(reco, frames, codec.past, round(seconds * codec.frame_rate))


def cut_frames(reco: str, frames: int, past: int | None, step: int) -> list[Window]:
    """Windows of at most ``step`` frames and the ``past`` before them; None: one of all frames."""
    if past is None:
        return [Window(reco, 0, 0, frames, last=True)]
    return [
        Window(reco, max(0, keep - past), keep, min(keep + step, frames), last=keep + step >= frames)
        for keep in range(0, frames, step)
    ]


def batches(windows: list[Window], frames: int) -> Iterator[list[Window]]:
    """Group windows of like lengths, longest first, at most ``frames`` in a group, padding included.

    No window is shorter than half the longest of its group.
    """
    group: list[Window] = []
    longest = 0
    for window in sorted(windows, key=lambda window: window.begin - window.end):
        length = window.end - window.begin
        if group and ((len(group) + 1) * longest > frames or 2 * length < longest):
            yield group
            group = []
        longest = longest if group else length
        group.append(window)
    if group:
        yield group


def encode_batch(codec: Codec, waves: list[np.ndarray]) -> list[np.ndarray]:
    """Waveforms float32 [T_i] -> codes int64 [ceil(T_i / frame_size), n_q] of each, encoded together.

    Those of a codec that is not causal are encoded with others of their length only.
    """
    if not waves:
        return []
    if not codec.causal and len({len(wave) for wave in waves}) > 1:
        return _by_length(waves, lambda equal: encode_batch(codec, equal))
    device = next(codec.parameters()).device
    padded = pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
    codes = codec.encode(padded[:, None].to(device)).transpose(1, 2).cpu().numpy()
    return [row[: -(-len(wave) // codec.frame_size)] for row, wave in zip(codes, waves, strict=True)]


def decode_batch(codec: Codec, codes: list[np.ndarray]) -> list[np.ndarray]:
    """Codes [F_i, K] -> samples float32 [F_i * frame_size] of each; together as in `encode_batch`."""
    if not codec.causal and len({len(each) for each in codes}) > 1:
        return _by_length(codes, lambda equal: decode_batch(codec, equal))
    device = next(codec.parameters()).device
    padded = pad_sequence([torch.from_numpy(each.astype(np.int64)) for each in codes], batch_first=True)
    wavs = codec.decode(padded.transpose(1, 2).to(device))[:, 0].cpu().numpy()
    return [wav[: len(each) * codec.frame_size] for wav, each in zip(wavs, codes, strict=True)]


def _by_length(items: list[np.ndarray], work: Callable[[list[np.ndarray]], list[np.ndarray]]) -> list[np.ndarray]:
    """``work`` done on the items of each length by themselves."""
    results = {}
    for length in {len(item) for item in items}:
        places = [place for place, item in enumerate(items) if len(item) == length]
        results |= zip(places, work([items[place] for place in places]), strict=True)
    return [results[place] for place in range(len(items))]


def _read(codec: Codec, data: DataDir, window: Window) -> np.ndarray:
    duration = None if window.last else (window.end - window.begin) / codec.frame_rate
    return data.audio(window.reco, window.begin / codec.frame_rate, duration, codec.sample_rate)
