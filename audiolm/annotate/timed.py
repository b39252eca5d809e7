"""What aligners and transcribers take and give: utterances, words with times, and why there are none."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class TimedWord(NamedTuple):
    """A word as the transcript writes it, seconds, and how sure the aligner is (0…1)."""

    word: str
    start: float
    end: float
    confidence: float = 1.0


class Failure(NamedTuple):
    """Why an utterance has no alignment, or a stretch no words; ``silent``: because nobody speaks in it."""

    reason: str
    silent: bool = False


NOTHING = Failure("no word heard in it", silent=True)


class Partial(NamedTuple):
    """Words of a stretch of which parts were not understood: ``lost`` has (start, end, why), in its seconds."""

    words: list[TimedWord]
    lost: list[tuple[float, float, Failure]]


@dataclass(frozen=True)
class Utterance:
    """Audio with a transcript.

    Attributes:
        wav: float32 [samples] at ``fs`` Hz, with up to CONTEXT s of the recording on both sides.
        words: as the transcript writes them.
        start, end: seconds of the utterance itself within ``wav``.
    """

    id: str
    wav: np.ndarray
    fs: int
    words: list[str]
    start: float
    end: float
