"""The token grid: stream 0 is text, then the main speaker's codes, semantic first, then the user's."""

from dataclasses import dataclass

import numpy as np

from audiolm.text.specials import SENTENCEPIECE, Specials

ABSENT = -1  # no input and no loss here
TO_GENERATE = -2


@dataclass(frozen=True)
class GridLayout:
    """Which streams a grid has.

    Attributes:
        text_vocab: ids of the text stream.
        levels: codebooks of one speaker.
        codebook_size: entries of one codebook.
        speakers: 2 = main and user, 1 = main only.
        specials: ids of EPAD, BOS, EOS and PAD in the text stream.
    """

    text_vocab: int
    levels: int
    codebook_size: int
    speakers: int = 2
    specials: Specials = SENTENCEPIECE

    @property
    def num_streams(self) -> int:
        return 1 + self.levels * self.speakers

    @property
    def vocab_sizes(self) -> list[int]:
        """Ids of each stream; a stream's start token is the id after its last."""
        return [self.text_vocab] + [self.codebook_size] * (self.levels * self.speakers)

    @property
    def main(self) -> slice:
        """The main speaker's streams."""
        return slice(1, 1 + self.levels)

    @property
    def user(self) -> slice:
        """The user's streams (empty with one speaker)."""
        return slice(1 + self.levels, self.num_streams)

    @property
    def names(self) -> list[str]:
        """``text``, ``main1`` (semantic) … and ``user1`` …"""
        return ["text"] + [f"{who}{k + 1}" for who in ("main", "user")[: self.speakers] for k in range(self.levels)]

    def out_of_range(self, grid: np.ndarray, start: bool = False) -> str | None:
        """Say where a grid [..., S, T] first has an id that its stream has not; None = nowhere.

        Args:
            start: start tokens are ids too.
        """
        streams = np.moveaxis(grid, -2, 0).reshape(self.num_streams, -1)
        sizes = np.asarray(self.vocab_sizes) + start
        high, low = streams.max(axis=1, initial=ABSENT) >= sizes, streams.min(axis=1, initial=0) < ABSENT
        if not (high.any() or low.any()):
            return None
        stream = int((high | low).argmax())
        bad = streams[stream].max() if high[stream] else streams[stream].min()
        return f"id {bad} in stream {self.names[stream]}, which has ids 0 to {sizes[stream] - 1}"


def build_grid(
    layout: GridLayout, text: np.ndarray | None, main: np.ndarray | None, user: np.ndarray | None
) -> np.ndarray:
    """Stack streams to int64 [S, T]; a part that is None is absent (-1).

    Args:
        text: [T]. main, user: codes [T, levels], as token archives hold them.

    Raises:
        ValueError: parts of different lengths or of another number of levels, an id outside its vocabulary, nothing
            given, a user for a layout of one speaker.
    """
    if user is not None and layout.speakers == 1:
        raise ValueError("a user's codes for a grid of one speaker")
    parts = {"text": text, "main codes": main, "user codes": user}
    lengths = {name: len(part) for name, part in parts.items() if part is not None}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"frames of a grid's parts differ: {lengths}" if lengths else "a grid of no parts")
    grid = np.full((layout.num_streams, next(iter(lengths.values()))), ABSENT, dtype=np.int64)
    if text is not None:
        grid[0] = text
    for name, codes, streams in (("main codes", main, layout.main), ("user codes", user, layout.user)):
        if codes is not None:
            if codes.shape[1:] != (layout.levels,):
                raise ValueError(f"{name} of shape {codes.shape}, expected [frames, {layout.levels}]")
            grid[streams] = codes.T
    if bad := layout.out_of_range(grid):
        raise ValueError(bad)
    return grid
