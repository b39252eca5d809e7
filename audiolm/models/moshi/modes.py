"""What a trained model is asked to do, in batches of sequences of any lengths: recognise, speak, continue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.generate import complete
from audiolm.models.moshi.model import MoshiModel
from audiolm.models.moshi.speak import SpeakConfig, SpeakWords
from audiolm.streams.grid import ABSENT, TO_GENERATE

GREEDY = Sampling(temperature=0.0)


@dataclass
class Drawing:
    """How tokens are drawn, and how many sequences at once.

    Attributes:
        codes, text: sampling of the two kinds.
        seed: of all draws.
        batch: slots.
        guidance: of codes by text, in speech (:class:`~audiolm.models.moshi.generate.MoshiStream`); 1 = off.
        acoustic: sampling of the acoustic levels, in speech; None = as ``codes``.
    """

    codes: Sampling = field(default_factory=Sampling)
    text: Sampling = field(default_factory=Sampling)
    seed: int = 0
    batch: int = 64
    guidance: float = 1.0
    acoustic: Sampling | None = None


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


def speak(
    model: MoshiModel,
    words: Sequence[Sequence[Sequence[int]]],
    drawing: Drawing,
    pacing: SpeakConfig,
    users: Sequence[np.ndarray] | None = None,
    tail: int = 12,
    task: str = "tts",
) -> list[np.ndarray]:
    """Streaming speech: the words are given, the model chooses their times and makes the main speaker's codes.

    Args:
        words: each sequence's words, as pieces.
        users: the user's codes of each sequence, int64 [T, levels], for whose length it speaks; None = nobody listens,
            and each sequence ends ``tail`` frames after its last word.

    Returns:
        Grids int64 [S, T].
    """
    layout, delays = model.config.layout, model.config.delays(task)
    if users is None:
        # At worst every word comes after the longest pause. Batches end when their last sequence does.
        longest = [sum(map(len, w)) + (len(w) + 1) * (pacing.max_pause + 2) + tail for w in words]
    else:
        longest = [len(user) for user in users]
    device = next(model.parameters()).device
    grids: list[np.ndarray] = [np.zeros((0, 0))] * len(words)
    for number, indices in enumerate(_batches(longest, drawing.batch)):
        stacked = np.full((len(indices), layout.num_streams, max(longest[i] for i in indices)), ABSENT)
        for row, index in enumerate(indices):
            stacked[row, : layout.main.stop, : longest[index]] = TO_GENERATE
            if users is not None:
                stacked[row, layout.user, : longest[index]] = users[index].T
        seed = drawing.seed + number
        generator = torch.Generator(device).manual_seed(seed)
        policy = SpeakWords([words[i] for i in indices], drawing.text, pacing, generator, device)

        def finished(step: int, policy: SpeakWords = policy) -> bool:
            if users is not None or not bool(policy.all_said.all()):
                return False
            return step > int(policy.last_frame.max()) + tail + max(delays)

        filled = complete(
            model,
            stacked,
            task,
            drawing.codes,
            drawing.text,
            seed,
            policy,
            finished,
            drawing.guidance,
            drawing.acoustic,
        )
        for row, index in enumerate(indices):
            end = longest[index] if users is not None else int(policy.last_frame[row]) + 1 + tail
            grids[index] = filled[row, :, :end]
    return grids


def continue_dialogues(
    model: MoshiModel, prompts: Sequence[np.ndarray], frames: int, drawing: Drawing, task: str = "dialogue"
) -> list[np.ndarray]:
    """Prompted continuation of text and all predicted speakers; without prompt frames, free dialogue.

    Args:
        prompts: each int64 [S, P], P ≤ frames; streams absent from a prompt (-1) stay absent.
        frames: length of the results, the prompt included.

    Returns:
        Grids int64 [S, frames].
    """
    grids = []
    for number, start in enumerate(range(0, len(prompts), drawing.batch)):
        some = prompts[start : start + drawing.batch]
        stacked = np.full((len(some), some[0].shape[0], frames), TO_GENERATE)
        for row, prompt in enumerate(some):
            stacked[row, :, : prompt.shape[1]] = prompt
            if prompt.shape[1]:
                stacked[row, (prompt == ABSENT).all(axis=1)] = ABSENT
        if model.config.predict == "main":
            stacked[:, model.config.layout.user] = np.where(
                stacked[:, model.config.layout.user] == TO_GENERATE, ABSENT, stacked[:, model.config.layout.user]
            )
        grids += list(complete(model, stacked, task, drawing.codes, drawing.text, drawing.seed + number))
    return grids


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
