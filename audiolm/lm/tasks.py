"""Tasks of sequence models: which conditions and targets of which modality a sequence has, in order.

Text to speech as in VALL-E: phonemes, then the codec's first level, each closed by an end mark. AudioLM's second stage:
units, then the coarse levels, flattened. SALMONN: a prompt, features, a question, then the answer. What has another
plan, such as Spirit LM's words by turns in text and units, offers the same as :class:`audiolm.lm.items.TaskItems` does
(:class:`audiolm.lm.sequence.Sequences`).
"""

from dataclasses import dataclass, field
from typing import Literal

from audiolm.errors import AudiolmError


@dataclass
class Part:
    """One part of a task's sequences.

    Attributes:
        name: kind of token in the model's vocabulary (``codes``, ``text``), or of features (``whisper``).
        modality: ``tokens``: of an archive, all levels of the kind flattened frame by frame; ``text``: of a table or
            of prompts, by the text tokenizer; ``features``: frames of floats, which the model projects.
        role: ``target``: the model learns to predict it, and its end mark; ``condition``: it is given.
        archive: the archive in ``dump/<set>``, or of text the Kaldi table there; null = the name, or ``audio/text``.
        first: of tokens, the first stream of the archive that is taken, from 0; the kind's levels say how many.
        prompts: of text, what is written in place of a table's: one of them, drawn anew each time.
        window: of features, frames that stand in one place of the sequence; the last place is filled with zeros.
        begin, end: marks before and after it: a kind of size 1 in the vocabulary, or ``bos``, ``eos``, ``pad`` or
            ``epad`` of the tokenizer. A begin mark is no target.
    """

    name: str
    modality: Literal["tokens", "text", "features"]
    role: Literal["condition", "target"] = "condition"
    archive: str | None = None
    first: int = 0
    prompts: list[str] = field(default_factory=list)
    window: int = 1
    begin: str | None = None
    end: str | None = None

    def __post_init__(self):
        if self.modality == "features" and self.role == "target":
            raise AudiolmError(f"part '{self.name}': features cannot be a target of cross entropy; make it a condition")
        if self.first < 0 or self.window < 1:
            raise AudiolmError(f"part '{self.name}': first {self.first}, window {self.window}; expected >= 0 and >= 1")
        if self.prompts and self.modality != "text":
            raise AudiolmError(f"part '{self.name}': prompts are text, its modality is {self.modality}")

    @property
    def source(self) -> str:
        """The archive or table that it is read from, within the set."""
        return self.archive or ("audio/text" if self.modality == "text" else self.name)


@dataclass
class Task:
    """What a model learns to do: parts in order, of the items of some sets.

    Attributes:
        parts: conditions and targets, in the order of the sequence.
        sets: directories, ``dump/<set>``.
        weight: share of the rows of places, relative to the other tasks'; a corpus with a weight of its own is a task
            of its own.
        seconds: longer items are cut into windows of so many seconds, each moved at random by up to half of that;
            null = items are taken whole.
    """

    parts: list[Part]
    sets: list[str]
    weight: float = 1.0
    seconds: float | None = None

    def __post_init__(self):
        if not self.sets or not any(part.role == "target" for part in self.parts):
            raise AudiolmError("a task needs a set or more, and one part or more whose role is target")
        if all(part.prompts for part in self.parts):
            raise AudiolmError("a task of prompts alone has no items; take one part or more from an archive or a table")
        if self.seconds is not None and not self.seconds > 0:
            raise AudiolmError(f"seconds: found {self.seconds}, expected a number above 0")
