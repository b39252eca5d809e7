"""Streaming speech: the words are given, the model chooses when each is said (Moshi, appendix C)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audiolm.lm.sampling import Sampling, sample
from audiolm.text.tokenizer import EPAD, PAD


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
        words: for every slot, its words, each a list of pieces.
        sampling: how the draw is made (Moshi: temperature 0.6).
        config: pacing.
        generator: of the draws.
        device: of the logits.
    """

    def __init__(
        self,
        words: Sequence[Sequence[Sequence[int]]],
        sampling: Sampling,
        config: SpeakConfig,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ):
        self.sampling, self.config, self.generator = sampling, config, generator
        pieces = [[piece for word in slot for piece in word] for slot in words]
        longest = max(map(len, pieces), default=0)
        # One column more: PAD, where a slot with all its words said stays.
        table = np.full((len(words), longest + 1), PAD, dtype=np.int64)
        inside = np.zeros((len(words), longest + 1), dtype=bool)  # the piece goes on with a word
        for slot, (row, slot_words) in enumerate(zip(pieces, words, strict=True)):
            table[slot, : len(row)] = row
            inside[slot, : len(row)] = [index > 0 for word in slot_words for index in range(len(word))]
        self.pieces = torch.from_numpy(table).to(device)
        self.inside = torch.from_numpy(inside).to(device)
        self.left = torch.tensor([len(row) for row in pieces], device=device)
        self.next = torch.zeros_like(self.left)  # index of each slot's next piece
        self.announced = torch.zeros_like(self.left, dtype=torch.bool)  # EPAD stood on the frame before
        self.pause = torch.zeros_like(self.left)  # frames of PAD since the last piece
        self.frames = torch.zeros_like(self.left)
        self.padding = torch.zeros_like(self.left)
        self.last_frame = torch.zeros_like(self.left)  # frame of each slot's last piece so far

    @property
    def all_said(self) -> Tensor:
        """Which slots have no word left, bool [B]."""
        return self.left == 0

    def __call__(self, logits: Tensor) -> Tensor:
        logits = logits.clone()
        if self.config.pad_bonus:
            too_few = self.padding < self.config.pad_share * self.frames
            logits[:, PAD] += self.config.pad_bonus * too_few
        logits[:, PAD].masked_fill_(self.pause >= self.config.max_pause, -torch.inf)
        drawn = sample(logits, self.sampling, self.generator)
        rows = torch.arange(len(drawn), device=drawn.device)
        may_say = ~self.all_said
        must_say = may_say & (self.announced | self.inside[rows, self.next])
        say = must_say | (may_say & (drawn != PAD) & (drawn != EPAD))
        token = torch.where(say, self.pieces[rows, self.next], PAD)
        token = torch.where(may_say & ~say & (drawn == EPAD), EPAD, token)

        self.next += say
        self.left -= say.long()
        self.announced = token == EPAD
        self.pause = torch.where(token == PAD, self.pause + 1, 0) * may_say
        self.padding += ~say
        self.last_frame = torch.where(say, self.frames, self.last_frame)
        self.frames += 1
        return token
