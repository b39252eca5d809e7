"""Conversations as they happen: one frame of the grid a step, without delays; each slot begins, pauses and ends alone.

The delays of the model's streams are inside: what is given goes through delay lines, what is generated waits until the
last stream of its frame has come.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.models.moshi.generate import MoshiStream
from audiolm.streams.grid import ABSENT, TO_GENERATE

Heard = Literal["nobody", "user", "all"]


class LiveStream:
    """B conversations, frame by frame: the same tokens as :func:`audiolm.models.moshi.generate.complete`.

    The model makes frame t of its own streams once frame t - 1 of what it hears is there, so the two go by turns: the
    first step makes frame 0 from nothing (the codes that come with it are those of the time before the conversation,
    and are not looked at, as in moshi's ``LMGen``), step t hears frame t - 1 and makes frame t.

    >>> live = LiveStream(MoshiStream(model, batch=2, ...), heard="user")                  # doctest: +SKIP
    >>> live.begin([0], seeds=[7])                                                         # doctest: +SKIP
    >>> for samples in microphones:                              # [2, 1, frame_size]      # doctest: +SKIP
    ...     frame, ready = live.step(codec_stream.encode(samples)[:, :, 0])
    ...     if ready.all():                                      # lag frames after the conversation's beginning
    ...         loudspeakers.write(codec_stream.decode(frame[:, layout.main, None]))

    Args:
        stream: the model in its slots; all begin now.
        heard: whose codes come from outside: the ``user``'s in dialogue, ``all`` in recognition, ``nobody``'s where
            the model talks alone or makes both speakers.

    Attributes:
        lag: frames between a step and the frame that it completes.
    """

    def __init__(self, stream: MoshiStream, heard: Heard = "user"):
        config = stream.model.config
        layout, delays = config.layout, config.delays(stream.task)
        self.stream, self.layout = stream, layout
        self.heard = {"nobody": slice(0, 0), "user": layout.user, "all": slice(1, layout.num_streams)}[heard]
        last = {"nobody": config.predicted_levels, "user": layout.levels, "all": 0}[heard]
        self.levels = min(last, config.predicted_levels)
        self._made = slice(0, 1 + self.levels)
        self._never = slice(1 + self.levels, None) if heard == "nobody" else slice(0, 0)
        self.lag = max(delays[self._made])

        device, depth = stream.device, max(delays) + 1
        places = torch.tensor(delays, device=device)
        self._given_at = (depth - 1 - places).expand(stream.batch, -1)[..., None]  # [B, S, 1], places in the line
        self._made_at = (depth - 1 - self.lag + places[self._made]).expand(stream.batch, -1)[..., None]
        self._starts = stream.previous.clone()
        self._given = self._starts[..., None].repeat(1, 1, depth)  # frames before the first: start tokens
        self._frames = torch.full_like(self._given[:, self._made], ABSENT)  # of the delayed grid
        self.count = torch.zeros(stream.batch, dtype=torch.int64, device=device)  # steps of each conversation
        self._clear(list(range(stream.batch)))

    def begin(self, slots: Sequence[int], seeds: Sequence[int], absent: slice | None = None) -> None:
        """Begin new conversations in ``slots``, with a seed for each, while the others go on.

        Args:
            absent: streams that they do not have, such as ``layout.user`` for speech that nobody listens to.
        """
        self.stream.begin(slots, seeds, absent)
        self._clear(list(slots))

    def _clear(self, slots: list[int]) -> None:
        starts = self.stream.previous[slots]
        starts[:, self._never] = ABSENT
        self.stream.previous[slots] = self._starts[slots] = starts
        self._given[slots] = starts[..., None].expand(-1, -1, self._given.shape[2])
        self._frames[slots] = ABSENT
        self.count[slots] = 0

    @torch.inference_mode()
    def step(
        self, heard: Tensor | None = None, given: Tensor | None = None, active: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One frame.

        Args:
            heard: int64 [B, heard streams], the codes of the frame that has just been heard; -1: none. None where
                nobody is heard.
            given: int64 [B, S], what is known of the frame that is made now (a prompt, a voice, a text), else
                :data:`TO_GENERATE`; heard streams are not looked at. None: all is to be generated.
            active: bool [B], slots that go on; the others pause: what is given for them is not looked at, what comes
                out means nothing. None: all.

        Returns:
            int64 [B, 1 + levels], text and codes that the model makes of the frame ``lag`` steps ago; and bool [B],
            where there has been such a frame.

        Raises:
            AudiolmError: codes of another shape, or out of range.
        """
        stream = self.stream
        active = None if active is None else active.to(stream.device)
        heard = self._checked(heard, active)
        new = torch.full_like(self._starts, TO_GENERATE) if given is None else given.to(stream.device, copy=True)
        new = torch.where((self._starts == ABSENT) & (new == TO_GENERATE), ABSENT, new)
        first = (self.count == 0)[:, None]
        new[:, self.heard] = torch.where(first, self._starts[:, self.heard], heard)
        self._push(self._given, new, active)
        forced = self._given.gather(2, self._given_at)[..., 0]
        before = stream.previous[:, self.heard]
        late = torch.where(first, before, forced[:, self.heard])
        before.copy_(late if active is None else torch.where(active[:, None], late, before))
        frame = stream.step(forced, active, True, self.levels)
        self._push(self._frames, frame[:, self._made], active)
        self.count += 1 if active is None else active
        ready = self.count > self.lag
        return self._frames.gather(2, self._made_at)[..., 0], ready if active is None else ready & active

    def _push(self, line: Tensor, new: Tensor, active: Tensor | None) -> None:
        """One more frame [B, S] at the end of a line [B, S, depth]; the oldest is forgotten."""
        moved = torch.cat((line[..., 1:], new[..., None]), dim=2)
        line.copy_(moved if active is None else torch.where(active[:, None, None], moved, line))

    def _checked(self, heard: Tensor | None, active: Tensor | None) -> Tensor:
        streams = self._starts[:, self.heard].shape[1]
        if heard is None:
            heard = torch.empty(0, 0)
        if tuple(heard.shape) != (self.stream.batch, streams) and (streams or heard.numel()):
            raise AudiolmError(
                f"codes of shape {list(heard.shape)}, expected [{self.stream.batch}, {streams}]: one row a slot, "
                f"{self.layout.levels} levels of each speaker that is heard"
            )
        if not streams:
            return torch.empty(self.stream.batch, 0, dtype=torch.int64, device=self.stream.device)
        bad = (heard < ABSENT) | (heard >= self.layout.codebook_size)
        if active is not None:
            bad &= active.to(bad.device)[:, None]
        if bad.any():
            slot, level = bad.nonzero()[0].tolist()
            raise AudiolmError(
                f"code {int(heard[slot, level])} in slot {slot}, stream "
                f"{self.layout.names[self.heard.start + level]}: expected 0 to {self.layout.codebook_size - 1}, or "
                f"{ABSENT} where nobody is heard; encode with the codec that the model was trained with"
            )
        return heard.to(self.stream.device, torch.int64)
