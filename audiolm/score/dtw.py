"""Dynamic time warping of many pairs of short sequences at once."""

from collections.abc import Sequence

import numpy as np

DIGITS = 12  # of cosines: equal frames are at distance 0 in whatever order a matrix product adds up
BLOCK = 1 << 23  # numbers of one batch of pairs


def normalized(frames: np.ndarray) -> np.ndarray:
    """Frames [F, D] as float64 of length 1; a null frame becomes one of equal components, as in Libri-Light."""
    frames = np.asarray(frames, dtype=np.float64)
    length = np.linalg.norm(frames, axis=1, keepdims=True)
    return np.where(length > 0, frames / np.where(length > 0, length, 1), 1 / np.sqrt(frames.shape[1]))


def dtw_distances(sequences: Sequence[np.ndarray], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angular DTW distances of pairs of sequences: arccos of cosines over pi, averaged along the cheapest path.

    Steps go one frame ahead in either sequence or in both; where costs are equal, both, then the second alone (so the
    value is Libri-Light's also where frames are equal, as those of codes are).

    Args:
        sequences: `normalized` frames [F_i, D], F_i >= 1.
        first, second: int [P], the pairs by number.

    Returns:
        float64 [P], 0 … 1
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    frames, starts = np.concatenate(list(sequences)), np.cumsum(lengths) - lengths
    distances = np.empty(len(first))
    # Pairs of like lengths share a batch: what is padded is computed in vain.
    order = np.lexsort((lengths[second], lengths[first]))
    at = 0
    while at < len(order):
        n = lengths[first[order[at]]]
        rest = order[at:]
        same = int(np.searchsorted(lengths[first[rest]], n, side="right"))
        m = int(lengths[second[rest[:same]]].max())
        part = rest[: min(same, max(1, BLOCK // (n * m + (n + m) * frames.shape[1])))]
        x = frames[starts[first[part], None] + np.arange(n)]  # [P, n, D]
        y = frames[starts[second[part], None] + np.minimum(np.arange(m), lengths[second[part], None] - 1)]
        cosines = np.round(x @ y.transpose(0, 2, 1), DIGITS)  # [P, n, m]
        costs = np.arccos(np.clip(cosines, -1, 1)) / np.pi
        distances[part] = _average_along_path(costs, lengths[second[part]])
        at += len(part)
    return distances


def _average_along_path(costs: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Costs [P, N, M] -> [P]: the cheapest path from (0, 0) to (N - 1, ends - 1), its cost over its length."""
    pairs, n, m = costs.shape
    costs = np.ascontiguousarray(costs.transpose(1, 2, 0))  # [N, M, P]: every step is one operation on all pairs
    total, length = np.empty_like(costs), np.empty(costs.shape, dtype=np.int32)
    for i in range(n):
        for j in range(m):
            if i == 0 or j == 0:
                before = total[i - 1, j] if i else total[i, j - 1] if j else 0.0
                total[i, j], length[i, j] = costs[i, j] + before, i + j + 1
                continue
            both, left, up = total[i - 1, j - 1], total[i, j - 1], total[i - 1, j]
            best = np.minimum(np.minimum(both, left), up)
            total[i, j] = costs[i, j] + best
            length[i, j] = 1 + np.where(
                both == best, length[i - 1, j - 1], np.where(left == best, length[i, j - 1], length[i - 1, j])
            )
    last = (n - 1, ends - 1, np.arange(pairs))
    return total[last] / length[last]
