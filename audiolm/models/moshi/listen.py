"""Streaming recognition of live sound: words as soon as the model has written them down."""

import numpy as np
import torch

from audiolm.data.tables import Word
from audiolm.models.moshi.generate import MoshiStream, SampledText
from audiolm.models.moshi.live import LiveStream
from audiolm.models.moshi.modes import GREEDY
from audiolm.models.moshi.output import to_word
from audiolm.models.moshi.parts import Parts
from audiolm.streams.grid import ABSENT
from audiolm.streams.text import PlacedWord


class Listener:
    """Hears one speaker; gives the words that :func:`audiolm.models.moshi.modes.recognise` gives of the whole.

    Args:
        parts: the model, its codec (a causal one) and its tokenizer.
        task: of recognition. A word comes when its text's delay has passed and the next word or a pause begins.
    """

    def __init__(self, parts: Parts, task: str = "asr"):
        self.parts = parts
        self.codec = parts.codec.streaming(batch=1)
        self.sample_rate, self.frame_size = parts.codec.sample_rate, parts.codec.frame_size
        device = next(parts.model.parameters()).device
        self.specials = parts.layout.specials
        text = SampledText(GREEDY, 1, device, specials=self.specials)
        self.live = LiveStream(MoshiStream(parts.model, 1, task, GREEDY, text), "all")
        self.live.begin([0], [0], absent=parts.layout.user)
        self.codes = torch.full((1, parts.layout.num_streams - 1), ABSENT)
        self.samples = np.zeros(0, dtype=np.float32)  # of a frame that is not full yet
        self.heard = 0  # frames of sound
        self.frame = 0  # of text
        self.pieces: list[int] = []  # of the word under way
        self._step()

    def hear(self, wav: np.ndarray) -> list[Word]:
        """The next samples, float32 [any number] at the codec's rate -> words that are complete now."""
        self.samples = np.concatenate((self.samples, wav))
        words, size = [], self.parts.codec.frame_size
        while len(self.samples) >= size:
            frame, self.samples = self.samples[:size], self.samples[size:]
            words += self._hear_frame(frame)
        return words

    def close(self) -> list[Word]:
        """The sound is over: the words that are still to come."""
        words = []
        if len(self.samples):
            words += self._hear_frame(np.pad(self.samples, (0, self.parts.codec.frame_size - len(self.samples))))
        self.codes.fill_(ABSENT)
        while self.frame < self.heard:
            words += self._step()
        return words + self._begin_word()

    def _hear_frame(self, samples: np.ndarray) -> list[Word]:
        codes = self.codec.encode(torch.from_numpy(samples)[None, None].to(self.live.stream.device))[:, :, 0]
        levels = self.parts.layout.levels
        self.codes[:, :levels] = codes[:, :levels].cpu()
        self.heard += 1
        return self._step()

    def _step(self) -> list[Word]:
        made, ready = self.live.step(self.codes)
        if not ready:
            return []
        token, words = int(made[0, 0]), []
        is_piece = self.specials.are_pieces(token)
        if not is_piece or self.parts.word_initial[token]:
            words = self._begin_word()
        if is_piece:
            self.pieces.append(token)
        self.frame += 1
        return words

    def _begin_word(self) -> list[Word]:
        """The word before, if there is one."""
        placed = PlacedWord(self.frame - len(self.pieces), self.pieces)
        self.pieces = []
        return to_word(placed, self.parts.tokenizer, self.parts.codec.frame_rate)
