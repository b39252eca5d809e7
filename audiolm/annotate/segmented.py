"""Who speaks when in one channel, overlap included: segmentation, embeddings, clustering, resegmentation.

Segmentation tells where one speaks and where two do (annotate/powerset.py); embeddings of short windows tell who
(annotate/campplus.py). Where two speak, the second is who fits best after the first.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from audiolm.annotate.campplus import CamPlusPlus
from audiolm.annotate.clustering import SMALLEST, cluster, frame_scores, mean_direction, relabel, viterbi
from audiolm.annotate.powerset import SAMPLE_RATE, PowersetSegmentation
from audiolm.annotate.turns import TURN_PAUSE, Region, SpeakerTurn, join_turns
from audiolm.annotate.vad import Smoothing, regions_of

FRAME_RATE = 50  # Hz, of the frames that are given to speakers
# Chosen on the training part of AMI excerpts, with ONSET, OVERLAP and OVERLAP_SHARE.
DISTANCE = 0.75
ONSET, OVERLAP = 0.3, 0.2  # probabilities
OVERLAP_SHARE = 0.6  # the middle of a flat range: with 0.3 meetings full of overlap have too few windows left
# A single cluster is parted in two where overlap lasts so many seconds and fills so much of the speech (in one voice
# alone the network hears up to 0.4 s in half a minute), unless its halves are nearer than SAME (cosine distance).
TWO_SECONDS, TWO_SHARE, SAME = 0.5, 0.02, 0.1


class Encoder(Protocol):
    """Embeds stretches of a recording."""

    name: str

    def embed(self, wav: np.ndarray, fs: int, regions: list[Region]) -> np.ndarray:
        """Rows of length 1, float [regions, D]."""
        ...


class SegmentedDiarizer:
    """Segmentation, CAM++ embeddings of windows, clustering, resegmentation.

    Args:
        num_speakers: if known; else clusters are joined while their windows differ by at most ``distance``, though two
            are kept where overlap is heard.
        distance: cosine distance of two clusters, the mean over pairs of their windows.
        window, hop: seconds of the windows that are embedded.
        onset, overlap: somebody speaks where that probability reaches ``onset``, and two where theirs does ``overlap``.
        overlap_share: of a window that forms clusters, at most.
        switch_cost: of a change of speaker within a stretch of speech, in cosine similarity summed over frames.
        pause: silence (s) that ends a turn.
    """

    mixes = True
    SPEECH_SHARE = 0.6  # of a window that forms clusters, at least

    def __init__(
        self,
        num_speakers: int | None = None,
        distance: float = DISTANCE,
        window: float = 1.5,
        hop: float = 0.5,
        onset: float = ONSET,
        overlap: float = OVERLAP,
        overlap_share: float = OVERLAP_SHARE,
        switch_cost: float = 0.5,
        pause: float = TURN_PAUSE,
        segmentation: Callable | None = None,
        encoder: Encoder | None = None,
    ):
        self.num_speakers, self.distance = num_speakers, distance
        self.window, self.hop, self.switch_cost, self.pause = window, hop, switch_cost, pause
        self.onset, self.overlap, self.overlap_share = onset, overlap, overlap_share
        self.segmentation, self.encoder = segmentation or PowersetSegmentation(), encoder or CamPlusPlus()

    @property
    def name(self) -> str:
        speakers = "number of speakers found" if self.num_speakers is None else f"{self.num_speakers} speakers"
        return f"pyannote segmentation-3.0, CAM++, average linkage, {speakers}"

    def __call__(self, wav: np.ndarray, fs: int) -> list[SpeakerTurn]:
        from audiolm.data.audio import resample

        wav, duration = resample(wav, fs, SAMPLE_RATE), len(wav) / fs
        speech, overlap = self.segmentation(wav, FRAME_RATE)  # [F] each
        regions = regions_of(speech, FRAME_RATE, duration, Smoothing(self.onset, self.onset, 0.0, 0.0))
        if not regions:
            return []
        heard = speech >= self.onset
        two = heard & (overlap >= self.overlap)
        windows = [w for w in self._windows(duration) if heard[_frames(w)].any()]
        speech_share, overlap_share = (np.array([flags[_frames(w)].mean() for w in windows]) for flags in (heard, two))
        embeddings = self.encoder.embed(wav, SAMPLE_RATE, windows)  # [N, D]
        clean = (speech_share >= self.SPEECH_SHARE) & (overlap_share <= self.overlap_share)
        if not clean.any():
            clean = speech_share >= min(speech_share.max(), self.SPEECH_SHARE)
        labels = link(embeddings[clean], self.num_speakers, self.distance)
        overlapped = two.sum() >= max(TWO_SECONDS * FRAME_RATE, TWO_SHARE * heard.sum())
        if self.num_speakers is None and overlapped and not labels.any():
            labels = halves(embeddings[clean])
        speakers = np.stack([mean_direction(embeddings[clean][labels == k]) for k in range(labels.max() + 1)])
        scores = frame_scores(windows, embeddings @ speakers.T, len(heard), FRAME_RATE)  # [F, speakers]
        turns = [turn for region in regions for turn in self._turns(region, scores, two)]
        return join_turns(turns, self.pause)

    def _windows(self, duration: float) -> list[Region]:
        """Windows that cover the recording, the last one to its end; the whole of a short one."""
        if duration <= self.window:
            return [(0.0, duration)]
        last = duration - self.window
        return [(start, start + self.window) for start in [*np.arange(0, last, self.hop).tolist(), last]]

    def _turns(self, region: Region, scores: np.ndarray, two: np.ndarray) -> list[SpeakerTurn]:
        """Give a stretch of speech to the best path through the frames' scores, and its overlaps to the second best."""
        frames = _frames(region)
        own = scores[frames].copy()
        first = viterbi(own, self.switch_cost)
        active = np.zeros((own.shape[1] if own.shape[1] > 1 else 1, len(own)), dtype=bool)
        active[first, np.arange(len(own))] = True
        if len(active) > 1:
            own[np.arange(len(own)), first] = -np.inf
            overlapped = np.flatnonzero(two[frames])
            active[own.argmax(axis=1)[overlapped], overlapped] = True
        turns = []
        for speaker, flags in enumerate(active):
            edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
            times = np.minimum(region[0] + edges / FRAME_RATE, region[1]).tolist()
            turns += [SpeakerTurn(start, end, str(speaker + 1)) for start, end in times if end > start]
        return turns


