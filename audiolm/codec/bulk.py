"""Many recordings to codes: batches of like lengths, long recordings in windows, and the codes of each as if alone."""

from collections import Counter
from collections.abc import Iterator
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


def cut(reco: str, duration: float, codec: Codec, seconds: float = WINDOW) -> list[Window]:
    """Windows of at most ``seconds`` (the past that is read again beside) that cover ``duration`` seconds.

    Raises:
        AudiolmError: not one sample at the codec's rate.
    """
    frames = -(-round(duration * codec.sample_rate) // codec.frame_size)
    if frames == 0:
        raise AudiolmError(f"'{reco}' lasts {duration:g} s, not one sample at {codec.sample_rate} Hz; leave it out")
    if codec.past is None:
        return [Window(reco, 0, 0, frames, last=True)]
    step = round(seconds * codec.frame_rate)
    return [
        Window(reco, max(0, keep - codec.past), keep, min(keep + step, frames), last=keep + step >= frames)
        for keep in range(0, frames, step)
    ]


def batches(windows: list[Window], frames: int) -> Iterator[list[Window]]:
    """Group windows of like lengths, longest first, at most ``frames`` in a group, padding included."""
    group: list[Window] = []
    for window in sorted(windows, key=lambda window: window.begin - window.end):
        if group and (len(group) + 1) * (group[0].end - group[0].begin) > frames:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def encode_batch(codec: Codec, waves: list[np.ndarray]) -> list[np.ndarray]:
    """Waveforms float32 [T_i] -> codes int64 [ceil(T_i / frame_size), n_q] of each, encoded together.

    Those of a codec that is not causal are encoded with others of their length only.
    """
    if not waves:
        return []
    if not codec.causal and len(lengths := {len(wave) for wave in waves}) > 1:
        codes = {}
        for length in lengths:
            places = [place for place, wave in enumerate(waves) if len(wave) == length]
            codes |= zip(places, encode_batch(codec, [waves[place] for place in places]), strict=True)
        return [codes[place] for place in range(len(waves))]
    device = next(codec.parameters()).device
    padded = pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
    codes = codec.encode(padded[:, None].to(device)).transpose(1, 2).cpu().numpy()
    return [row[: -(-len(wave) // codec.frame_size)] for row, wave in zip(codes, waves, strict=True)]


def _read(codec: Codec, data: DataDir, window: Window) -> np.ndarray:
    duration = None if window.last else (window.end - window.begin) / codec.frame_rate
    return data.audio(window.reco, window.begin / codec.frame_rate, duration, codec.sample_rate)
