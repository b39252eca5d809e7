"""Which embeddings belong to one speaker, and which speaker speaks in each frame."""

from collections.abc import Sequence

import numpy as np

from audiolm.annotate.turns import Region
from audiolm.errors import AudiolmError

# Cosine distance between the mean embeddings of two speakers, at least. Tuned on the training part of AMI excerpts; on
# synthetic voices the two halves of one come out 0.06 to 0.17 apart, two voices 0.18 (similar ones) to 0.45.
THRESHOLD = 0.16
SMALLEST = 2  # embeddings; fewer make no speaker of their own


def cluster(embeddings: np.ndarray, num_speakers: int | None = None, threshold: float = THRESHOLD) -> np.ndarray:
    """Agglomerative clustering with Ward's linkage; labels 0, 1, … in order of first appearance.

    Ward's tree (Ward 1963) is cut into ``num_speakers`` clusters; or, if None, from the top: a cluster is divided
    where the mean directions of its two branches differ by more than ``threshold``. Means vary less than single
    embeddings, so one threshold serves close-talking and far-field speech, which a threshold on single distances does
    not.

    Args:
        embeddings: float [N, D], rows of length 1.
        threshold: cosine distance, 0…2.

    Returns:
        int [N]. There are fewer clusters than ``num_speakers`` if there are fewer rows.
    """
    from scipy.cluster.hierarchy import fcluster, linkage, to_tree

    if num_speakers is not None and num_speakers < 1:
        raise AudiolmError(f"number of speakers is {num_speakers}, expected at least 1, or none to find it")
    if len(embeddings) < 2:
        return np.zeros(len(embeddings), dtype=int)
    tree = linkage(embeddings.astype(np.float64), method="ward")
    if num_speakers is not None:
        return relabel(fcluster(tree, num_speakers, criterion="maxclust"))
    labels = np.zeros(len(embeddings), dtype=int)
    undivided = [to_tree(tree)]
    while undivided:
        node = undivided.pop()
        if not node.is_leaf():
            branches = [branch.pre_order() for branch in (node.left, node.right)]
            one, other = (mean_direction(embeddings[branch]) for branch in branches)
            if min(map(len, branches)) >= SMALLEST and 1 - one @ other > threshold:
                labels[branches[1]] = labels.max() + 1
                undivided += [node.left, node.right]
    return relabel(labels)


def mean_direction(embeddings: np.ndarray) -> np.ndarray:
    """Mean of the rows of [N, D], scaled to length 1: [D]."""
    total = embeddings.sum(axis=0, dtype=np.float64)
    return total / max(np.linalg.norm(total), 1e-12)


def relabel(labels: np.ndarray) -> np.ndarray:
    """Number clusters by first appearance.

    >>> relabel(np.array([7, 2, 7]))
    array([0, 1, 0])
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def frame_scores(windows: Sequence[Region], similarity: np.ndarray, frames: int, frame_rate: float) -> np.ndarray:
    """Mean similarity [F, S] of the windows over each frame; a window counts most in its middle."""
    total, weights = np.zeros((frames, similarity.shape[1])), np.full((frames, 1), 1e-9)
    for (start, end), row in zip(windows, similarity, strict=True):
        first, last = int(start * frame_rate), max(int(np.ceil(end * frame_rate)), int(start * frame_rate) + 1)
        times = (np.arange(first, min(last, frames)) + 0.5) / frame_rate
        weight = np.maximum(1 - np.abs(2 * (times - start) / (end - start) - 1), 1e-3)[:, None]
        total[first:last] += weight * row
        weights[first:last] += weight
    return total / weights


def viterbi(scores: np.ndarray, switch_cost: float) -> np.ndarray:
    """The labels s of frames f that maximise Σ scores[f, s_f] − switch_cost · (number of changes): int [F].

    Args:
        scores: float [F, S], F ≥ 1.
    """
    frames, states = scores.shape
    best, came_from = scores[0].copy(), np.zeros((frames, states), dtype=int)
    for f in range(1, frames):
        leader = int(best.argmax())
        switched = best[leader] - switch_cost
        came_from[f] = np.where(best >= switched, np.arange(states), leader)
        best = np.maximum(best, switched) + scores[f]
    path = np.empty(frames, dtype=int)
    path[-1] = best.argmax()
    for f in range(frames - 1, 0, -1):
        path[f - 1] = came_from[f, path[f]]
    return path
