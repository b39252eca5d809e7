"""Moshi's model: a temporal transformer over frames and a depth transformer over the tokens of one frame."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.lm.backbone import Backbone
from audiolm.lm.depth import CodeHeads, DepthConfig, DepthTransformer
from audiolm.lm.embedding import StreamEmbedding
from audiolm.lm.prepared import prepared
from audiolm.lm.stamp import Stamp
from audiolm.models.moshi.hold import MAX_AGE, SPEAKERS, held_words
from audiolm.nn.packed import Precision
from audiolm.nn.transformer import TransformerCache, TransformerConfig
from audiolm.streams.delays import stream_delays
from audiolm.streams.grid import GridLayout
from audiolm.text.specials import Specials, check_specials


@dataclass
class TaskConfig:
    """A delay pattern that the model is trained for (Moshi, section 3.4.4 and appendix C).

    Attributes:
        text_delay: frames by which text is behind the audio: 0 for dialogue, 25 for Moshi's streaming ASR; negative =
            text ahead, -25 for its streaming TTS.
        acoustic_delay: frames by which codebook levels 2 … are behind the semantic level.
        delays: any other pattern instead: frames of each level of one speaker, the semantic one first, such as 0, 1, 2,
            3 … (MusicGen; Copet et al. 2023).
    """

    text_delay: int = 0
    acoustic_delay: int = 1
    delays: list[int] | None = None

    def level_delays(self, levels: int) -> list[int]:
        """Frames of delay of each of a speaker's ``levels``."""
        return [0] + [self.acoustic_delay] * (levels - 1) if self.delays is None else self.delays


@dataclass
class ModelConfig:
    """Streams and shape of the model.

    Attributes:
        text_vocab: ids of the text tokenizer, or more.
        levels: codebooks of one speaker.
        codebook_size: entries of each codebook.
        speakers: 2 = main speaker and user, 1 = main speaker only.
        predict: whose codes the depth transformer predicts; ``both`` can simulate dialogues.
        temporal, depth: shapes of the two transformers. Without a depth transformer (null), linear heads on the
            temporal state predict the codes of a frame independently of one another (an ablation of Moshi's table 5).
        tasks: the delay patterns, by name. With more than one, an embedding tells the model which (beyond the paper,
            whose models have one pattern each).
        text_hold: the input also shows the word that is being said, since when, and until when, where the paper's
            shows PAD (:mod:`audiolm.models.moshi.hold`; not in the paper: spares small models to look it up).
        specials: ids of EPAD, BOS, EOS and PAD in the text; null: those of the text to train on, which training finds
            and keeps in config.yaml where they are not 0, 1, 2, 3.
        turn_hold: it also shows whose turn it is, of text with both speakers' words (``audiolm text --turns``).
    """

    text_vocab: int
    levels: int = 8
    codebook_size: int = 2048
    speakers: Literal[1, 2] = 2
    predict: Literal["main", "both"] = "both"
    temporal: TransformerConfig = field(default_factory=TransformerConfig)
    depth: DepthConfig | None = field(default_factory=DepthConfig)
    tasks: dict[str, TaskConfig] = field(default_factory=lambda: {"dialogue": TaskConfig()})
    text_hold: bool = False
    turn_hold: bool = False
    specials: list[int] | None = None

    def __post_init__(self):
        if self.specials is not None and not check_specials(self.specials, self.text_vocab):
            raise AudiolmError(f"specials: found {self.specials}, expected four different ids below {self.text_vocab}")
        for name, task in self.tasks.items():
            delays = task.level_delays(self.levels)
            if len(delays) != self.levels or min(delays) < 0:
                raise AudiolmError(
                    f"tasks.{name}: delays {delays} of the levels, expected {self.levels} numbers of frames ≥ 0, one a "
                    "level of one speaker, the semantic one first"
                )
        if self.turn_hold and not self.text_hold:
            raise AudiolmError("turn_hold: true, but text_hold is false: set it to true too, or both to false")
        if not self.temporal.causal:
            raise AudiolmError("temporal.causal: false, but a frame is predicted from those before it; set it to true")
        if self.depth is not None:
            self.depth.sets(self.predicted_levels)

    @property
    def layout(self) -> GridLayout:
        specials = Specials.of(self.specials)
        return GridLayout(self.text_vocab, self.levels, self.codebook_size, self.speakers, specials)

    @property
    def predicted_levels(self) -> int:
        """Codes of one frame that the model predicts."""
        return self.levels * (self.speakers if self.predict == "both" else 1)

    def task_index(self, task: str) -> int:
        """Row of a task's embedding: tasks in the order of their names, so that their order in a file is no matter."""
        if task not in self.tasks:
            raise AudiolmError(f"the model has no task '{task}'{did_you_mean(task, self.tasks)}")
        return sorted(self.tasks).index(task)

    def hold_lag(self, task: str) -> int:
        """How many frames ago the text stream was where the audio to predict is now (0 where text is not ahead)."""
        text, semantic = self.delays(task)[:2]
        return max(semantic - text - 1, 0)

    def delays(self, task: str) -> list[int]:
        """Frames of delay of every stream of the grid."""
        self.task_index(task)
        pattern = self.tasks[task]
        return stream_delays(self.speakers, pattern.level_delays(self.levels), pattern.text_delay)


