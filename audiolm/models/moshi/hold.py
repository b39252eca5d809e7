"""The word that is being said, and by whom: what ``text_hold`` and ``turn_hold`` show beside the paper's streams.

The text stream names a word once and goes on with PAD; a large model looks back for the word, how far into it the sound
is, and how soon the next one comes. Here each frame has these three at hand, read where the audio to predict is: with
text ``d`` frames ahead of the audio, ``lag = d - 1`` frames back in the input.
"""

import torch
from torch import Tensor

from audiolm.text.specials import SENTENCEPIECE, Specials

MAX_AGE = 15  # frames since a word's last piece; longer ago is all the same
SPEAKERS = 2


def _turn(marks: Tensor, specials: Specials) -> Tensor:
    """BOS, EOS -> 0, the main speaker's turn, and 1, the other's."""
    return (marks == specials.eos).to(torch.int64)


def held_words(text: Tensor, lags: Tensor, specials: Specials = SENTENCEPIECE) -> Tensor:
    """Features of whole sequences.

    Args:
        text: int64 [B, T], the text stream as the model sees it (start token first).
        lags: int64 [B], frames ≥ 0.

    Returns:
        int64 [B, T, 4]: the last piece at or before frame t - lag; how many frames before that frame it stands, at most
        MAX_AGE; how many frames after it the next piece stands, where that is known at frame t; and whose turn it is
        there, of text that marks turns: 0 the main speaker's, 1 the other's. -1 = none.
    """
    frames = torch.arange(text.shape[1], device=text.device).expand_as(text)
    is_piece = specials.are_pieces(text)
    last = torch.where(is_piece, frames, -1).cummax(dim=1).values
    marked = torch.where(specials.are_marks(text), frames, -1).cummax(dim=1).values
    never = torch.full_like(text[:, :1], text.shape[1])
    coming = torch.where(is_piece, frames, never).flip(1).cummin(dim=1).values.flip(1)  # first piece at or after
    coming = torch.cat((coming, never), dim=1)

    here = frames - lags[:, None]  # [B, T]; negative before the first frame's turn
    inside = here >= 0
    last = last.gather(1, here.clamp(min=0))
    held = inside & (last >= 0)
    piece = torch.where(held, text.gather(1, last.clamp(min=0)), -1)
    age = torch.where(held, (here - last).clamp(max=MAX_AGE), -1)
    after = coming.gather(1, (here + 1).clamp(min=0))
    until = torch.where(after <= frames, after - here, -1)
    marked = marked.gather(1, here.clamp(min=0))
    turn = torch.where(inside & (marked >= 0), _turn(text.gather(1, marked.clamp(min=0)), specials), -1)
    return torch.stack((piece, age, until, turn), dim=2)


class HoldState:
    """The same for streaming: one frame a step, each slot with a history of its own.

    Args:
        batch: B, slots.
        lag: frames, the same for all slots.
        specials: ids of the special tokens of the text.
    """

    def __init__(self, batch: int, lag: int, device: torch.device | str = "cpu", specials: Specials = SENTENCEPIECE):
        self.specials = specials
        self.recent = torch.full((batch, lag + 1), -1, device=device)  # text of frames t - lag … t
        self.piece = torch.full((batch,), -1, device=device)
        self.age = torch.full((batch,), -1, device=device)
        self.turn = torch.full((batch,), -1, device=device)
        self.offsets = torch.arange(lag + 1, device=device)

    def reset(self, slots) -> None:
        """Forget what ``slots`` have seen."""
        for state in (self.recent, self.piece, self.age, self.turn):
            state[slots] = -1

    def step(self, text: Tensor, active: Tensor | None = None) -> Tensor:
        """One more frame of text, int64 [B] -> features [B, 4] as in :func:`held_words`.

        Slots where ``active``, bool [B], is False stay as they are; what comes out for them means nothing.
        """
        recent = torch.cat((self.recent[:, 1:], text[:, None]), dim=1)
        is_piece = self.specials.are_pieces(recent)
        begins = is_piece[:, 0]
        piece = torch.where(begins, recent[:, 0], self.piece)
        older = torch.where(self.age < 0, -1, (self.age + 1).clamp(max=MAX_AGE))
        age = torch.where(begins, 0, older)
        turn = torch.where(self.specials.are_marks(recent[:, 0]), _turn(recent[:, 0], self.specials), self.turn)
        for state, new in ((self.recent, recent), (self.piece, piece), (self.age, age), (self.turn, turn)):
            kept = active if active is None or state.ndim == 1 else active[:, None]
            state.copy_(new if kept is None else torch.where(kept, new, state))
        none = len(self.offsets)
        until = torch.where(is_piece & (self.offsets > 0), self.offsets, none).min(dim=1).values
        return torch.stack((piece, age, torch.where(until < none, until, -1), turn), dim=1)
