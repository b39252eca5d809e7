"""Patterns: how tokens of several levels, parts or rates become one sequence, each with its exact inverse.

Delays of streams beside each other are in :mod:`audiolm.streams.delays`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# ----------------------------------------------------------------------------------------------------- levels in a row


def flatten(codes: np.ndarray) -> np.ndarray:
    """All levels of a frame, then those of the next: [T, levels] -> [T * levels] (AudioLM, section III-C)."""
    if codes.ndim != 2:
        raise ValueError(f"codes of shape {codes.shape}, expected [frames, levels]")
    return codes.reshape(-1)


def unflatten(sequence: np.ndarray, levels: int, whole: bool = True) -> np.ndarray:
    """Inverse of :func:`flatten`: [T * levels] -> [T, levels].

    Args:
        whole: a last frame in part is an error; else it is left out.

    Raises:
        ValueError: as said.
    """
    rest = len(sequence) % levels
    if rest and whole:
        raise ValueError(f"{len(sequence)} tokens are no whole number of frames of {levels} levels: {rest} left over")
    return sequence[: len(sequence) - rest].reshape(-1, levels)


# ------------------------------------------------------------------------------------------------- frames side by side


def group(codes: np.ndarray, size: int) -> np.ndarray:
    """Frames in groups of ``size``, side by side: [T, levels] -> [T // size, size * levels] (VALL-E 2, section 3.1).

    What does not fill a group is trimmed from the start, as the paper does: the end of speech stays.
    """
    if codes.ndim != 2 or size < 1:
        raise ValueError(f"codes of shape {codes.shape} in groups of {size}, expected [frames, levels] and size >= 1")
    return codes[len(codes) % size :].reshape(-1, size * codes.shape[1])


def ungroup(grouped: np.ndarray, size: int) -> np.ndarray:
    """Inverse of :func:`group`, for the frames it kept: [N, size * levels] -> [N * size, levels]."""
    if grouped.ndim != 2 or grouped.shape[1] % size:
        raise ValueError(f"groups of shape {grouped.shape}, expected [groups, {size} x levels]")
    return grouped.reshape(-1, grouped.shape[1] // size)


# -------------------------------------------------------------------------------------------------- rates by the clock


@dataclass(frozen=True)
class Interleaved:
    """Several sequences merged in order of time.

    Attributes:
        source: int64 [N], which sequence each token is from.
        place: int64 [N], its place there.
    """

    source: np.ndarray
    place: np.ndarray

    def merge(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """One sequence [N, …] of parts [T_i, …] of one type."""
        merged = np.empty((len(self.source), *parts[0].shape[1:]), dtype=np.result_type(*parts))
        for number, part in enumerate(parts):
            mine = self.source == number
            if mine.sum() != len(part):
                raise ValueError(f"part {number} has {len(part)} tokens, the pattern is for {mine.sum()}")
            merged[mine] = part
        return merged

    def split(self, merged: np.ndarray) -> list[np.ndarray]:
        """Inverse of :meth:`merge`."""
        if len(merged) != len(self.source):
            raise ValueError(f"{len(merged)} tokens, the pattern is for {len(self.source)}")
        return [merged[self.source == number] for number in range(int(self.source.max(initial=-1)) + 1)]


def interleave(times: Sequence[np.ndarray]) -> Interleaved:
    """The pattern of sequences whose tokens begin at ``times`` (seconds or any unit, [T_i], never falling).

    At one time the earlier part comes first (Spirit LM: units, then the pitch and style that begin there).

    Raises:
        ValueError: times that fall.
    """
    for number, part in enumerate(times):
        if (np.diff(part) < 0).any():
            raise ValueError(f"times of part {number} fall at token {int((np.diff(part) < 0).argmax()) + 1}")
    source = np.repeat(np.arange(len(times)), [len(part) for part in times])
    place = np.concatenate([np.arange(len(part)) for part in times]) if times else np.empty(0, dtype=np.int64)
    order = np.argsort(np.concatenate(times), kind="stable") if times else place
    return Interleaved(source[order], place[order])


# ---------------------------------------------------------------------------------------------- spans moved to the end


@dataclass(frozen=True)
class Moved:
    """A sequence whose masked spans stand at its end (VoiceCraft: Peng et al. 2024, section 3.1).

    Attributes:
        pieces: what stays, in order, one piece more than spans; a first or last piece may be empty.
        spans: what was taken out, in order; each [S_j, …].
    """

    pieces: list[np.ndarray]
    spans: list[np.ndarray]

    def sequence(self, marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Pieces with a mark for each span between them, then for each span its mark, its tokens, and an end.

        Args:
            marks: [spans or more, …], one mark a span, of one token's shape and type.
            ends: [1, …], the token that ends a span.

        Returns:
            [N, …], N = all tokens + 3 a span.
        """
        if len(marks) < len(self.spans):
            raise ValueError(f"{len(marks)} marks for {len(self.spans)} spans")
        kept = [self.pieces[0]]
        for number, piece in enumerate(self.pieces[1:]):
            kept += [marks[number : number + 1], piece]
        for number, span in enumerate(self.spans):
            kept += [marks[number : number + 1], span, ends]
        return np.concatenate(kept)

    def whole(self) -> np.ndarray:
        """The sequence as it was: inverse of :func:`move_spans`."""
        parts = [self.pieces[0]]
        for span, piece in zip(self.spans, self.pieces[1:], strict=True):
            parts += [span, piece]
        return np.concatenate(parts)


def move_spans(tokens: np.ndarray, spans: Sequence[tuple[int, int]]) -> Moved:
    """Take ``spans`` (first, stop) out of tokens [T, …].

    Raises:
        ValueError: spans out of order, that overlap or touch, that are empty, or that leave the sequence.
    """
    pieces, taken, last = [], [], 0
    for first, stop in spans:
        if first < last or stop <= first or stop > len(tokens) or (taken and first == last):
            raise ValueError(
                f"spans {list(spans)} of {len(tokens)} tokens: expected in order, apart, not empty, inside"
            )
        pieces.append(tokens[last:first])
        taken.append(tokens[first:stop])
        last = stop
    return Moved([*pieces, tokens[last:]], taken)


def moved_back(sequence: np.ndarray, marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The whole sequence of what :meth:`Moved.sequence` gave, or a model: spans stand where their marks were.

    Args:
        sequence: [N] tokens or [N, levels]; a mark or an end is found by all of its levels.
        marks, ends: as there.

    Raises:
        ValueError: a mark that no span or no place belongs to, a span without an end.
    """
    number = np.full(len(sequence), -1)
    for mark, token in enumerate(marks):
        number[_equal(sequence, token)] = mark
    places = np.flatnonzero(number >= 0)
    count = len(places) // 2
    if len(places) % 2 or (number[places] != np.tile(np.arange(count), 2)).any():
        raise ValueError(f"marks {number[places].tolist()} in this order, expected 0, 1, … and the same once more")
    ended = np.flatnonzero(_equal(sequence, ends[0]))
    outer = [-1, *places[:count], *(places[count:][:1] if count else [len(sequence)])]
    parts = [sequence[outer[0] + 1 : outer[1]]]
    for span in range(count):
        first = places[count + span] + 1
        limit = places[count + span + 1] if span + 1 < count else len(sequence)
        stops = ended[(ended >= first) & (ended < limit)]
        if len(stops) == 0 or stops[0] != limit - 1:
            raise ValueError(f"span {span} from token {first} to {limit} does not end with one end token")
        parts += [sequence[first : stops[0]], sequence[outer[span + 1] + 1 : outer[span + 2]]]
    return np.concatenate(parts)


def _equal(sequence: np.ndarray, token: np.ndarray) -> np.ndarray:
    """Bool [N]: where all levels are the token's."""
    same = sequence == token
    return same.reshape(len(sequence), -1).all(axis=1)
