"""What a recipe asks of its trained model, and the items that come of it: one method a mode of ``audiolm generate``."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.models.moshi.data import Recordings
from audiolm.models.moshi.load import load_lm
from audiolm.models.moshi.modes import Drawing, continue_dialogues, recognise, speak
from audiolm.models.moshi.output import Item
from audiolm.models.moshi.speak import SpeakConfig
from audiolm.streams.grid import ABSENT
from audiolm.streams.text import read_text, turn_marks, with_marks
from audiolm.text.specials import Specials
from audiolm.text.tokenizer import Tokenizer

T = TypeVar("T")


class Requests:
    """A model, and the recordings of some sets.

    Args:
        dumps: the sets' directories (``dump/<set>``): archives ``codes`` and ``text``, data directory ``audio``.
        lm: experiment directory of the model.
        codec: checksum of the codec in use.
        tokenizer: in use.
        device: where to compute.

    Raises:
        AudiolmError: model or archives belong to another codec or tokenizer.
    """

    def __init__(
        self, dumps: Sequence[Path], lm: Path, codec: str, tokenizer: Tokenizer, device: torch.device | str = "cpu"
    ):
        self.model, config = load_lm(lm, device)
        mix = config.data.mix.get("dialogue")
        self.monologue = mix is None or mix.text_mask < 1  # else the model has never seen a dialogue's text
        self.layout, self.tokenizer = self.model.config.layout, tokenizer
        self.word_initial = word_initial(tokenizer, self.layout.text_vocab)
        self.sets: list[tuple[Recordings, DataDir]] = []
        for directory in dumps:
            recordings = Recordings(directory, self.layout, codec, tokenizer.checksum)
            recordings.claim(self.model)
            self.sets.append((recordings, DataDir.read(directory / "audio")))
        rates = {recordings.codes.meta.frame_rate for recordings, _ in self.sets}
        if len(rates) != 1:
            raise AudiolmError(f"{dumps[0].parent}: sets of {sorted(rates)} frames a second; give sets of one codec")
        self.frame_rate = rates.pop()

    @property
    def two_voices(self) -> bool:
        """Whether the model speaks for both, of text that holds both speakers' words."""
        return self.sets[0][0].turns and self.model.config.predicted_levels > self.layout.levels

    def converse(self, count: int, prompt: float, seconds: float, drawing: Drawing) -> list[Item]:
        """Continue ``count`` recordings (0 = all that are longer) from their first ``prompt`` seconds, to ``seconds``.

        The first channel of a file is the main speaker. Files get the name of their source and ``-continued``.
        """
        given, total = round(prompt * self.frame_rate), round(seconds * self.frame_rate)
        sources = [
            (recordings, data, key)
            for recordings, data in self.sets
            for key in recordings.keys
            if recordings.num_frames(key) > given and not (key in recordings.users and recordings.users[key] < key)
        ]
        sources = _spread(sources, count)
        prompts = [recordings.grid(key, 0, given) for recordings, _, key in sources]
        grids = continue_dialogues(self.model, prompts, total, drawing, monologue=self.monologue)
        items = []
        for (_, data, key), grid in zip(sources, grids, strict=True):
            file = f"{data.file_and_channel(key)[0]}-continued"
            meta = {"mode": "continue", "source": key, "prompt": prompt, **_drawn(drawing)}
            items.append(self._conversation(file, grid, meta))
        return items

    def imagine(self, count: int, seconds: float, drawing: Drawing) -> list[Item]:
        """``count`` conversations from nothing."""
        prompts = [np.zeros((self.layout.num_streams, 0), dtype=np.int64)] * count
        frames = round(seconds * self.frame_rate)
        grids = continue_dialogues(self.model, prompts, frames, drawing, monologue=self.monologue)
        meta = {"mode": "unconditional", **_drawn(drawing)}
        return [self._conversation(f"unconditional{i + 1:04d}", grid, meta) for i, grid in enumerate(grids)]

    def transcribe(self, count: int, user: bool, batch: int) -> list[Item]:
        """Streaming recognition of ``count`` recordings (0 = all), with the other speaker's codes or without."""
        sources = _spread([(*each, key) for each in self.sets for key in each[0].keys], count)
        grids = [recordings.grid(key, 0, recordings.num_frames(key), user=user) for recordings, _, key in sources]
        items = []
        for (_, data, key), grid, text in zip(sources, grids, recognise(self.model, grids, batch), strict=True):
            file, channel = data.file_and_channel(key)
            heard = np.concatenate((text[None], grid[1:]))
            items.append(Item(file, [key], [channel], heard, data.wav_path(key), {"mode": "asr", "user": user}))
        return items

    def say(self, count: int, min_words: int, drawing: Drawing, pacing: SpeakConfig) -> list[Item]:
        """Streaming speech of ``count`` utterances (0 = all) of at least ``min_words`` words; nobody listens."""
        utts = [
            (data, utt)
            for _, data in self.sets
            for utt in data.utts
            if len(data.text.get(utt, "").split()) >= min_words
        ]
        if not utts:
            raise AudiolmError(f"no utterance of {min_words} words or more to speak; take a smaller --min_words")
        utts = _spread(utts, count)
        words = [[self.tokenizer.encode_word(word) for word in data.text[utt].split()] for data, utt in utts]
        if self.sets[0][0].turns:
            words = [[[self.tokenizer.specials.bos, *first], *more] for first, *more in words]
        meta = {"mode": "tts", "user": False, **_drawn(drawing)}
        return [
            Item(utt, [utt], ["A"], grid, meta={**meta, "text": data.text[utt]})
            for (data, utt), grid in zip(utts, speak(self.model, words, drawing, pacing), strict=True)
        ]

    def reply(self, count: int, drawing: Drawing, pacing: SpeakConfig) -> list[Item]:
        """Streaming speech of all words of ``count`` recordings (0 = all), against their other speaker's codes."""
        sources = [(r, key) for r, _ in self.sets for key in r.keys if key in r.users and key in r.text]
        if not sources:
            raise AudiolmError("no recording has a second speaker to speak to; take --user absent")
        sources = _spread(sources, count)
        texts = [recordings.text.read(key)[:, 0] for recordings, key in sources]
        words = [_marked_words(text, self.word_initial, self.layout.specials) for text in texts]
        users = [recordings.codes.read(recordings.users[key]).astype(np.int64) for recordings, key in sources]
        grids = speak(self.model, words, drawing, pacing, users)
        meta = {"mode": "tts", "user": True, **_drawn(drawing)}
        return [
            Item(f"{key}-said", [f"{key}-said"], ["A"], grid, meta={**meta, "source": key})
            for (_, key), grid in zip(sources, grids, strict=True)
        ]

    def say_turns(self, count: int, turns: int, drawing: Drawing, pacing: SpeakConfig) -> list[Item]:
        """Streaming speech of the first ``turns`` turns of ``count`` conversations (0 = all): both voices are made.

        Who speaks first is the main speaker. Files get the name of their source and ``-turns``; their ``texts`` are
        what each recording was to say.
        """
        found = [conversation for _, data in self.sets for conversation in _conversations(data, turns)]
        if not found:
            raise AudiolmError("no two speakers of one file with transcripts; leave 'turns' out of --modes")
        found = _spread(found, count)
        words = []
        for _, said in found:
            spoken = [(speaker == 0, word) for speaker, text in said for word in text.split()]
            pieces = [self.tokenizer.encode_word(word) for _, word in spoken]
            words.append(with_marks(pieces, turn_marks([is_main for is_main, _ in spoken], self.tokenizer.specials)))
        items = []
        for (source, said), grid in zip(found, speak(self.model, words, drawing, pacing, both=True), strict=True):
            file = f"{source}-turns"
            item = self._conversation(file, grid, {"mode": "turns", "source": source, **_drawn(drawing)})
            item.meta["texts"] = {
                reco: " ".join(text for speaker, text in said if speaker == number)
                for number, reco in enumerate(item.recos)
            }
            items.append(item)
        return items

    def _conversation(self, file: str, grid: np.ndarray, meta: dict) -> Item:
        """Channels: the speakers that have codes."""
        speakers = 1 if (grid[self.layout.user] == ABSENT).all() else 2
        return Item(file, [f"{file}-{c}" for c in "AB"[:speakers]], list("AB"[:speakers]), grid, meta=meta)


