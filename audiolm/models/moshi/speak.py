"""Streaming speech: the words are given, the model chooses when each is said (Moshi, appendix C)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.lm.sampling import Sampling, sample
from audiolm.text.specials import SENTENCEPIECE, Specials


@dataclass
class SpeakConfig:
    """How words are paced.

    Attributes:
        max_pause: frames of PAD before a word after which the next word is said in any case.
        pad_bonus: added to the logit of PAD while less than ``pad_share`` of the frames so far are padding; 0 = none.
        pad_share: see there (about 0.65 in English dialogue).
    """

    max_pause: int = 25
    pad_bonus: float = 0.0
    pad_share: float = 0.65


class SpeakWords:
    """Chooses PAD or EPAD as the model draws them, and the next given word where it draws anything else.

    Args:
        words: for every slot, its words, each a list of pieces. The first word of a turn may begin with BOS (the main
            speaker's) or EOS (the other's), as in Moshi's multi-stream TTS (appendix C).
        sampling: how the draw is made (Moshi: temperature 0.6).
        config: pacing.
        device: of the logits.
        capacity: the most pieces of a slot; None: as many as are given now.
        specials: ids of the special tokens of the text.
    """

    def __init__(
        self,
        words: Sequence[Sequence[Sequence[int]]],
        sampling: Sampling,
        config: SpeakConfig,
        device: torch.device | str = "cpu",
        capacity: int | None = None,
        specials: Specials = SENTENCEPIECE,
    ):
        self.sampling, self.config, self.specials = sampling, config, specials
        batch = len(words)
        self.capacity = max((sum(map(len, slot)) for slot in words), default=0) if capacity is None else capacity
        # One column more: PAD, where a slot with all its words said stays.
        self.pieces = torch.full((batch, self.capacity + 1), specials.pad, device=device)
        self.inside = torch.zeros(batch, self.capacity + 1, dtype=torch.bool, device=device)  # goes on with a word
        self.total = torch.zeros(batch, dtype=torch.int64, device=device)  # pieces of each slot
        self.next = torch.zeros_like(self.total)  # index of each slot's next piece
        self.announced = torch.zeros(batch, dtype=torch.bool, device=device)  # EPAD stood on the frame before
        self.pause = torch.zeros_like(self.total)  # frames of PAD since the last piece
        self.frames = torch.zeros_like(self.total)
        self.padding = torch.zeros_like(self.total)
        self.last_frame = torch.zeros_like(self.total)  # frame of each slot's last piece so far
        for slot, slot_words in enumerate(words):
            self.give(slot, slot_words)

    def give(self, slot: int, words: Sequence[Sequence[int]]) -> None:
        """What ``slot`` says from now on, in place of what it was given before.

        Raises:
            AudiolmError: more pieces than ``capacity``.
        """
        pieces = [piece for word in words for piece in word]
        if len(pieces) > self.capacity:
            raise AudiolmError(
                f"{len(words)} words of {len(pieces)} pieces for slot {slot}, which holds {self.capacity}; "
                "say less at once, or make it with a larger capacity"
            )
        self.pieces[slot] = self.specials.pad
        self.pieces[slot, : len(pieces)] = torch.tensor(pieces, dtype=torch.int64)
        self.inside[slot] = False
        self.inside[slot, : len(pieces)] = torch.tensor(
            [index > 0 for word in words for index in range(len(word))], dtype=torch.bool
        )
        self.total[slot] = len(pieces)
        self.reset([slot])

    def reset(self, slots: Sequence[int]) -> None:
        """Say the words of ``slots`` again, from the first on."""
        for state in (self.next, self.announced, self.pause, self.frames, self.padding, self.last_frame):
            state[slots] = 0

    @property
    def all_said(self) -> Tensor:
        """Which slots have no word left, bool [B]."""
        return self.next >= self.total

    def __call__(self, logits: Tensor, uniform: Tensor, may: Tensor) -> Tensor:
        logits, epad, pad = logits.clone(), self.specials.epad, self.specials.pad
        if self.config.pad_bonus:
            too_few = self.padding < self.config.pad_share * self.frames
            logits[:, pad] += self.config.pad_bonus * too_few
        logits[:, pad].masked_fill_(self.pause >= self.config.max_pause, -torch.inf)
        drawn = sample(logits, self.sampling, uniform)
        piece = self.pieces.gather(1, self.next[:, None])[:, 0]
        has_more = ~self.all_said
        must_say = self.announced | self.inside.gather(1, self.next[:, None])[:, 0]
        say = has_more & (must_say | ((drawn != pad) & (drawn != epad)))
        token = torch.where(say, piece, pad)
        token = torch.where(has_more & ~say & (drawn == epad), epad, token)

        pause = torch.where(token == pad, self.pause + 1, 0) * has_more
        last_frame = torch.where(say, self.frames, self.last_frame)
        self._keep(may, self.announced, token == epad)
        self._keep(may, self.pause, pause)
        self._keep(may, self.last_frame, last_frame)
        self.next += say & may
        self.padding += ~say & may
        self.frames += may
        return token

    @staticmethod
    def _keep(may: Tensor, state: Tensor, new: Tensor) -> None:
        state.copy_(torch.where(may, new, state))
