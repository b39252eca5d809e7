"""Delays: shift every stream of a token grid right by frames of its own, and back.

Moshi delays acoustic levels against the semantic one (section 3.4.2), and text against audio to make a streaming
recogniser or a streaming voice of the same model (section 3.4.4, appendix C).
"""

from collections.abc import Sequence

import numpy as np


def delay(grid: np.ndarray, delays: Sequence[int], fill: Sequence[int] | int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Shift stream s right by ``delays[s]`` frames: ``delayed[..., s, t + delays[s]] = grid[..., s, t]``.

    Args:
        grid: [..., S, T].
        delays: frames ≥ 0, one a stream.
        fill: what stands where nothing was shifted to, for all streams or one a stream.

    Returns:
        delayed [..., S, T + max(delays)], and bool [S, T + max(delays)]: True where a token of the grid stands.
    """
    delays = _checked(delays, grid.shape[-2])
    frames = grid.shape[-1]
    source = np.arange(frames + delays.max(initial=0)) - delays[:, None]  # [S, T']
    valid = (source >= 0) & (source < frames)
    fill = np.broadcast_to(np.asarray(fill, dtype=grid.dtype), (len(delays),))[:, None]
    if not frames:
        return np.broadcast_to(fill, (*grid.shape[:-1], source.shape[1])).copy(), valid
    index = np.broadcast_to(np.clip(source, 0, frames - 1), (*grid.shape[:-1], source.shape[1]))
    return np.where(valid, np.take_along_axis(grid, index, axis=-1), fill), valid


def undelay(delayed: np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """Inverse of :func:`delay`: [..., S, T + max(delays)] -> [..., S, T]."""
    delays = _checked(delays, delayed.shape[-2])
    frames = delayed.shape[-1] - delays.max(initial=0)
    if frames < 0:
        raise ValueError(
            f"a delayed grid of {delayed.shape[-1]} frames is shorter than its longest delay {delays.max()}"
        )
    index = np.arange(frames) + delays[:, None]
    return np.take_along_axis(delayed, np.broadcast_to(index, (*delayed.shape[:-1], frames)), axis=-1)


def stream_delays(speakers: int, levels: Sequence[int], text: int) -> list[int]:
    """Delays of the streams of one grid: text, then the codes of one or more speakers.

    Args:
        speakers: 1 or more, all with the same pattern.
        levels: frames of each codebook level of one speaker, semantic first.
        text: frames by which text is behind the audio; negative = ahead, and then the audio is delayed instead.

    >>> stream_delays(2, levels=[0, 1, 1], text=0)
    [0, 0, 1, 1, 0, 1, 1]
    >>> stream_delays(1, levels=[0, 2, 2], text=-25)
    [0, 25, 27, 27]
    """
    return [max(text, 0)] + [max(-text, 0) + frames for frames in levels] * speakers


def _checked(delays: Sequence[int], streams: int) -> np.ndarray:
    delays = np.asarray(delays, dtype=np.int64)
    if delays.shape != (streams,) or (delays < 0).any():
        raise ValueError(f"delays {delays.tolist()} for a grid of {streams} streams: one number ≥ 0 a stream")
    return delays
