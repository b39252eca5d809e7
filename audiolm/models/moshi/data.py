"""Training windows from token archives: task drawn, speakers told apart, streams delayed, parts masked."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import Frequent
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.streams.delays import delay
from audiolm.streams.grid import ABSENT, GridLayout, build_grid
from audiolm.streams.pauses import shorten_pauses, sounding
from audiolm.streams.text import has_turns, own_turns
from audiolm.train.randomness import Key
from audiolm.train.system import Examples

WORD = 0.5  # seconds from a word's start that are counted as its sound


@dataclass
class MixConfig:
    """How one task's sequences are drawn in a phase.

    Attributes:
        weight: share of the sequences, relative to the other tasks'.
        text_weight: weight of their text loss beside that of the codes (paper: 1).
        text_mask: share of them without text (Moshi's pretraining: 0.3).
        text_shift: their text is moved against the sound by a draw from ± so many seconds, of which the model is told
            nothing (Moshi's pretraining: 0.6).
        user_mask: share of them without the user's streams.
        own_input_mask: share of frames whose codes of the main speaker are hidden from the input, and still predicted
            (not in the paper: it makes a small TTS model look at its text instead of going on from its own sound); of
            both speakers, where the text holds both speakers' words.
        depth_fraction: share of frames on which the depth transformer is trained (1 in the paper). It is most of the
            cost of small models, and where codes are given, as in recognition, little depends on it.
        depth_speech: how many times likelier those are to be frames of the main speaker's words than others (1 in the
            paper). In a dialogue a speaker is silent most of the time, and silence is soon learnt.
        pause: longest pause in frames (not in the paper). In sequences without the user, longer pauses of the main
            speaker are cut to this length. Where the text holds both speakers' words, pauses of both are cut. 0 = no
            pause is cut.
    """

    weight: float = 1.0
    text_weight: float = 1.0
    text_mask: float = 0.0
    text_shift: float = 0.0
    user_mask: float = 0.0
    own_input_mask: float = 0.0
    depth_fraction: float = 1.0
    depth_speech: float = 1.0
    pause: int = 0

    def __post_init__(self):
        for name in ("text_mask", "user_mask", "own_input_mask", "depth_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise AudiolmError(f"{name}: found {getattr(self, name)}, expected a share from 0 to 1")
        for name in ("weight", "text_shift", "depth_speech", "pause"):
            if getattr(self, name) < 0:
                raise AudiolmError(f"{name}: found {getattr(self, name)}, expected a number of at least 0")


@dataclass
class TextBatchConfig:
    """Batches of text alone, which keep a language model's knowledge while it learns audio (Moshi, section 4.1).

    They train the backbone by the optimizer ``text``, whose state is its own.

    Attributes:
        share: of the steps, evenly among those of audio (Moshi: 0.5 in pretraining, 0.1 in post-training); 0 = none.
        corpus: ``dialogues`` or ``documents``, as of a text LM (:class:`audiolm.models.textlm.system.TextLMConfig`).
        train: sets' directories with its archive; None = those of the audio.
        tokens: length of a sequence (Helium: 4096).
    """

    share: float = 0.0
    corpus: Literal["dialogues", "documents"] = "dialogues"
    train: str | list[str] | None = None
    tokens: int = 512

    def __post_init__(self):
        if not 0 <= self.share < 1:
            raise AudiolmError(f"share: found {self.share}, expected a share of the steps from 0 to less than 1")
        if self.tokens < 1:
            raise AudiolmError(f"tokens: found {self.tokens}, expected a number of at least 1")


@dataclass
class DataConfig:
    """Where tokens are and how they are cut.

    Attributes:
        train, valid: sets' directories, which hold the archives ``codes`` and ``text`` and the data directory ``audio``
            (``dump/<set>``); ``train`` may be a list of them.
        weights: share of the sequences that each set of ``train`` gives, relative to the others'; None = every window
            of every set is as likely.
        text: batches of text alone.
        heard: the user's codes are those of the training sets' archive ``heard`` (``audiolm codes --heard``): a voice
            on a call (Moshi's instruction tuning).
        frames: length of a training sequence.
        turns: whether the texts hold both speakers' words (``audiolm text --turns``); null: training looks, and keeps
            what it finds in config.yaml.
        valid_windows: number of sequences to validate on, spread over the validation set.
        mix: how the tasks are drawn; a task that is not named is not trained.
    """

    train: str | list[str] = "dump/train"
    valid: str = "dump/dev"
    weights: list[float] | None = None
    text: TextBatchConfig = field(default_factory=TextBatchConfig)
    heard: bool = False
    frames: int = 250
    turns: bool | None = None
    valid_windows: int = 64
    mix: dict[str, MixConfig] = field(default_factory=dict)

    def __post_init__(self):
        if not self.sets:
            raise AudiolmError("train: found an empty list, expected one set's directory or more")
        if self.weights is None:
            return
        if len(self.weights) != len(self.sets):
            raise AudiolmError(
                f"weights: found {len(self.weights)} numbers for {len(self.sets)} sets of train, expected one each"
            )
        if not all(weight > 0 for weight in self.weights):
            raise AudiolmError(f"weights: found {self.weights}, expected numbers above 0; leave a set out of train")

    @property
    def sets(self) -> list[str]:
        """Directories of the training sets."""
        return as_list(self.train)


def as_list(directories: str | list[str]) -> list[str]:
    """One directory or several, as a list."""
    return [directories] if isinstance(directories, str) else directories


def holds_turns(text: TokenReader) -> bool:
    """Whether the streams of an archive hold both speakers' words: one of the first hundred tells."""
    return any(has_turns(text.read(key)[:, 0], text.meta.specials) for key in text.keys()[:100])


class Recordings:
    """Codes and text of one set's recordings, and who talks with whom.

    Args:
        directory: of the set, ``dump/<set>``.
        layout: the model's.
        codec, tokenizer: checksums of those in use; None = any.
        heard: take the user's codes from the archive ``heard``.

    Raises:
        AudiolmError: the archives' vocabularies or frame rates do not fit the model or each other, or another codec or
            tokenizer made them.
    """

    def __init__(
        self,
        directory: str | Path,
        layout: GridLayout,
        codec: str | None = None,
        tokenizer: str | None = None,
        heard: bool = False,
    ):
        directory = Path(directory)
        self.layout = layout
        self.codes = TokenReader(directory / "codes", "codes", codec)
        self.text = TokenReader(directory / "text", "text", tokenizer)
        self.user_codes = TokenReader(directory / "heard", "heard", self.codes.meta.source) if heard else self.codes
        if self.codes.meta.vocab_sizes != (layout.codebook_size,) * layout.levels:
            raise AudiolmError(
                f"{self.codes.directory}: codes of {list(self.codes.meta.vocab_sizes)} ids, the model expects "
                f"{layout.levels} levels of {layout.codebook_size}; set model.levels and model.codebook_size"
            )
        if self.text.meta.vocab_sizes[0] > layout.text_vocab:
            raise AudiolmError(
                f"{self.text.directory}: text of {self.text.meta.vocab_sizes[0]} ids, the model has "
                f"{layout.text_vocab}; raise model.text_vocab"
            )
        if self.text.meta.specials != layout.specials:
            raise AudiolmError(
                f"{self.text.directory}: EPAD, BOS, EOS, PAD are {list(self.text.meta.specials)}, the model has "
                f"{list(layout.specials)}; set model.specials to those of the text"
            )
        if self.codes.meta.frame_rate != self.text.meta.frame_rate:
            raise AudiolmError(
                f"{directory}: codes have {self.codes.meta.frame_rate} frames a second, text "
                f"{self.text.meta.frame_rate}; write the text again at the codec's rate"
            )
        self.keys = self.codes.keys()
        self.users = DataDir.read(directory / "audio").partners(self.keys) if layout.speakers == 2 else {}

    @cached_property
    def turns(self) -> bool:
        """Whether the texts hold both speakers' words (:func:`holds_turns`)."""
        return holds_turns(self.text)

    def claim(self, model: MoshiModel) -> None:
        """Mark the model as one of these tokens, or check that it is (:class:`audiolm.lm.stamp.Stamp`)."""
        model.codec.claim(self.codes.meta.source, "codec")
        model.backbone.tokenizer.claim(self.text.meta.source, "tokenizer")

    def num_frames(self, key: str) -> int:
        """Frames of a recording."""
        return self.codes.num_frames(key)

    def grid(self, key: str, start: int, end: int, text: bool = True, user: bool = True) -> np.ndarray:
        """Frames ``start`` to ``end`` of the conversation as recording ``key``'s speaker lives it.

        Frames beyond the recording are absent, as are text where its alignment was rejected, and a user where the
        recording has no second channel. Of text that holds both speakers' words, an absent user's are left out.

        Returns:
            int64 [streams, end - start].

        Raises:
            AudiolmError: codes and text, or the two speakers' codes, differ in length.
        """
        frames = self.num_frames(key)
        partner = self.users.get(key) if user else None
        has_text = text and key in self.text
        for name, other, length in (
            ("text", has_text, lambda: self.text.num_frames(key)),
            (f"codes of '{partner}'", partner, lambda: self.user_codes.num_frames(partner)),
        ):
            if other and length() != frames:
                raise AudiolmError(
                    f"{self.codes.directory}: '{key}' has {frames} frames of codes, its {name} {length()}; "
                    "write both again from the same audio"
                )
        last = min(end, frames)
        words = self.text.read(key, start, last)[:, 0] if has_text else None
        grid = build_grid(
            self.layout,
            own_turns(words, self.layout.specials) if has_text and not partner else words,
            self.codes.read(key, start, last),
            self.user_codes.read(partner, start, last) if partner else None,
        )
        return np.pad(grid, ((0, 0), (0, end - last)), constant_values=ABSENT)


def delayed_input(layout: GridLayout, grid: np.ndarray, delays: list[int]) -> np.ndarray:
    """The sequence that the model sees: a frame of start tokens, then the delayed grid.

    A stream's start token also stands in the frames before its delay has passed; a stream that is absent from the whole
    grid has none. Frames at the end, of streams that are shifted less than others, are absent.

    Args:
        grid: [S, T].

    Returns:
        [S, 1 + T + max(delays)].
    """
    starts = np.where((grid != ABSENT).any(axis=1), layout.vocab_sizes, ABSENT)
    delayed, _ = delay(grid, delays)
    before = np.arange(delayed.shape[1]) < np.asarray(delays)[:, None]
    return np.concatenate((starts[:, None], np.where(before, starts[:, None], delayed)), axis=1)


class Windows(Examples):
    """Windows of ``config.frames`` frames of one set; an epoch takes each part of each recording about once.

    A recording of F frames is cut into ⌈F / frames⌉ windows, each moved at random by up to half its length, and on to
    the next frame between two words of the main speaker. Windows that meet a frequent segment (audiolm.data.duplicates)
    are left out, or not moved where only the move meets one. A window whose pauses are cut is read from `SPAN` times as
    many frames.
    """

    SPAN = 2

    def __init__(self, directory: str | Path, config: DataConfig, model: ModelConfig):
        self.config, self.model = config, model
        self.recordings = Recordings(directory, model.layout, heard=config.heard)
        self.frequent = Frequent(Path(directory) / "audio")
        self.tasks = sorted(name for name, mix in config.mix.items() if mix.weight > 0)
        weights = np.array([config.mix[name].weight for name in self.tasks])
        self.shares = np.cumsum(weights) / weights.sum()
        # The longest delay is part of a recording: with its sound over, delayed text still comes.
        self.tail = max(max(model.delays(name)) for name in self.tasks)
        self.frame_rate = self.recordings.codes.meta.frame_rate
        self.word = round(WORD * self.frame_rate)
        self.windows = [
            (key, start)
            for key in self.recordings.keys
            for start in range(0, self.recordings.num_frames(key), config.frames)
            if not self._frequent(key, self._clip(key, start))
        ]
        if not self.windows:
            raise AudiolmError(f"every window of {directory} meets a frequent segment: shorten data.frames")

    def _clip(self, name: str, start: int, span: int = 1) -> int:
        """The nearest place in a recording at which a window may begin that is read from ``span`` times its frames."""
        latest = max(0, self.recordings.num_frames(name) + self.tail - span * self.config.frames)
        return min(max(start, 0), latest, self.recordings.num_frames(name) - 1)

    def _frequent(self, name: str, start: int, span: int = 1) -> bool:
        rate, partner = self.frame_rate, self.recordings.users.get(name)
        times = start / rate, (start + span * self.config.frames) / rate
        return self.frequent.meets(name, *times) or (partner is not None and self.frequent.meets(partner, *times))

    def _between_words(self, name: str, start: int) -> int:
        """The first frame from ``start`` on that is not inside a word: a window whose first sound has no text would
        teach to speak before there is any.
        """
        if name not in self.recordings.text:
            return start
        before, end = min(start, self.word - 1), min(start + self.word, self.recordings.num_frames(name))
        text = self.recordings.text.read(name, start - before, end)[:, 0]
        pieces = self.model.layout.specials.are_pieces(text)
        inside = sounding(text, self.word, self.model.text_vocab, self.model.layout.specials) & ~pieces
        return self._clip(name, start + int(np.argmin(inside[before:])))

    def __call__(self, key: Key) -> dict[str, np.ndarray]:
        """:func:`window_example`'s tokens and task; ``text_weight``; ``hidden``, bool [speakers, frames]: input frames
        where a speaker's codes are not shown; ``depth_frames``, bool [frames]: those that train the depth transformer.
        """
        name, start = self.windows[key.item(len(self.windows))]
        task = self.tasks[int(np.searchsorted(self.shares, key.rng("task").random(), side="right"))]
        mix, frames, specials = self.config.mix[task], self.config.frames, self.model.layout.specials
        masks = key.rng("masks").random(2)
        text, user = masks[0] >= mix.text_mask, masks[1] >= mix.user_mask
        cut = mix.pause and (not user or self.recordings.turns)
        span, pause = (self.SPAN, mix.pause) if cut else (1, 0)
        moved = self._clip(name, start + int(key.rng("crop").integers(-frames // 2, frames // 2 + 1)), span)
        moved = self._between_words(name, moved)
        if self._frequent(name, moved, span):
            moved, span, pause = self._clip(name, start), 1, 0
        grid = self.recordings.grid(name, moved, moved + span * frames, user=user)
        if pause:
            grid = shorten_pauses(grid, self.word, pause, self.model.text_vocab, specials)[:, :frames]
            grid = np.pad(grid, ((0, 0), (0, frames - grid.shape[1])), constant_values=ABSENT)
        turns = has_turns(grid[0], specials)
        sound = sounding(grid[0], self.word, self.model.text_vocab, specials)
        sound = np.pad(sound, (self.model.delays(task)[1], 0))[:frames]
        if not text:
            grid[0] = ABSENT
        elif mix.text_shift:
            most = round(mix.text_shift * self.frame_rate)
            grid[0] = shifted(grid[0], int(key.rng("text shift").integers(-most, most + 1)))
        example = delayed_example(self.model, task, grid)
        hidden = np.zeros((self.model.speakers, frames), dtype=bool)
        hidden[: 1 + turns] = key.rng("own input").random(frames) < mix.own_input_mask
        hidden[:, 0] = False  # the start token is no sound
        # The n largest of u^(1/w) are a draw of n without replacement, weighted by w (Efraimidis and Spirakis 2006).
        races = key.rng("depth frames").random(frames) ** np.where(sound, 1 / mix.depth_speech, 1.0)
        depth_frames = races.argsort().argsort() >= frames - round(mix.depth_fraction * frames)
        text_weight = np.float32(mix.text_weight)
        return {**example, "text_weight": text_weight, "hidden": hidden, "depth_frames": depth_frames}


def shifted(row: np.ndarray, frames: int) -> np.ndarray:
    """One stream [T] so many frames later (negative: earlier); where that leaves nothing to read it is absent."""
    moved = np.full_like(row, ABSENT)
    count = max(0, len(row) - abs(frames))
    moved[max(frames, 0) :][:count] = row[max(-frames, 0) :][:count]
    return moved


def window_example(
    recordings: Recordings,
    model: ModelConfig,
    task: str,
    key: str,
    start: int,
    frames: int,
    text: bool = True,
    user: bool = True,
) -> dict[str, np.ndarray]:
    """One delayed sequence of a recording's frames from ``start`` on (:func:`delayed_example`)."""
    return delayed_example(model, task, recordings.grid(key, start, start + frames, text, user))


def delayed_example(model: ModelConfig, task: str, grid: np.ndarray) -> dict[str, np.ndarray]:
    """A grid [S, frames] as a model is trained on it.

    Returns:
        ``tokens`` int64 [S, 1 + frames] (:func:`delayed_input`) and ``task``, the row of its embedding.
    """
    tokens = delayed_input(model.layout, grid, model.delays(task))[:, : 1 + grid.shape[1]]
    return {"tokens": tokens, "task": np.int64(model.task_index(task))}


def validation_examples(config: DataConfig, model: ModelConfig) -> dict[str, list[dict[str, np.ndarray]]]:
    """For each task trained, ``valid_windows`` windows spread evenly over the validation set, nothing masked.

    Only the text of a task that is never shown any is left out here too.
    """
    recordings = Recordings(config.valid, model.layout)
    windows = [
        (key, start)
        for key in recordings.keys
        for start in range(0, max(1, recordings.num_frames(key) - config.frames // 2), config.frames)
    ]
    picked = [windows[i] for i in np.unique(np.linspace(0, len(windows) - 1, config.valid_windows).astype(int))]
    return {
        task: [
            window_example(recordings, model, task, key, start, config.frames, text=mix.text_mask < 1)
            for key, start in picked
        ]
        for task, mix in sorted(config.mix.items())
        if mix.weight > 0
    }


def stack(examples: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Examples -> a batch with one more axis in front."""
    return {name: torch.from_numpy(np.stack([example[name] for example in examples])) for name in examples[0]}