def link(embeddings: np.ndarray, num_speakers: int | None, distance: float) -> np.ndarray:
    """Agglomerative clustering with average linkage of cosine distances; labels int [N], by first appearance.

    The tree is cut into ``num_speakers`` clusters, or, if None, where two differ by more than ``distance``. Rows of
    clusters smaller than SMALLEST then go to the most similar larger one, if there is any.

    Args:
        embeddings: float [N, D], rows of length 1, N ≥ 1.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(embeddings) < 2:
        return np.zeros(len(embeddings), dtype=int)
    tree = linkage(embeddings.astype(np.float64), method="average", metric="cosine")
    if num_speakers is not None:
        return relabel(fcluster(tree, num_speakers, criterion="maxclust"))
    labels = relabel(fcluster(tree, distance, criterion="distance"))
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= min(SMALLEST, sizes.max()))
    centres = np.stack([mean_direction(embeddings[labels == k]) for k in kept])
    stray = ~np.isin(labels, kept)
    labels[stray] = kept[(embeddings[stray] @ centres.T).argmax(axis=1)]
    return relabel(labels)


def halves(embeddings: np.ndarray) -> np.ndarray:
    """Labels int [N] of the two clusters of Ward's tree; all 0 if their means are nearer than SAME.

    Average linkage would part an outlier from the rest.

    Args:
        embeddings: float [N, D], rows of length 1, N ≥ 1.
    """
    labels = cluster(embeddings, 2)
    if labels.any() and 1 - mean_direction(embeddings[labels == 0]) @ mean_direction(embeddings[labels == 1]) < SAME:
        return np.zeros_like(labels)
    return labels


def _frames(region: Region) -> slice:
    first = round(region[0] * FRAME_RATE)
    return slice(first, max(round(region[1] * FRAME_RATE), first + 1))
