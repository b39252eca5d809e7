"""The tokens of a text stream that are no pieces of words: EPAD, BOS, EOS and PAD, by name; ids are the tokenizer's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

EPAD, BOS, EOS, PAD = 0, 1, 2, 3  # of SentencePiece models that text streams take (Moshi, section 3.4.4)


class Specials(NamedTuple):
    """Ids of the four. Every other id of a tokenizer is a piece of a word.

    Attributes:
        epad: stands on the frame before a word.
        bos: begins a document, or a turn of the main speaker.
        eos: ends a document, or begins a turn of somebody else.
        pad: stands where no word is.
    """

    epad: int = EPAD
    bos: int = BOS
    eos: int = EOS
    pad: int = PAD

    @classmethod
    def of(cls, ids: Sequence[int] | None) -> "Specials":
        """Those that a config or an archive names, or SentencePiece's where it names none.

        >>> Specials.of(None).pad
        3
        """
        return SENTENCEPIECE if ids is None else cls(*(int(id) for id in ids))

    def are_pieces(self, ids: Any) -> Any:
        """Where an array, a tensor or a number of ids is a piece of a word; negative ids (absent) are none."""
        epad, bos, eos, pad = self
        return (ids >= 0) & (ids != epad) & (ids != bos) & (ids != eos) & (ids != pad)

    def are_marks(self, ids: Any) -> Any:
        """Where ids mark a turn: BOS or EOS."""
        return (ids == self.bos) | (ids == self.eos)

    def name(self, id: int) -> str | None:
        """EPAD, BOS, EOS or PAD, or None: a piece."""
        return dict(zip(self, ("EPAD", "BOS", "EOS", "PAD"), strict=True)).get(int(id))


SENTENCEPIECE = Specials()


def check_specials(ids: Sequence[int], vocab: int) -> bool:
    """Whether ids can be those of EPAD, BOS, EOS and PAD: four different ones below ``vocab``."""
    return len(ids) == 4 == len(set(ids)) and all(0 <= id < vocab for id in ids)
