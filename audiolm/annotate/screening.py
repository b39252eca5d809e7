"""Before training: recordings hours long are cut in their pauses, and what is unfit is rejected with its value.

Limits are off unless given. What cannot be told with what is installed: music with singing from speech (voice
activity detection hears both), and languages without a multilingual Whisper model.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audiolm.annotate import quality
from audiolm.annotate.segmentation import cut_at_pauses
from audiolm.annotate.turns import Region, union
from audiolm.annotate.vad import SileroVad, VoiceActivity
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError

BLOCK = 600.0  # seconds of a recording that are in memory while its pauses are looked for
SHORTEST = 0.5  # of the longest piece: none is shorter that has a pause to end in later


@dataclass(frozen=True)
class Limits:
    """None: no limit.

    Attributes:
        longest: seconds; longer recordings are cut.
        min_snr: dB. Recordings without pauses to measure noise in pass.
        max_clipping: share of samples, 0…1.
        min_bandwidth: Hz.
        min_speech: share of time in which speech is heard, 0…1.
        min_dnsmos: 1…5.
        language, min_language: what is spoken, and how probable that must be at least.
        language_model: Whisper model that tells it.
    """

    longest: float | None = None
    min_snr: float | None = None
    max_clipping: float | None = None
    min_bandwidth: float | None = None
    min_speech: float | None = None
    min_dnsmos: float | None = None
    language: str | None = None
    min_language: float = 0.5
    language_model: str | None = None

    def __post_init__(self):
        if self.longest is not None and not 0 < self.longest < math.inf:
            raise AudiolmError(f"--longest {self.longest:g}, expected seconds above 0")
        for name in ("max_clipping", "min_speech"):
            if (share := getattr(self, name)) is not None and not share <= 1:  # 2 is no 2 %
                raise AudiolmError(f"--{name} {share:g}, expected a share from 0 to 1, such as 0.02")
        for name in ("min_snr", "min_bandwidth", "min_dnsmos"):
            if math.isnan(getattr(self, name) or 0.0):
                raise AudiolmError(f"--{name} nan, expected a number")
        if (self.language is None) != (self.language_model is None):
            raise AudiolmError(
                "--language needs --language_model, a multilingual Whisper model, and the other way round"
            )

    @property
    def judge(self) -> bool:
        """Whether anything is to be rejected."""
        return self != Limits(longest=self.longest, min_language=self.min_language)


class Screening:
    """Cuts and judges the recordings of one data directory (the Screen of audiolm.data.pieces).

    Args:
        data: its transcripts, turns and words say where a recording must not be cut.
        limits: what to do.
        device: that a language model runs on.
    """

    def __init__(self, data: DataDir, limits: Limits, vad: VoiceActivity | None = None, device: str = "cpu"):
        self.data, self.limits, self.vad = data, limits, vad or SileroVad()
        self.dnsmos = None if limits.min_dnsmos is None else quality.Dnsmos()
        self.language = None
        if limits.language is not None:
            self.language = quality.WhisperLanguage(limits.language_model, limits.language, device)

    def cut(self, recos: Sequence[str]) -> list[Region]:
        """Pieces of a file of at most ``longest`` s, cut where nobody is heard in any channel.

        A recording whose transcript has no times stays whole.
        """
        infos = [audio.info(self.data.wav_path(reco), self.data.allow_pipes) for reco in recos]
        duration = min(info.duration for info in infos)
        untimed = not self.data.segments and any(self.data.text.get(reco) for reco in recos)
        if self.limits.longest is None or duration <= self.limits.longest or untimed:
            return [(0.0, max(info.duration for info in infos))]
        speech = [region for reco in recos for region in [*self._speech(reco, duration), *self._told.get(reco, ())]]
        return cut_at_pauses(union(speech), 0.0, duration, self.limits.longest, SHORTEST * self.limits.longest)

    def faults(self, recos: Sequence[str], start: float, end: float) -> dict[str, str]:
        """Channel -> the first limit that this piece of it breaks, with value and limit."""
        found = {}
        for reco in recos if self.limits.judge else ():
            wav, fs = self._read(reco, start, end)
            if fault := self._fault(wav, fs):
                found[reco] = fault
        return found

    def _fault(self, wav: np.ndarray, fs: int) -> str:
        limits = self.limits
        if limits.max_clipping is not None and (value := quality.clipping(wav)) > limits.max_clipping:
            return f"clipping: {value:.2%} of samples, at most {limits.max_clipping:.2%} are allowed"
        if limits.min_bandwidth is not None and (value := quality.bandwidth(wav, fs)) < limits.min_bandwidth:
            return f"bandwidth: {value:.0f} Hz, at least {limits.min_bandwidth:.0f} Hz are wanted"
        if limits.min_speech is None and limits.min_snr is None and not self.dnsmos and not self.language:
            return ""
        wav = audio.resample(wav, fs, 16000)
        speech = self.vad(wav, 16000)
        value = quality.speech_share(speech, len(wav) / 16000)
        if limits.min_speech is not None and value < limits.min_speech:
            return f"speech: {value:.1%} of the time, at least {limits.min_speech:.1%} are wanted"
        if limits.min_snr is not None:
            value = quality.signal_to_noise(wav, 16000, speech)
            if value is not None and value < limits.min_snr:
                return f"signal-to-noise ratio: {value:.1f} dB, at least {limits.min_snr:.1f} dB are wanted"
        if self.dnsmos and (value := self.dnsmos(wav, 16000)) < limits.min_dnsmos:
            return f"DNSMOS: {value:.2f}, at least {limits.min_dnsmos:.2f} are wanted"
        if self.language:
            heard = [wav[round(a * 16000) : round(b * 16000)] for a, b in speech] or [wav]
            if (value := self.language(np.concatenate(heard))) < limits.min_language:
                wanted = f"at least {limits.min_language:.2f} are wanted"
                return f"language: '{limits.language}' with probability {value:.2f}, {wanted}"
        return ""

    def _speech(self, reco: str, duration: float) -> list[Region]:
        """Regions of speech of a channel, in blocks, so that memory is bounded."""
        regions = []
        for start in np.arange(0.0, duration, BLOCK).tolist():
            wav, fs = self._read(reco, start, min(start + BLOCK, duration), 16000)
            regions += [(start + first, start + last) for first, last in self.vad(wav, fs)]
        return regions

    def _read(self, reco: str, start: float, end: float, fs: int | None = None) -> tuple[np.ndarray, int]:
        """One channel (of several that nothing tells apart, their mean) and its rate."""
        picked = self.data.channel(reco)
        wavs, fs = audio.read_channels(
            self.data.wav_path(reco), start, end - start, fs, allow_pipes=self.data.allow_pipes
        )
        if picked is None:
            return wavs.mean(axis=1), fs
        return np.ascontiguousarray(wavs[:, audio.pick_channel(self.data.wav_path(reco), wavs.shape[1], picked)]), fs

    @cached_property
    def _told(self) -> dict[str, list[Region]]:
        """Recording -> where the tables say that somebody speaks."""
        regions = defaultdict(list)
        for place in self.data.segments.values():
            regions[place.reco].append((place.start, place.end))
        for table in (self.data.words(), self.data.turns()):
            for reco, entries in table.items():
                regions[reco] += [(entry.start, entry.end) for entry in entries]
        return regions
