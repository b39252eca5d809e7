"""What a trained model is asked to do, in batches of sequences of any lengths: recognise, speak, continue."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from audiolm.errors import AudiolmError
from audiolm.lm.sampling import RepetitionGuard, Sampling
from audiolm.models.moshi.generate import SampledText, SilenceGuard, TextPolicy, complete
from audiolm.models.moshi.model import MoshiModel
from audiolm.models.moshi.speak import SpeakConfig, SpeakWords
from audiolm.streams.grid import ABSENT, TO_GENERATE, build_grid
from audiolm.text.specials import Specials

GREEDY = Sampling(temperature=0.0)


@dataclass
class Drawing:
    """How tokens are drawn, and how many sequences at once.

    Attributes:
        codes, text: sampling of the two kinds.
        seed: of all draws; each sequence has its own by its place among all, so that ``batch`` changes none.
        batch: slots.
        guidance: of codes by text (:class:`~audiolm.models.moshi.generate.MoshiStream`); 1 = off.
        acoustic: sampling of the acoustic levels; None = as ``codes``.
        repetition: guard against loops of codes; None = off.
        silence: guard of conversations against a main speaker who says nothing; None = off.
    """

    codes: Sampling = field(default_factory=Sampling)
    text: Sampling = field(default_factory=Sampling)
    seed: int = 0
    batch: int = 64
    guidance: float = 1.0
    acoustic: Sampling | None = None
    repetition: RepetitionGuard | None = None
    silence: SilenceGuard | None = None

    def seeds(self, places: Sequence[int]) -> list[int]:
        """One for each sequence, by its place among all."""
        return [(self.seed << 32) + place for place in places]


def recognise(model: MoshiModel, grids: Sequence[np.ndarray], batch: int = 64, task: str = "asr") -> list[np.ndarray]:
    """Streaming recognition: the audio is given, the text is the likeliest (Moshi, section 5.7: greedy).

    Args:
        grids: each int64 [S, T]; their text is not looked at.

    Returns:
        The text stream of each, int64 [T], at the frames of its sound: the task's delay is taken away.
    """
    texts: list[np.ndarray] = [np.zeros(0)] * len(grids)
    for indices in _batches([grid.shape[1] for grid in grids], batch):
        stacked = _stack([grids[i] for i in indices])
        stacked[:, 0] = TO_GENERATE
        filled = complete(model, stacked, task, GREEDY, GREEDY)
        for row, index in enumerate(indices):
            texts[index] = filled[row, 0, : grids[index].shape[1]]
    return texts


def voice(model: MoshiModel, codes: np.ndarray, user: np.ndarray | None = None, task: str = "asr") -> np.ndarray:
    """What somebody has said, as :func:`speak` takes it: their codes, and their words as the model itself hears them.

    Args:
        codes: int [P, levels].
        user: the same of whom they talked to; None: nobody.
        task: of recognition; where the model has none of that name the words are absent.

    Returns:
        int64 [S, P].
    """
    grid = build_grid(model.config.layout, None, codes, user)
    if task in model.config.tasks:
        grid[0] = recognise(model, [grid], task=task)[0]
    return grid


def speak(
    model: MoshiModel,
    words: Sequence[Sequence[Sequence[int]]],
    drawing: Drawing,
    pacing: SpeakConfig,
    users: Sequence[np.ndarray] | None = None,
    tail: int = 12,
    task: str = "tts",
    voices: Sequence[np.ndarray] | None = None,
    both: bool = False,
) -> list[np.ndarray]:
    """Streaming speech: the words are given, the model chooses their times and makes the main speaker's codes.

    Args:
        words: each sequence's words, as pieces.
        users: the user's codes of each sequence, int64 [T, levels], for whose length it speaks; None = nobody listens,
            and each sequence ends ``tail`` frames after its last word.
        voices: grids int64 [S, P] of what each has said before, in whose voice it goes on (their text may be -1); it is
            not part of the result.
        both: make the user's codes too: words are then of both speakers, turns marked by BOS and EOS
            (:class:`~audiolm.models.moshi.speak.SpeakWords`).

    Returns:
        Grids int64 [S, T].

    Raises:
        AudiolmError: ``both`` with users given, or with a model that predicts the main speaker alone.
    """
    layout, delays = model.config.layout, model.config.delays(task)
    if both and (users is not None or model.config.predicted_levels < layout.levels * 2):
        raise AudiolmError(
            "speech of both speakers was asked for: it takes a model of two speakers with predict: both, and no "
            "user's codes"
        )
    before = [0 if voices is None else voices[i].shape[1] for i in range(len(words))]
    if users is None:
        # At worst every word comes after the longest pause. Batches end when their last sequence does.
        longest = [sum(map(len, w)) + (len(w) + 1) * (pacing.max_pause + 2) + tail for w in words]
    else:
        longest = [len(user) for user in users]
    ends = [given + length for given, length in zip(before, longest, strict=True)]
    device = next(model.parameters()).device
    made = slice(0, layout.num_streams if both else layout.main.stop)
    grids: list[np.ndarray] = [np.zeros((0, 0))] * len(words)
    for indices in _batches(ends, drawing.batch):
        stacked = np.full((len(indices), layout.num_streams, max(ends[i] for i in indices)), ABSENT)
        for row, index in enumerate(indices):
            stacked[row, made, before[index] : ends[index]] = TO_GENERATE
            if voices is not None:
                stacked[row, :, : before[index]] = voices[index]
            if users is not None:
                stacked[row, layout.user, before[index] : ends[index]] = users[index].T
        policy = SpeakWords([words[i] for i in indices], drawing.text, pacing, device, specials=layout.specials)
        given = torch.tensor([before[i] for i in indices], device=device)

        def finished(step: int, policy: SpeakWords = policy, given: torch.Tensor = given) -> bool:
            if users is not None or not bool(policy.all_said.all()):
                return False
            return step > int((given + policy.last_frame).max()) + tail + max(delays)

        filled = _complete(model, stacked, task, drawing, indices, policy, finished)
        for row, index in enumerate(indices):
            end = longest[index] if users is not None else int(policy.last_frame[row]) + 1 + tail
            grids[index] = filled[row, :, before[index] : before[index] + end]
    return grids


def continue_dialogues(
    model: MoshiModel,
    prompts: Sequence[np.ndarray],
    frames: int,
    drawing: Drawing,
    task: str = "dialogue",
    monologue: bool = True,
) -> list[np.ndarray]:
    """Prompted continuation of text and all predicted speakers; without prompt frames, free dialogue.

    Args:
        prompts: each int64 [S, P], P ≤ frames; streams absent from a prompt (-1) stay absent.
        frames: length of the results, the prompt included; less where ``drawing.silence`` stops a conversation.
        monologue: False: without any text, as models without inner monologue are trained.

    Returns:
        Grids int64 [S, frames].

    Raises:
        AudiolmError: a prompt is longer than ``frames``.
    """
    layout, delays = model.config.layout, model.config.delays(task)
    for prompt in prompts:
        if prompt.shape[1] > frames:
            raise AudiolmError(
                f"a prompt of {prompt.shape[1]} frames for a conversation of {frames}; shorten the prompt, or ask for "
                "a longer conversation"
            )
    device = next(model.parameters()).device
    grids = []
    for start in range(0, len(prompts), drawing.batch):
        some = prompts[start : start + drawing.batch]
        stacked = np.full((len(some), layout.num_streams, frames), TO_GENERATE)
        for row, prompt in enumerate(some):
            stacked[row, :, : prompt.shape[1]] = prompt
            if prompt.shape[1]:
                stacked[row, (prompt == ABSENT).all(axis=1)] = ABSENT
        if not monologue:
            stacked[:, 0] = ABSENT
        if model.config.predict == "main":
            stacked[:, layout.user][stacked[:, layout.user] == TO_GENERATE] = ABSENT
        text = SampledText(drawing.text, len(some), device, drawing.silence, layout.specials)
        over = _Over(text, max(delays))
        filled = _complete(model, stacked, task, drawing, range(start, start + len(some)), text, over)
        grids += [
            grid[:, : prompt.shape[1] + _end(grid[0, prompt.shape[1] :], drawing.silence, layout.specials)]
            for grid, prompt in zip(filled, some, strict=True)
        ]
    return grids


def _complete(
    model: MoshiModel,
    grid: np.ndarray,
    task: str,
    drawing: Drawing,
    indices: Sequence[int],
    text: TextPolicy,
    finished: Callable[[int], bool],
) -> np.ndarray:
    """:func:`complete` of the sequences ``indices``, as ``drawing`` says."""
    seeds, guards = drawing.seeds(indices), (drawing.guidance, drawing.acoustic, drawing.repetition)
    return complete(model, grid, task, drawing.codes, drawing.text, seeds, text, finished, *guards)


class _Over:
    """Whether all conversations of a batch are over, and the frames of their last text complete."""

    def __init__(self, text: SampledText, delay: int):
        self.text, self.left = text, delay
        self.stops = text.silence is not None and text.silence.action == "stop"

    def __call__(self, step: int) -> bool:
        if self.stops and bool(self.text.ended.all()):
            self.left -= 1
        return self.left < 0


def _end(text: np.ndarray, silence: SilenceGuard | None, specials: Specials) -> int:
    """Frames of a text stream until its conversation is over."""
    if silence is None or silence.action != "stop" or (text == ABSENT).all():
        return len(text)
    frames = np.arange(len(text))
    silent = frames - np.maximum.accumulate(np.where(specials.are_pieces(text), frames, -1))
    over = np.flatnonzero(silent >= silence.frames)
    return int(over[0]) + 1 if len(over) else len(text)


def _batches(lengths: Sequence[int], batch: int) -> Iterator[list[int]]:
    """Indices of sequences of like lengths, the longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


def _stack(grids: Sequence[np.ndarray]) -> np.ndarray:
    """Grids of several lengths -> [B, S, longest], absent beyond each end."""
    stacked = np.full((len(grids), grids[0].shape[0], max(grid.shape[1] for grid in grids)), ABSENT)
    for row, grid in zip(stacked, grids, strict=True):
        row[:, : grid.shape[1]] = grid
    return stacked