def word_initial(tokenizer: Tokenizer, text_vocab: int) -> np.ndarray:
    """Which ids begin a word, bool [text_vocab]; ids that the tokenizer does not have begin none."""
    initial = np.zeros(text_vocab, dtype=bool)
    initial[: tokenizer.vocab_size] = [tokenizer.starts_word(i) for i in range(tokenizer.vocab_size)]
    return initial


def _conversations(data: DataDir, turns: int) -> list[tuple[str, list[tuple[int, str]]]]:
    """Files of two recordings, each with its first ``turns`` turns: (0 for who begins or 1, all that is said)."""
    partners = data.partners()
    said: dict[str, list[tuple[str, str]]] = {}
    for utt in sorted(filter(data.text.get, data.utts), key=lambda utt: data.place(utt).start):
        if (reco := data.place(utt).reco) not in partners:
            continue
        conversation = said.setdefault(data.file_and_channel(reco)[0], [])
        if conversation and conversation[-1][0] == reco:
            conversation[-1] = (reco, f"{conversation[-1][1]} {data.text[utt]}")
        else:
            conversation.append((reco, data.text[utt]))
    return [
        (file, [(int(reco != conversation[0][0]), text) for reco, text in conversation[:turns]])
        for file, conversation in sorted(said.items())
        if len(conversation) > 1
    ]


def _marked_words(text: np.ndarray, word_initial: np.ndarray, specials: Specials) -> list[list[int]]:
    """Pieces of each word of a stream, the BOS or EOS before it among them."""
    words = read_text(text, word_initial, specials)
    before = [text[max(word.frame - 1, 0)] for word in words]
    return [
        [int(mark), *word.pieces] if specials.are_marks(mark) else word.pieces
        for mark, word in zip(before, words, strict=True)
    ]


def _spread(items: list[T], count: int) -> list[T]:
    """``count`` of the items, evenly spread; all where count is 0 or more than there are."""
    if not 0 < count < len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]


def _drawn(drawing: Drawing) -> dict:
    return {
        "temperature": drawing.codes.temperature,
        "text_temperature": drawing.text.temperature,
        "top_k": drawing.codes.top_k,
        "top_p": drawing.codes.top_p,
        "guidance": drawing.guidance,
        "acoustic_temperature": (drawing.acoustic or drawing.codes).temperature,
        "seed": drawing.seed,
        "repetition": drawing.repetition and asdict(drawing.repetition),
        "silence": drawing.silence and asdict(drawing.silence),
    }
