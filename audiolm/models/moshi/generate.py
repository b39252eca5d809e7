"""Generation, frame by frame with ring caches: dialogues, streaming recognition, streaming speech (Moshi, appendix C).

All modes are one procedure on a token grid in which some cells are given and some are :data:`TO_GENERATE`: a
continuation gives the first frames, recognition gives the audio, speech gives the words and leaves their times open.
Whole grids are completed here; :mod:`audiolm.models.moshi.live` takes one frame after another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.lm.decode import Choice, Slotted
from audiolm.lm.sampling import Draws, RepetitionGuard, Repetitions, Sampling, sample
from audiolm.models.moshi.data import delayed_input
from audiolm.models.moshi.hold import HoldState
from audiolm.models.moshi.model import MoshiModel
from audiolm.nn.graphs import Stepper
from audiolm.nn.steps import Slots
from audiolm.streams.delays import undelay
from audiolm.streams.grid import ABSENT, TO_GENERATE
from audiolm.text.specials import SENTENCEPIECE, Specials


class TextPolicy(Protocol):
    """Chooses the text of B slots, one frame at a time. What it remembers it changes in place."""

    def __call__(self, logits: Tensor, uniform: Tensor, may: Tensor) -> Tensor:
        """Tokens int64 [B] from logits [B, V] and uniform numbers [B]; only slots where ``may``, bool [B], count."""

    def reset(self, slots: Sequence[int]) -> None:
        """Begin again in ``slots``."""


@dataclass
class SilenceGuard:
    """What is done where the main speaker has not begun a word for long.

    Attributes:
        frames: of its text without a piece of a word.
        action: ``speak``: only EPAD or a word may follow, and after EPAD a word; ``stop``: the conversation is over
            (:attr:`SampledText.ended`).
    """

    frames: int
    action: Literal["speak", "stop"] = "speak"


class SampledText:
    """Text that the model chooses.

    Attributes:
        silent: int64 [B], frames since the last piece of a word.
        ended: bool [B], where the guard's ``frames`` have passed.
    """

    def __init__(
        self,
        sampling: Sampling,
        batch: int,
        device: torch.device | str = "cpu",
        silence: SilenceGuard | None = None,
        specials: Specials = SENTENCEPIECE,
    ):
        self.sampling, self.silence, self.specials = sampling, silence, specials
        self.silent = torch.zeros(batch, dtype=torch.int64, device=device)
        self.ended = torch.zeros(batch, dtype=torch.bool, device=device)

    def reset(self, slots: Sequence[int]) -> None:
        self.silent[slots] = 0
        self.ended[slots] = False

    def __call__(self, logits: Tensor, uniform: Tensor, may: Tensor) -> Tensor:
        if self.silence is None:
            return sample(logits, self.sampling, uniform)
        if self.silence.action == "speak":
            logits = logits.clone()
            epad = logits[:, self.specials.epad].masked_fill(self.silent > self.silence.frames, -torch.inf)
            for id in self.specials:
                logits[:, id].masked_fill_(self.silent >= self.silence.frames, -torch.inf)
            logits[:, self.specials.epad] = epad
        chosen = sample(logits, self.sampling, uniform)
        silent = torch.where(self.specials.are_pieces(chosen), 0, self.silent + 1)
        self.silent.copy_(torch.where(may, silent, self.silent))
        self.ended |= self.silent >= self.silence.frames
        return chosen


class MoshiStream:
    """A model that lives through B conversations at once, one frame a step, in memory of fixed size.

    Each slot's tokens are those it gives alone: slots begin and pause one by one, and each has random numbers of its
    own (:class:`audiolm.lm.sampling.Draws`).

    Args:
        model: in evaluation mode.
        batch: B, slots.
        task: name of the delay pattern; the caller delays what it forces.
        sampling: how codes are drawn.
        text: chooses the text where it is not forced, in all slots; None: drawn as codes are.
        seeds: of each slot's draws; None: 0, 1, 2 …
        frames: the longest conversation, where it is known to be shorter than the model's context.
        guidance: of codes by text (classifier-free guidance; Ho & Salimans 2021): their logits are those of the model
            that sees the text, driven away from those of the same model without it, uncond + guidance · (cond -
            uncond). 1 = off. Other values cost a second slot for every conversation, and need a model that was also
            trained without text (``text_mask``).
        acoustic: how codes of the acoustic levels are drawn, where not like those of the semantic level.
        repetition: guard of each speaker's semantic level, whose loops the other levels follow; None = off.
        graphs: on a CUDA device: record what a step launches once as a CUDA graph and replay it.

    Raises:
        AudiolmError: the task delays streams by ``frames`` or more: what belongs together would never be seen together.
            ``graphs`` without a CUDA device.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: MoshiModel,
        batch: int,
        task: str,
        sampling: Sampling,
        text: TextPolicy | None = None,
        seeds: Sequence[int] | None = None,
        frames: int | None = None,
        guidance: float = 1.0,
        acoustic: Sampling | None = None,
        repetition: RepetitionGuard | None = None,
        graphs: bool = False,
    ):
        config = model.config
        self.model, self.batch, self.task, self.guidance = model, batch, task, guidance
        self.sampling, self.acoustic = sampling, acoustic or sampling
        parameter = next(model.parameters())
        self.device = device = parameter.device
        self.text = text or SampledText(sampling, batch, device, specials=config.layout.specials)
        if graphs and device.type != "cuda":
            raise AudiolmError(f"graphs is true and the model on {device}: CUDA graphs need a CUDA device")
        seeds, streams = range(batch) if seeds is None else seeds, config.layout.num_streams
        self.kept = Slotted(batch, Draws(seeds, 2 * streams, device), guidance)
        self.draws, rows = self.kept.draws, self.kept.num_rows
        self.cache = model.backbone.transformer.make_cache(rows, frames=frames)
        longest = max(config.delays(task))
        if longest >= self.cache.window:
            raise AudiolmError(
                f"task '{task}' delays streams by up to {longest} frames, {self.cache.window} are kept (the smaller of "
                "the model's context and the frames of the stream); give more frames, or take a task of shorter delays"
            )
        self.task_rows = torch.full((rows,), config.task_index(task), device=device)
        self.starts = torch.tensor(config.layout.vocab_sizes, device=device)
        self.slots = Slots(batch, 1, device)
        self.previous = self.slots.buffer(config.layout.num_streams, dtype=torch.int64)  # what the next step sees
        self.previous.copy_(self.starts.expand(batch, -1))
        self.hold = HoldState(rows, config.hold_lag(task), device, config.layout.specials) if config.text_hold else None
        self.repetitions = {
            level: Repetitions(batch, repetition, device)
            for level in range(0, config.predicted_levels, config.levels)
            if repetition is not None
        }
        self.choices = [self._choice(level) for level in range(config.predicted_levels)]
        for state in (self.cache, self.hold):
            if state is not None:
                self.kept.keep_rows(state)
        for state in (self.text, *self.repetitions.values()):
            self.kept.keep(state)
        self._depth = model.depth.start(torch.zeros(rows, config.temporal.dim, dtype=parameter.dtype, device=device))
        self._graphs = graphs
        self._steppers: dict[tuple[bool, int], Stepper] = {}

    def begin(self, slots: Sequence[int], seeds: Sequence[int], absent: slice | None = None) -> None:
        """Begin new conversations in ``slots``, with a seed for each; the others go on.

        Args:
            absent: streams that these conversations do not have.
        """
        starts = self.starts.clone()
        if absent is not None:
            starts[absent] = ABSENT
        self.previous[list(slots)] = starts
        self.kept.begin(slots, seeds)

    @torch.inference_mode()
    def step(
        self, forced: Tensor, active: Tensor | None = None, text: bool = True, levels: int | None = None
    ) -> Tensor:
        """One frame of the delayed grid.

        Args:
            forced: int64 [B, S]: tokens that are given (start tokens and -1 too), or :data:`TO_GENERATE`.
            active: bool [B], slots that go on; what comes out for the others means nothing. None: all.
            text: whether any slot's text is to be chosen.
            levels: of codes, from the first on, that are computed: all that are to be generated are among them, and
                what is forced beyond is not looked at by the depth transformer. None: all that the model predicts.

        Returns:
            The frame's tokens, int64 [B, S].
        """
        key = (text, self.model.config.predicted_levels if levels is None else levels)
        if key not in self._steppers:
            self._steppers[key] = Stepper(self.slots, partial(self._advance, *key), self._graphs)
        return self._steppers[key](forced, active)

    def _advance(self, text: bool, levels: int, forced: Tensor) -> Tensor:
        active = self.slots.active
        rows = self.kept.rows_mask(active)
        uniform = self.draws.step(active)
        seen = self._with_textless(self.previous)
        held = None if self.hold is None else self.hold.step(seen[:, 0], rows)[:, None]
        state = self.model(seen[:, :, None], self.task_rows, held, self.cache)[:, 0]
        if rows is not None:  # what a paused slot wrote lies beyond its last frame: never seen
            self.cache.position.sub_(1 * ~rows)
        frame = forced.clone()
        is_open = forced == TO_GENERATE
        if text:
            may = is_open[:, 0] if active is None else is_open[:, 0] & active
            chosen = self.text(self.model.backbone.text_head(state[: self.batch]), uniform[:, 0], may)
            frame[:, 0] = torch.where(is_open[:, 0], chosen, forced[:, 0])
        if levels:
            self.model.depth.start(state, self._depth)
        for level in range(levels):
            logits = self.model.depth.step(self._depth, level, self._with_textless(frame)[:, level])
            second = uniform[:, len(self.starts) + level + 1]
            frame[:, level + 1] = self.choices[level](logits, uniform[:, level + 1], second, forced[:, level + 1])
        for level, repetitions in self.repetitions.items():  # what is given counts, too
            repetitions.store(frame[:, level + 1], active)
        self.slots.store(self.previous, frame)
        return frame

    def _choice(self, level: int) -> Choice:
        """How a level's codes are drawn."""
        semantic = level % self.model.config.levels == 0
        return Choice(self.sampling if semantic else self.acoustic, self.guidance, self.repetitions.get(level))

    def _with_textless(self, frame: Tensor) -> Tensor:
        """Frames [B, S] -> as they are, and under guidance the same without text below them, [rows, S]."""
        if self.guidance == 1:
            return frame
        textless = frame.clone()
        textless[:, 0] = ABSENT
        return torch.cat((frame, textless))


