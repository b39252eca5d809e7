"""Recognisers that scores are measured with, behind one interface.

The recogniser that judges must not have taught what it judges: ``ctc`` is the recipe's own model, the codec's teacher
and so a lenient judge; ``pocketsphinx`` (audiolm.score.pocketsphinx_asr) is independent, and its own error on the
originals stands beside its figures. ``whisper``, ``whisper_timestamped`` and ``faster_whisper``
(audiolm.score.whisper_asr) are independent too, need weights, and know no vocabulary that they could guess from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from audiolm.data.audio import resample


class Hearing(NamedTuple):
    """Which recognisers judge, and how.

    Attributes:
        names: ``ctc``, ``pocketsphinx``, and Whisper's of audiolm.score.whisper_asr.
        model: weights of Whisper's.
        language: code of the speech, for Whisper; None: Whisper finds it.
        normaliser: one of audiolm.score.normalisers.CHOICES, for Whisper; None: ``english`` where the language is
            English, else ``plain``. What the others hear is written as the training texts are: theirs is ``plain``.
        device: Whisper's.
    """

    names: Sequence[str] = ()
    model: str | None = None
    language: str | None = "en"
    normaliser: str | None = None
    device: str = "cpu"


class AsrBackend(Protocol):
    """Transcribes utterances. ``key`` ends the names of its scores, ``name`` and ``checksum`` say what it is.

    A backend that can hear certain words only has them as ``words`` (:mod:`audiolm.score.vocabulary`).
    """

    key: str
    name: str
    checksum: str

    def transcribe(self, waves: Sequence[np.ndarray], fs: int, voices: Sequence[str] | None = None) -> list[str]:
        """Texts of utterances, float32 [samples] at ``fs`` Hz; empty where nothing is found.

        Args:
            voices: who speaks in each, for backends that adapt to a voice.
        """
        ...


class CtcBackend:
    """A recogniser of this project.

    Args:
        exp_dir: its experiment.
        words: a closed vocabulary, whose likeliest sequence is taken; None = the likeliest characters (greedy).
    """

    def __init__(self, exp_dir: str | Path, words: Sequence[str] | None = None):
        from audiolm.recognizer.load import load_recognizer
        from audiolm.train.checkpoint import checksum

        self.recognizer = load_recognizer(exp_dir)
        self.words = None if words is None else list(words)
        self.key = "ctc_greedy" if words is None else "ctc"
        how = "greedy" if words is None else f"any order of the {len(words)} words of training"
        self.name = f"the recipe's CTC recogniser ({Path(exp_dir).name}), {how}"
        self.checksum = checksum(exp_dir)

    def transcribe(self, waves: Sequence[np.ndarray], fs: int, voices: Sequence[str] | None = None) -> list[str]:
        rate = self.recognizer.sample_rate
        return self.recognizer.transcribe([resample(wave, fs, rate) for wave in waves], words=self.words)
