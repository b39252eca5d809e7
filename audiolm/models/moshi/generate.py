"""Generation, frame by frame with ring caches: dialogues, streaming recognition, streaming speech (Moshi, appendix C).

All modes are one procedure on a token grid in which some cells are given and some are :data:`TO_GENERATE`: a
continuation gives the first frames, recognition gives the audio, speech gives the words and leaves their times open.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from audiolm.lm.sampling import Sampling, sample
from audiolm.models.moshi.data import delayed_input
from audiolm.models.moshi.hold import HoldState
from audiolm.models.moshi.model import MoshiModel
from audiolm.streams.delays import undelay
from audiolm.streams.grid import ABSENT, TO_GENERATE

ChooseText = Callable[[Tensor], Tensor]  # logits [B, V] of one frame -> tokens int64 [B]


class MoshiStream:
    """A model that lives through B conversations at once, one frame a step, in memory of fixed size.

    Args:
        model: in evaluation mode.
        batch: B, slots.
        task: name of the delay pattern; the caller delays what it forces.
        frames: the longest conversation, where it is known to be shorter than the model's context.
        guidance: of codes by text (classifier-free guidance; Ho & Salimans 2021): their logits are those of the model
            that sees the text, driven away from those of the same model without it, uncond + guidance · (cond -
            uncond). 1 = off. Other values cost a second slot for every conversation, and need a model that was also
            trained without text (``text_mask``).
        acoustic: how codes of the acoustic levels are drawn, where not like those of the semantic level.
    """

    def __init__(
        self,
        model: MoshiModel,
        batch: int,
        task: str,
        frames: int | None = None,
        guidance: float = 1.0,
        acoustic: Sampling | None = None,
    ):
        self.model, self.batch, self.guidance, self.acoustic = model, batch, guidance, acoustic
        device = next(model.parameters()).device
        rows = batch if guidance == 1 else 2 * batch
        self.cache = model.backbone.transformer.make_cache(rows, frames=frames)
        self.task = torch.full((rows,), model.config.task_index(task), device=device)
        starts = torch.tensor(model.config.layout.vocab_sizes, device=device)
        self._starts = starts.expand(batch, -1)
        self.previous = self._starts.clone()
        self.hold = HoldState(rows, model.config.hold_lag(task), device)

    def reset(self, slots: Sequence[int]) -> None:
        """Begin new conversations in ``slots``; the others go on."""
        rows = list(slots) if self.guidance == 1 else [*slots, *(slot + self.batch for slot in slots)]
        self.cache.reset(rows)
        self.previous[slots] = self._starts[slots]
        self.hold.reset(rows)

    def set_previous(self, tokens: Tensor) -> None:
        """Set the frame that the next step sees, int64 [B, S]: where streams are absent from the very start."""
        self.previous = tokens

    def _with_textless(self, frame: Tensor) -> Tensor:
        """Frames [B, S] -> as they are, and under guidance the same without text below them, [rows, S]."""
        if self.guidance == 1:
            return frame
        textless = frame.clone()
        textless[:, 0] = ABSENT
        return torch.cat((frame, textless))

    @torch.no_grad()
    def step(self, forced: Tensor, choose_text: ChooseText, sampling: Sampling, generator: torch.Generator) -> Tensor:
        """One frame of the delayed grid.

        Args:
            forced: int64 [B, S]: tokens that are given (start tokens and -1 too), or :data:`TO_GENERATE`.
            choose_text: picks text tokens from their logits, in all slots; used where they are not forced.
            sampling: how codes are drawn.

        Returns:
            The frame's tokens, int64 [B, S].
        """
        seen = self._with_textless(self.previous)
        held = self.hold.step(seen[:, 0])
        state = self.model(seen[:, :, None], self.task, held[:, None], self.cache)[:, 0]
        frame = forced.clone()
        open_cells = forced == TO_GENERATE
        if open_cells[:, 0].any():
            chosen = choose_text(self.model.backbone.text_head(state[: self.batch]))
            frame[:, 0] = torch.where(open_cells[:, 0], chosen, forced[:, 0])
        open_levels = open_cells[:, 1:].any(dim=0).nonzero()
        if len(open_levels):
            depth_state = self.model.depth.start(state)
            for level in range(int(open_levels[-1]) + 1):
                logits = self.model.depth.step(depth_state, level, self._with_textless(frame)[:, level])
                if self.guidance != 1:
                    with_text, without = logits.chunk(2)
                    logits = without + self.guidance * (with_text - without)
                semantic = level % self.model.config.levels == 0
                drawn = sample(logits, sampling if semantic else self.acoustic or sampling, generator)
                frame[:, level + 1] = torch.where(open_cells[:, level + 1], drawn, forced[:, level + 1])
        self.previous = frame
        return frame


class SampledText:
    """Text that the model chooses."""

    def __init__(self, sampling: Sampling, generator: torch.Generator):
        self.sampling, self.generator = sampling, generator

    def __call__(self, logits: Tensor) -> Tensor:
        return sample(logits, self.sampling, self.generator)


def complete(
    model: MoshiModel,
    grid: np.ndarray,
    task: str,
    sampling: Sampling,
    text_sampling: Sampling,
    seed: int = 0,
    choose_text: ChooseText | None = None,
    finished: Callable[[int], bool] = lambda step: False,
    guidance: float = 1.0,
    acoustic: Sampling | None = None,
) -> np.ndarray:
    """Generate the open cells of a grid.

    Args:
        model: in evaluation mode.
        grid: int64 [B, S, T], tokens, :data:`ABSENT` or :data:`TO_GENERATE`; not delayed.
        task: the delay pattern.
        sampling, text_sampling: how codes and text are drawn.
        seed: of all draws.
        choose_text: instead of sampling the text.
        finished: asked after each frame of the delayed grid; True ends early, and what is left stays open.
        guidance, acoustic: see :class:`MoshiStream`.

    Returns:
        The grid, filled, int64 [B, S, T].
    """
    device = next(model.parameters()).device
    layout, delays = model.config.layout, model.config.delays(task)
    delayed = torch.from_numpy(np.stack([delayed_input(layout, one, delays) for one in grid])).to(device)
    generator = torch.Generator(device).manual_seed(seed)
    choose_text = choose_text or SampledText(text_sampling, generator)
    stream = MoshiStream(model, len(grid), task, delayed.shape[2], guidance, acoustic)
    stream.set_previous(delayed[:, :, 0])
    for step in range(1, delayed.shape[2]):
        delayed[:, :, step] = stream.step(delayed[:, :, step], choose_text, sampling, generator)
        if finished(step):
            break
    return undelay(delayed[:, :, 1:].cpu().numpy(), delays)