def complete(
    model: MoshiModel,
    grid: np.ndarray,
    task: str,
    sampling: Sampling,
    text_sampling: Sampling,
    seeds: Sequence[int] | None = None,
    text: TextPolicy | None = None,
    finished: Callable[[int], bool] = lambda step: False,
    guidance: float = 1.0,
    acoustic: Sampling | None = None,
    repetition: RepetitionGuard | None = None,
) -> np.ndarray:
    """Generate the open cells of a grid.

    Args:
        model: in evaluation mode.
        grid: int64 [B, S, T], tokens, :data:`ABSENT` or :data:`TO_GENERATE`; not delayed.
        task: the delay pattern.
        sampling, text_sampling: how codes and text are drawn.
        seeds: of each sequence's draws; None: 0, 1, 2 …
        text: instead of sampling the text.
        finished: asked after each frame of the delayed grid; True ends early, and what is left stays open.
        guidance, acoustic, repetition: see :class:`MoshiStream`.

    Returns:
        The grid, filled, int64 [B, S, T].

    Raises:
        AudiolmError: cells are open in streams that the model does not predict; see also :class:`MoshiStream`.
    """
    device = next(model.parameters()).device
    layout, delays = model.config.layout, model.config.delays(task)
    predicted = 1 + model.config.predicted_levels
    if (grid[:, predicted:] == TO_GENERATE).any():
        raise AudiolmError(
            f"codes of {layout.names[predicted]} are to be generated, the model predicts those of the main speaker "
            "alone; give the user's codes, or take a model with predict: both"
        )
    steps = np.stack([delayed_input(layout, one, delays) for one in grid])
    is_open = (steps == TO_GENERATE).any(axis=0)  # [S, T']
    levels = [int(np.flatnonzero(column).max(initial=0)) for column in is_open.T]  # the last open stream is its level
    delayed = torch.from_numpy(steps).to(device)
    text = text or SampledText(text_sampling, len(grid), device, specials=model.config.layout.specials)
    frames = delayed.shape[2]
    stream = MoshiStream(model, len(grid), task, sampling, text, seeds, frames, guidance, acoustic, repetition)
    stream.previous.copy_(delayed[:, :, 0])  # where streams are absent from the start on, it says so
    for step in range(1, frames):
        delayed[:, :, step] = stream.step(delayed[:, :, step], None, bool(is_open[0, step]), levels[step])
        if finished(step):
            break
    return undelay(delayed[:, :, 1:].cpu().numpy(), delays)
