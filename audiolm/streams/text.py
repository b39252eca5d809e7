"""The text stream: words with times <-> one token a frame, padded with PAD and EPAD (Moshi, section 3.4.4).

A word's pieces stand on consecutive frames from the frame in which it begins, PAD fills the rest, and EPAD stands on
the frame before a word wherever that frame would be PAD: the model decides first that a word comes, then which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from audiolm.text.specials import SENTENCEPIECE, Specials

Layout = Literal["paper", "moshi_finetune"]
Overlap = Literal["shift", "drop"]


@dataclass
class TextStats:
    """Counts of one or, added up, many text streams; ``frames = pads + epads + pieces`` always holds.

    Attributes:
        frames, pads, epads, pieces: frames in all, and of each kind.
        words: words given.
        shifted_words: words whose pieces stand later than their time.
        shifted_frames: by how many frames, summed over words.
        max_shift: by how many frames at most.
        lost_pieces: pieces without a frame: overwritten by the next word (overlap ``drop``), beyond the last frame,
            or of a word that its layout leaves out.
    """

    frames: int = 0
    pads: int = 0
    epads: int = 0
    pieces: int = 0
    words: int = 0
    shifted_words: int = 0
    shifted_frames: int = 0
    max_shift: int = 0
    lost_pieces: int = 0

    def __add__(self, other: "TextStats") -> "TextStats":
        total = TextStats(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
        total.max_shift = max(self.max_shift, other.max_shift)
        return total

    @property
    def pad_share(self) -> float:
        """Share of frames that are PAD or EPAD, the paper's "padding tokens" (about 0.65 in English dialogue)."""
        return (self.pads + self.epads) / self.frames if self.frames else 0.0


def build_text(
    starts: Sequence[float],
    pieces: Sequence[Sequence[int]],
    num_frames: int,
    frame_rate: float,
    layout: Layout = "paper",
    overlap: Overlap = "shift",
    ends: Sequence[float] | None = None,
    marks: Mapping[int, int] | None = None,
    specials: Specials = SENTENCEPIECE,
) -> tuple[np.ndarray, TextStats]:
    """Place words on frames.

    Args:
        starts: when each word begins, in seconds, not decreasing, none negative.
        pieces: each word's token ids, none of them special, at least one a word.
        num_frames: T.
        frame_rate: frames per second; a word begins in frame ⌊frame_rate · start⌋.
        layout: ``paper``: a word that begins in frame 0 has EPAD at 0 and its pieces from 1. ``moshi_finetune`` (that
            project's builder): such a word has its pieces from 0 and no EPAD, and words that do not last (end ≤ start)
            are left out.
        overlap: a word that begins before its predecessor's pieces have ended is pushed right, in order (``shift``;
            moshi-finetune's ``keep_and_shift``), or takes the place of what is left of them (``drop``).
        ends: when each word ends, in seconds; only ``moshi_finetune`` needs them.
        marks: BOS or EOS, by the index of the word before whose pieces it stands; it counts as one of them.
        specials: ids of the tokenizer's special tokens.

    Returns:
        Tokens int64 [T], and their counts.

    Raises:
        ValueError: times that decrease or are negative, a word without pieces, a piece that is a special token.
    """
    starts = np.asarray(starts, dtype=np.float64)
    counts, ids = _joined(pieces)
    _check(starts, counts, ids, specials)
    if marks:
        counts, ids = _joined(with_marks(pieces, marks))
    stats = TextStats(frames=num_frames, words=len(starts))
    if layout == "moshi_finetune" and len(starts):
        lasts = np.asarray(ends, dtype=np.float64) > starts
        ids = ids[np.repeat(lasts, counts)]
        stats.lost_pieces += int(counts[~lasts].sum())
        starts, counts = starts[lasts], counts[lasts]

    frames = np.floor(starts * frame_rate).astype(np.int64)
    earliest = np.maximum(frames, 1) if layout == "paper" else frames
    before = np.cumsum(counts) - counts  # pieces of all words before
    if overlap == "shift":
        # begin[i] = max(earliest[i], begin[i - 1] + counts[i - 1]), without the loop
        begin = before + np.maximum.accumulate(earliest - before) if len(earliest) else earliest
        kept = counts
    else:
        begin = earliest
        kept = np.minimum(counts, np.diff(begin, append=num_frames + ids.size))
    index = np.arange(ids.size) - np.repeat(before, counts)  # of a piece in its word
    position = np.repeat(begin, counts) + index
    placed = (index < np.repeat(kept, counts)) & (position < num_frames)

    tokens = np.full(num_frames, specials.pad, dtype=np.int64)
    tokens[position[placed]] = ids[placed]
    is_piece = tokens != specials.pad
    tokens[:-1][is_piece[1:] & ~is_piece[:-1]] = specials.epad

    shift = (begin - frames)[(kept > 0) & (begin < num_frames)]
    stats.pieces = int(is_piece.sum())
    stats.epads = int((tokens == specials.epad).sum())
    stats.pads = num_frames - stats.pieces - stats.epads
    stats.shifted_words = int((shift > 0).sum())
    stats.shifted_frames = int(shift.sum())
    stats.max_shift = int(shift.max(initial=0))
    stats.lost_pieces += int((~placed).sum())
    return tokens, stats


