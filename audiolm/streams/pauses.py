"""Long pauses of one speaker's streams cut short, so that what a model is trained on is mostly speech."""

import numpy as np

from audiolm.text.specials import SENTENCEPIECE, Specials


def sounding(text: np.ndarray, length: int, vocab: int, specials: Specials = SENTENCEPIECE) -> np.ndarray:
    """Which frames are at most ``length - 1`` frames after a piece of text: about where its word sounds.

    Args:
        text: int64 [T], a text stream of ``vocab`` ids, not delayed.

    Returns:
        bool [T].
    """
    return _since(specials.are_pieces(text) & (text < vocab)) < length


def shorten_pauses(
    grid: np.ndarray, length: int, pause: int, vocab: int, specials: Specials = SENTENCEPIECE
) -> np.ndarray:
    """Cut the middle out of pauses longer than ``pause`` frames; a grid without words stays as it is.

    Args:
        grid: int64 [S, T], not delayed; stream 0 is the text, of ``vocab`` ids.
        length: frames from a word's start that are its sound; the frame before it, EPAD's, belongs to it too.

    Returns:
        [S, ≤ T].
    """
    sound = sounding(grid[0], length, vocab, specials)
    if not sound.any():
        return grid
    sound[:-1] |= specials.are_pieces(grid[0, 1:]) & (grid[0, 1:] < vocab)
    after, before = _since(sound), _since(sound[::-1])[::-1]
    return grid[:, (after <= pause // 2) | (before <= pause - pause // 2)]


def _since(marks: np.ndarray) -> np.ndarray:
    """Frames since the last mark, 0 at a mark; as many as there are frames where there is none before."""
    frames = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, frames, -1))
    return np.where(last >= 0, frames - last, len(marks))
