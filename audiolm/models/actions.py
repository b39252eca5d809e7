"""What models can be asked for: what each function of a spec takes and gives.

==============  ==========================================================================================
``session``     (:class:`Request`) -> what the functions of the modes take first
a mode          (session, options, directory) -> :class:`Made`; it writes ``directory``
``speak``       (model, texts, options) -> :class:`Speech`
``transcribe``  (model, data directory, options) -> :class:`Transcripts` of all its recordings
``listen``      (model, options) -> :class:`Listening`
``likelihood``  (name, train, test, windows) -> :class:`StreamLosses`
``export``      (:class:`audiolm.spec.ExportRequest`, options) -> a line that says what was written and how it loads
==============  ==========================================================================================

``model`` is what the spec's ``open`` gives.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from audiolm.data.tables import Word


@dataclass
class Request:
    """Generation with the sets of a recipe (``audiolm generate``).

    Attributes:
        dumps: the sets' directories, ``dump/<set>``.
        lm: experiment directory of the LM.
        parts: directories of what the spec's ``parts`` name.
        batch: sequences at once.
        seed: of all draws.
        device: where to compute.
    """

    dumps: list[Path]
    lm: Path
    parts: dict[str, Path] = field(default_factory=dict)
    batch: int = 64
    seed: int = 0
    device: torch.device | str = "cpu"


@dataclass
class Made:
    """What a mode has written: how many items, of how many seconds of sound together (0: of texts)."""

    items: int
    seconds: float = 0.0


@dataclass
class Speech:
    """Spoken texts: float32 [samples, channels] at ``sample_rate`` Hz, and the times of words (of a nameless file)."""

    wav: np.ndarray
    sample_rate: int
    words: list[Word]


@dataclass
class Transcripts:
    """Words of each recording, in order of time; what could not be read, with the reason; seconds that were heard."""

    words: dict[str, list[Word]]
    rejected: list[tuple[str, str]]
    seconds: float


class Listening(Protocol):
    """Hears live sound of one speaker.

    Attributes:
        sample_rate: of what it hears (Hz).
        frame_size: samples of a step.
    """

    sample_rate: int
    frame_size: int

    def hear(self, wav: np.ndarray) -> list[Word]:
        """The next samples, float32 [any number] -> words that are complete now."""

    def close(self) -> list[Word]:
        """The sound is over: the words that are still to come."""


@dataclass
class StreamLosses:
    """How likely a model finds the streams of a set, teacher-forced, in windows.

    Attributes:
        names: of the streams; the first may be text.
        sums: nats, [windows, streams].
        counts: targets, [windows, streams].
        bounds: nats of the same targets by the unigram of each stream, [windows, streams].
        protocol: how it was measured, in words.
    """

    names: list[str]
    sums: np.ndarray
    counts: np.ndarray
    bounds: np.ndarray
    protocol: str
