"""Generated conversations, transcripts and speech as data directories: audio, ctm and one line of JSON an item."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiolm.codec.model import Codec
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import write_lines
from audiolm.data.tables import Word
from audiolm.streams.grid import GridLayout
from audiolm.streams.text import PlacedWord, read_text
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import Tokenizer


@dataclass
class Item:
    """One generated sequence.

    Attributes:
        file: file id of its audio and its words.
        recos: recording ids: the main speaker's, and the user's where that was generated too.
        channels: which channel of ``file`` each of them is.
        grid: int64 [S, T].
        source: path of the audio, where it was given and not generated.
        meta: what ``meta.jsonl`` tells beside the words.
    """

    file: str
    recos: list[str]
    channels: list[str]
    grid: np.ndarray
    source: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def read_words(
    text: np.ndarray, word_initial: np.ndarray, tokenizer: Tokenizer, frame_rate: float, turns: bool = False
) -> list[Word]:
    """The words of a text stream, int [T], and their times.

    Args:
        word_initial: bool [text_vocab], the ids that begin a word.
        turns: the words are of two speakers, BOS before the main one's and EOS before the other's.

    Returns:
        Words of a file without a name, channel A (the other speaker's: B). What spells nothing is left out.
    """
    specials = tokenizer.specials
    marks = np.flatnonzero(specials.are_marks(text)) if turns else np.zeros(0, np.int64)
    words = []
    for word in read_text(text, word_initial, specials):
        before = np.searchsorted(marks, word.frame)
        channel = "B" if before and text[marks[before - 1]] == specials.eos else "A"
        words += to_word(word, tokenizer, frame_rate, channel)
    return words


def to_word(placed: PlacedWord, tokenizer: Tokenizer, frame_rate: float, channel: str = "A") -> list[Word]:
    """A word and its times, of a file without a name; no word where it spells nothing.

    Ids that the model has and the tokenizer does not (see ``text_vocab``) are passed over. An untrained model may spell
    blanks and control characters, byte by byte, which no table can hold.
    """
    spelt = tokenizer.decode([piece for piece in placed.pieces if piece < tokenizer.vocab_size])
    spelt = "".join(tidy(spelt).split())
    return [Word("", channel, placed.start(frame_rate), placed.duration(frame_rate), spelt)] if spelt else []


class Writer:
    """Writes items to a directory.

    Args:
        directory: takes a data directory (``wav.scp``, ``text``, ``ctm``, ``reco2file_and_channel``, ``reco2dur``), the
            audio in ``audio/<file>.flac`` and ``meta.jsonl``; what an earlier run left there under the same names is
            replaced.
        layout: of the grids.
        codec, tokenizer: of their tokens.
        word_initial: bool [text_vocab], the ids that begin a word.
        levels: how many of the codec's levels, from the first on, are heard; None: all.
    """

    def __init__(
        self,
        directory: str | Path,
        layout: GridLayout,
        codec: Codec,
        tokenizer: Tokenizer,
        word_initial: np.ndarray,
        levels: int | None = None,
    ):
        self.directory, self.layout, self.codec, self.tokenizer = Path(directory), layout, codec, tokenizer
        self.word_initial, self.levels = word_initial, levels

    def write(self, items: Sequence[Item]) -> None:
        """Decode what was generated, write every file, tables last."""
        data, lines, spoken = DataDir(), [], []
        waves = self._decode([item for item in items if item.source is None])
        rate = self.codec.frame_rate
        for item in items:
            duration = item.grid.shape[1] / rate
            path = item.source
            if path is None:
                path = os.path.abspath(self.directory / "audio" / f"{item.file}.flac")
                audio.write(path, waves[item.file], self.codec.sample_rate)
            channels = dict(zip("AB", item.channels, strict=False))
            words = [
                replace(word, file=item.file, channel=channels[word.channel])
                for word in read_words(item.grid[0], self.word_initial, self.tokenizer, rate, turns=True)
                if word.channel in channels  # of one recording alone, the other speaker's are not its own
            ]
            for reco, channel in zip(item.recos, item.channels, strict=True):
                data.wav[reco] = path
                data.reco2dur[reco] = duration
                data.reco2file_and_channel[reco] = (item.file, channel)
                if own := [word.word for word in words if word.channel == channel]:
                    data.text[reco] = " ".join(own)
            spoken += words
            said = [[round(word.start, 3), word.word] for word in words]
            lines.append(json.dumps({"id": item.recos[0], **item.meta, "seconds": round(duration, 3), "words": said}))
        data.ctm = spoken
        data.write(self.directory)
        write_lines(self.directory / "meta.jsonl", lines)

    @torch.inference_mode()
    def _decode(self, items: Sequence[Item], batch: int = 16) -> dict[str, np.ndarray]:
        """File id -> float32 [samples, channels]. The codec is causal: what pads a batch changes no sample."""
        channels = [
            (item.file, torch.from_numpy(np.clip(item.grid[streams], 0, None)))
            for item in items
            for streams in (self.layout.main, self.layout.user)[: len(item.recos)]
        ]
        channels.sort(key=lambda channel: channel[1].shape[1])
        waves: dict[str, list[np.ndarray]] = {item.file: [] for item in items}
        device = next(self.codec.parameters()).device
        for start in range(0, len(channels), batch):
            some = channels[start : start + batch]
            padded = torch.zeros(len(some), self.layout.levels, some[-1][1].shape[1], dtype=torch.int64)
            for row, (_, codes) in zip(padded, some, strict=True):
                row[:, : codes.shape[1]] = codes
            for (file, codes), wave in zip(some, self.codec.decode(padded[:, : self.levels].to(device)), strict=True):
                waves[file].append(wave[0, : codes.shape[1] * self.codec.frame_size].cpu().numpy())
        return {file: np.stack(parts, axis=1) for file, parts in waves.items()}
