"""What a query may see, where a row holds several sequences, padding, or a part that is read both ways."""

import torch
from torch import Tensor

PADDING = -1  # segment of what is no sequence: it is seen by nothing but padding, and its outputs mean nothing


def sequence_mask(
    segments: Tensor, causal: bool = True, prefix: Tensor | None = None, window: int | None = None
) -> Tensor:
    """Bool [B, 1, T, T] (queries, keys), True = may be seen: a query sees keys of its own segment alone.

    Args:
        segments: int64 [B, T], a number for each sequence of a row; ``PADDING`` for none. A batch of single sequences
            of several lengths is the case of segments 0 and ``PADDING``.
        causal: no later key is seen.
        prefix: bool [B, T], of causal attention: keys that every query of their segment sees, also earlier ones
            (prefix language models: Raffel et al. 2020, section 3.2.1).
        window: of causal attention: a query sees itself, the ``window - 1`` keys before it, and the prefix.
    """
    same = segments[:, :, None] == segments[:, None, :]
    if causal:
        place = torch.arange(segments.shape[1], device=segments.device)
        distance = place[:, None] - place
        seen = (distance >= 0) if window is None else (distance >= 0) & (distance < window)
        same = same & (seen if prefix is None else seen | prefix[:, None, :])
    return same[:, None]


def segment_pieces(
    segments: Tensor, causal: bool = True, prefix: Tensor | None = None, window: int | None = None
) -> list[tuple[int, Tensor | None]]:
    """:func:`sequence_mask` by pieces, for rows whose segments are in one piece each: what is within each of them.

    Returns:
        of each piece, all rows one after another and padding among them, its length, and a mask bool [length, length]
        where it needs more than ``causal``.
    """
    rows = torch.arange(len(segments), device=segments.device)[:, None] * (int(segments.max()) + 2)
    lengths = torch.unique_consecutive((rows + segments).flatten(), return_counts=True)[1].tolist()
    firsts = [None] * len(lengths) if prefix is None else prefix.flatten().split(lengths)
    pieces = []
    for length, first in zip(lengths, firsts, strict=True):
        if not causal or ((first is None or not first.any()) and (window is None or length <= window)):
            pieces.append((length, None))
        else:
            own = segments.new_zeros(1, length)
            pieces.append((length, sequence_mask(own, True, None if first is None else first[None], window)[0, 0]))
    return pieces


def segment_positions(segments: Tensor) -> Tensor:
    """Places within their segments, int64 [B, T], each from 0; segments are in one piece each."""
    place = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    begins = torch.ones_like(segments, dtype=torch.bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return place - torch.where(begins, place, 0).cummax(dim=1).values


def lengths_to_segments(lengths: Tensor, frames: int | None = None) -> Tensor:
    """Segments int64 [B, T] of padded rows: 0 for the first ``lengths[b]`` places of row b, then ``PADDING``.

    Args:
        lengths: int64 [B].
        frames: T; None = the greatest length.
    """
    frames = int(lengths.max()) if frames is None else frames
    inside = torch.arange(frames, device=lengths.device) < lengths[:, None]
    return torch.where(inside, 0, PADDING)