class MoshiModel(nn.Module):
    """Text and codes of all streams -> the next frame's text and codes, on delayed grids.

    Frame t of a delayed grid is predicted from frames before t: the temporal transformer's state gives the text logits;
    state, text token and the levels before it give each code's (without a depth transformer, the state alone does).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        dim = config.temporal.dim
        self.backbone = Backbone(config.text_vocab, config.temporal)
        self.audio_embedding = StreamEmbedding(config.layout.vocab_sizes[1:], dim)
        levels, entries = config.predicted_levels, config.codebook_size
        if config.depth is None:
            self.depth = CodeHeads(dim, levels, entries)
        else:
            self.depth = DepthTransformer(config.depth, dim, config.text_vocab, levels, entries)
        lags = [config.hold_lag(name) for name in sorted(config.tasks)]
        self.register_buffer("hold_lags", torch.tensor(lags), persistent=False)
        sizes = [config.text_vocab, 1 + MAX_AGE, 1 + max(lags)] + [SPEAKERS] * config.turn_hold
        self.hold_embedding = StreamEmbedding(sizes, dim) if config.text_hold else None
        self.task_embedding = StreamEmbedding([len(config.tasks)], dim) if len(config.tasks) > 1 else None
        self.codec = Stamp()

    def prepare(self, precision: Precision = "fp32") -> "MoshiModel":
        """This model for generation, with packed weights: on CPUs at a multiple of the speed (audiolm.lm.prepared)."""
        return prepared(self, precision)

    def forward(
        self, tokens: Tensor, task: Tensor, held: Tensor | None = None, cache: TransformerCache | None = None
    ) -> Tensor:
        """States from which frames 1 … T are predicted, [B, T, dim].

        Args:
            tokens: int64 [B, streams, T], delayed frames 0 … T - 1; -1 = absent, a vocabulary's size = start.
            task: int64 [B], rows by ``config.task_index``.
            held: int64 [B, T, 4], the word that is being said (see ``text_hold``), where the sequence began before
                this chunk; None = find it in ``tokens``.
            cache: for streaming.

        Raises:
            AudiolmError: another number of streams; on CPU also an id that its stream does not have (a GPU would have
                to wait for the answer).
        """
        self._check(tokens)
        x = self.backbone.embed_text(tokens[:, 0]) + self.audio_embedding(tokens[:, 1:].transpose(1, 2))
        if self.hold_embedding is not None:
            held = held_words(tokens[:, 0], self.hold_lags[task], self.config.layout.specials) if held is None else held
            x = x + self.hold_embedding(held[..., : 3 + self.config.turn_hold])
        if self.task_embedding is not None:
            x = x + self.task_embedding(task[:, None])[:, None]
        return self.backbone(x, cache)

    def _check(self, tokens: Tensor) -> None:
        layout = self.config.layout
        if tokens.ndim != 3 or tokens.shape[1] != layout.num_streams:
            raise AudiolmError(
                f"a grid of shape {list(tokens.shape)}, expected [batch, {layout.num_streams}, frames]: text, then "
                f"{layout.speakers} × {layout.levels} streams of codes; read it with the model's own config"
            )
        looked_at = tokens.device.type == "cpu" and not torch.compiler.is_compiling()
        if looked_at and (bad := layout.out_of_range(tokens.numpy(), start=True)):
            raise AudiolmError(
                f"{bad} (the last starts it) and -1 for absent; was the grid made for this model's codec and tokenizer?"
            )