def _joined(pieces: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """How many pieces each word has, and all of them one after another."""
    ids = np.concatenate([np.asarray(word, dtype=np.int64) for word in pieces] or [np.zeros(0, np.int64)])
    return np.array([len(word) for word in pieces], dtype=np.int64), ids


def _check(starts: np.ndarray, counts: np.ndarray, ids: np.ndarray, specials: Specials) -> None:
    if len(starts) != len(counts):
        raise ValueError(f"{len(starts)} times for {len(counts)} words")
    if (np.diff(starts, prepend=0.0) < 0).any():
        raise ValueError("word times decrease or are negative")
    if (counts == 0).any():
        raise ValueError(f"word {int((counts == 0).argmax())} has no pieces")
    if not (pieces := specials.are_pieces(ids)).all():
        raise ValueError(f"piece {int(ids[~pieces][0])} is a special token ({', '.join(map(str, specials))})")


@dataclass
class PlacedWord:
    """A word read off a text stream: the frame of its first piece, and its pieces."""

    frame: int
    pieces: list[int]

    def start(self, frame_rate: float) -> float:
        """Seconds: the middle of its frame, which is off by a quarter of a frame on average."""
        return (self.frame + 0.5) / frame_rate

    def duration(self, frame_rate: float) -> float:
        """Seconds: as long as its pieces take; the stream does not say where a word ends."""
        return len(self.pieces) / frame_rate


def read_text(tokens: np.ndarray, word_initial: np.ndarray, specials: Specials = SENTENCEPIECE) -> list[PlacedWord]:
    """Inverse of :func:`build_text`: the words on a text stream and the frames in which they begin.

    Words that were pushed right are found where they stand.

    Args:
        tokens: int [T]; special ids, and negative ones (no text there), separate words.
        word_initial: bool [vocabulary size]: the pieces that begin a word, which part words on adjoining frames.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    is_piece = specials.are_pieces(tokens)
    after_piece = np.concatenate(([False], is_piece[:-1])) if len(tokens) else is_piece
    begins = is_piece & (~after_piece | word_initial[np.where(is_piece, tokens, 0)])
    frames = np.flatnonzero(begins)
    words = np.split(tokens[is_piece], np.flatnonzero(begins[is_piece])[1:])
    return [PlacedWord(int(frame), word.tolist()) for frame, word in zip(frames, words, strict=False)]


def runs(
    tokens: np.ndarray, word_initial: np.ndarray, specials: Specials = SENTENCEPIECE
) -> list[tuple[int, list[int]]]:
    """A text stream in the parts that one reads: words, marks of turns, EPADs, and stretches of PAD.

    Args:
        tokens, word_initial: as in :func:`read_text`.

    Returns:
        of each part the frame in which it begins, and its tokens; together they are the stream.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    if not len(tokens):
        return []
    is_piece = specials.are_pieces(tokens)
    begins = np.diff(tokens, prepend=-1) != 0
    begins[1:] &= ~(is_piece[1:] & is_piece[:-1])  # pieces go on with a word
    begins |= is_piece & word_initial[np.where(is_piece, tokens, 0)]
    begins[0] = True
    frames = np.flatnonzero(begins)
    return [(int(frame), part.tolist()) for frame, part in zip(frames, np.split(tokens, frames[1:]), strict=True)]


def turn_marks(is_main: Sequence[bool] | np.ndarray, specials: Specials = SENTENCEPIECE) -> dict[int, int]:
    """The mark before the first word of each turn, by the word's index: BOS where the main speaker begins, else EOS.

    >>> turn_marks([True, True, False])
    {0: 1, 2: 2}
    """
    is_main = np.asarray(is_main, dtype=bool)
    changes = np.flatnonzero(np.diff(is_main, prepend=~is_main[:1]))
    return {int(index): specials.bos if is_main[index] else specials.eos for index in changes}


def with_marks(words: Sequence[Sequence[int]], marks: Mapping[int, int]) -> list[list[int]]:
    """Pieces of each word, the mark before it among them.

    >>> with_marks([[7], [8, 9]], {1: 2})
    [[7], [2, 8, 9]]
    """
    return [[marks[n], *word] if n in marks else list(word) for n, word in enumerate(words)]


def has_turns(text: np.ndarray, specials: Specials = SENTENCEPIECE) -> bool:
    """Whether BOS and EOS stand at the turns of a stream [T], which then holds all speakers' words."""
    return bool(specials.are_marks(text).any())


def own_turns(text: np.ndarray, specials: Specials = SENTENCEPIECE) -> np.ndarray:
    """A text stream, int64 [T], without the words of others; as it is where it has none.

    What stands before the first mark is the turn that ends there.
    """
    marks = np.flatnonzero(specials.are_marks(text))
    if not len(marks):
        return text
    before = np.searchsorted(marks, np.arange(len(text)), side="right") - 1  # the mark that a frame follows; -1: none
    others = np.where(before < 0, text[marks[0]] == specials.bos, text[marks[before]] == specials.eos)
    # EPAD announces the turn that follows.
    others[:-1] = np.where(text[:-1] == specials.epad, others[1:], others[:-1])
    return np.where(others & (text >= 0), specials.pad, text)


def dialogue_text(main: np.ndarray, others: Sequence[np.ndarray], specials: Specials = SENTENCEPIECE) -> np.ndarray:
    """The words of a conversation in order of time, without padding: what a text LM reads.

    BOS stands where the main speaker begins to talk, EOS where somebody else does, at every change of speaker (the
    symmetric form of Moshi's appendix C).

    Args:
        main: the main speaker's text stream, int [T].
        others: the other speakers' streams of the same conversation.

    Returns:
        int64 [length].
    """
    main = np.asarray(main)
    if has_turns(main, specials):
        return main[specials.are_pieces(main) | specials.are_marks(main)].astype(np.int64)
    streams = [main, *others]
    frames = [np.flatnonzero(specials.are_pieces(np.asarray(stream))) for stream in streams]
    tokens = np.concatenate([np.asarray(stream)[f] for stream, f in zip(streams, frames, strict=True)]).astype(np.int64)
    is_main = np.repeat([True] + [False] * len(others), [len(f) for f in frames])
    order = np.argsort(np.concatenate(frames), kind="stable")
    tokens, is_main = tokens[order], is_main[order]
    marks = turn_marks(is_main, specials)
    return np.insert(tokens, np.fromiter(marks, np.int64), np.fromiter(marks.values(), np.int64))
