"""Training of Moshi's model: ``system: moshi``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiolm.codec.load import load_codec
from audiolm.data.tokens import TokenReader, read_meta
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.lm.backbone import Backbone
from audiolm.lm.base import LMSystem, copy_weights, text_nats
from audiolm.lm.documents import found_specials
from audiolm.lm.lora import LoraConfig, add_lora, lora_state, merged_state
from audiolm.lm.loss import head_losses
from audiolm.lm.start import load_backbone
from audiolm.models.moshi.batches import Corpora, TextOnly
from audiolm.models.moshi.codec_init import embed_like_codec
from audiolm.models.moshi.data import DataConfig, Recordings, as_list, holds_turns, stack, validation_examples
from audiolm.models.moshi.loss import LossConfig, codes_loss, level_weights, text_loss
from audiolm.models.moshi.model import ModelConfig, MoshiModel
from audiolm.models.moshi.start import read_start
from audiolm.streams.grid import ABSENT
from audiolm.train.checkpoint import checksum
from audiolm.train.config import OptimizerConfig
from audiolm.train.memory import layers_bytes
from audiolm.train.mixing import StepTurns
from audiolm.train.ranks import mean_ranks
from audiolm.train.system import Examples, decay_matrices


@dataclass
class MoshiConfig:
    """A training phase of the dialogue language model.

    Attributes:
        model: streams, shape, tasks.
        data: archives, windows, masks.
        loss: weights.
        depth_lr_scale: learning rate of the depth transformer, relative to the temporal one's (Moshi: 2e-4 / 3e-5 in
            pretraining, 5e-5 / 3e-6 in post-training).
        text_lr_scale: the same of text embedding and head (Moshi's pretraining: 0.75), in batches of audio.
        codec_init: experiment directory of a codec from whose codebooks the embeddings of codes start, where ``init``
            gives none (not in the paper); None = at random.
        new_tokenizer: the text to train on may be of another tokenizer than the weights of ``init``: then the
            embeddings and the head of its words start anew.
        lora: train low-rank matrices alone, beside weights that stay; None = train all.
    """

    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    depth_lr_scale: float = 1.0
    text_lr_scale: float = 1.0
    codec_init: str | None = None
    new_tokenizer: bool = False
    lora: LoraConfig | None = None

    def __post_init__(self):
        if not any(mix.weight > 0 for mix in self.data.mix.values()):
            raise AudiolmError(f"data.mix: no task to train; give one of {', '.join(self.model.tasks)} a weight")
        for task in self.data.mix:
            if task not in self.model.tasks:
                raise AudiolmError(f"data.mix: unknown task '{task}'{did_you_mean(task, self.model.tasks)}")
            longest = max(self.model.delays(task))
            if longest >= self.data.frames:
                raise AudiolmError(
                    f"data.frames: a window of {self.data.frames} frames, but task '{task}' delays a stream by "
                    f"{longest}; make the window longer or the delay shorter"
                )


class MoshiSystem(LMSystem):
    """Temporal and depth transformer on windows of token archives.

    ``data.text`` adds batches of text alone, which the optimizer ``text`` takes; all others are ``main``'s.
    """

    config_class = MoshiConfig
    found_keys = frozenset({"data.turns", "model.specials"})
    optimizers = {"main": OptimizerConfig(weight_decay=0.1), "text": OptimizerConfig(weight_decay=0.1)}

    def __init__(self, config: MoshiConfig):
        super().__init__(config)
        if config.model.specials is None:
            config.model.specials = found_specials(config.data.sets, "text")
        self.model = MoshiModel(config.model)
        if config.codec_init is not None:
            embed_like_codec(self.model, load_codec(config.codec_init))
        if config.lora is not None:
            add_lora(self.model, config.lora, ("backbone.transformer.", "depth.layers."))
        alphas = level_weights(config.model.levels, config.model.predicted_levels, config.loss)
        self.register_buffer("alphas", alphas, persistent=False)

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        model, backbone = self.model, self.model.backbone
        text = [backbone.text_embedding, backbone.text_head]
        others = [backbone.norm, model.audio_embedding]
        others += [module for module in (model.hold_embedding, model.task_embedding) if module is not None]
        depth_ends = [part for name, part in model.depth.named_children() if name != "layers"]
        groups = [
            *decay_matrices(backbone.transformer, hidden=True),
            *decay_matrices(*others),
            *decay_matrices(*text, lr_scale=self.config.text_lr_scale),
            *decay_matrices(model.depth.layers, lr_scale=self.config.depth_lr_scale, hidden=True),
            *decay_matrices(*depth_ends, lr_scale=self.config.depth_lr_scale),
        ]
        if not self.config.data.text.share:
            return {"main": groups}
        text_groups = [
            *decay_matrices(backbone.transformer, hidden=True),
            *decay_matrices(backbone.text_embedding, backbone.norm, backbone.text_head),
        ]
        return {"main": groups, "text": text_groups}

    @classmethod
    def skeleton(cls, config: MoshiConfig) -> "MoshiSystem":
        with torch.device("meta"):
            return cls(replace(config, codec_init=None))

    def activation_bytes(self, examples: int, checkpointing: bool, bf16: bool) -> int:
        """Of the layers of both transformers; the depth transformer has so many positions as it predicts codes."""
        config = self.config
        mixes = [mix for mix in config.data.mix.values() if mix.weight > 0]
        trained = sum(mix.weight * mix.depth_fraction for mix in mixes) / sum(mix.weight for mix in mixes)
        frames = examples * config.data.frames
        codes = int(frames * trained) * config.model.predicted_levels
        shapes = [(config.model.temporal, frames), (config.model.depth, codes)]
        return layers_bytes([pair for pair in shapes if pair[0] is not None], checkpointing, bf16)

    @property
    def trunk(self) -> Backbone:
        return self.model.backbone

    def recomputed(self) -> list[nn.Module]:
        # The depth transformer is no block: how often it is called depends on who speaks in a rank's batch.
        return [*self.blocks(), *self.model.depth.layers]

    def found(self) -> dict[str, Any]:
        """Whether the model learns to speak for both speakers: what ``audiolm say --turns`` asks for."""
        data, found = self.config.data, {"model.specials": self.config.model.specials}
        if data.turns is not None:
            return found
        return {**found, "data.turns": any(holds_turns(TokenReader(Path(set) / "text", "text")) for set in data.sets)}

    def examples(self) -> Examples:
        data, model = self.config.data, self.config.model
        corpora = Corpora(data, model)
        codes, codec = corpora.sets[0].recordings.codes, self.config.codec_init
        if codec is not None and checksum(codec) != codes.meta.source:
            raise AudiolmError(
                f"codec_init: {codec} is another codec than the one that made {codes.directory}; name that one, or run "
                "the stage that writes 'codes' again"
            )
        for recordings in (corpora.sets[0].recordings, Recordings(data.valid, model.layout)):
            recordings.claim(self.model)
        if not data.text.share:
            return corpora
        directories = data.sets if data.text.train is None else as_list(data.text.train)
        text = TextOnly(directories, data.text, model.text_vocab)
        text.claim(self.model)
        return StepTurns([corpora, text], [1 - data.text.share, data.text.share])

    def losses(self, batch: dict[str, Tensor], step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """CE(text) + Σₖ αₖ CE(codesₖ) / Σₖ αₖ.

        Args:
            batch: a batch of :class:`audiolm.models.moshi.data.Windows`: ``tokens`` int64 [B, S, 1 + T], ``task`` int64
                [B], ``text_weight`` [B], ``hidden`` bool [B, speakers, T], ``depth_frames`` bool [B, T]; or of text
                alone, ``text`` int64 [B, 1 + N].
        """
        if "text" in batch:
            return self._text_losses(batch["text"])
        tokens = batch["tokens"]
        inputs, targets = tokens[:, :, :-1].clone(), tokens[:, :, 1:]
        codes = inputs[:, 1:].unflatten(1, (self.config.model.speakers, self.config.model.levels))
        codes.masked_fill_(batch["hidden"][:, :, None], ABSENT)
        states = self.model(inputs, batch["task"])  # [B, T, dim]
        text_head, scale = self.model.backbone.text_head.weight, batch["text_weight"][:, None]
        text = text_loss(states, text_head, targets[:, 0], self.config.loss, scale, self.config.model.layout.specials)

        trained = batch["depth_frames"]
        parts = self._code_states(states[trained], targets.transpose(1, 2)[trained])
        codes = codes_loss(parts, self.model.depth.heads.weight, self.alphas)
        return {"main": text + codes}, {"text": text.detach(), "codes": codes.detach()}

    def _text_losses(self, tokens: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Cross entropy of text alone, in nats a token."""
        layout, corpus = self.config.model.layout, self.config.data.text.corpus
        nats, targets = text_nats(self.model.backbone, tokens, corpus, layout.specials)
        return {"text": nats / mean_ranks((targets != ABSENT).sum())}, {}

    def _code_states(self, states: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What the heads of codes see, [K, N, dim], and targets [K, N] of frames [N, S]; where nobody is there to
        answer, of the main speaker's levels alone.
        """
        model, layout = self.config.model, self.config.model.layout
        if model.predicted_levels == model.levels:
            return [(self.model.depth.hidden(states, frames), frames[:, layout.main].T)]
        answered = (frames[:, layout.user] != ABSENT).any(dim=1)
        return [
            (self.model.depth.hidden(states[rows], frames[rows], levels), frames[rows, 1 : 1 + levels].T)
            for rows, levels in ((answered, model.predicted_levels), (~answered, model.levels))
            if rows.any()
        ]

    def validation_batches(self) -> Iterable[tuple[str, dict[str, Tensor]]]:
        """(task, batch) for every task trained."""
        if not hasattr(self, "_validation"):
            self._validation = validation_examples(self.config.data, self.config.model)
        for task, examples in self._validation.items():
            for start in range(0, len(examples), 16):
                yield task, stack(examples[start : start + 16])

    def validate(self, batch: tuple[str, dict[str, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
        """``<task>/<stream>``: cross entropy of a stream in nats; ``loss``: their sum, weighted as in training."""
        task, tensors = batch
        sums, counts = stream_losses(self.model, tensors["tokens"], tensors["task"])
        names = self.config.model.layout.names
        metrics = {f"{task}/{names[s]}": (sums[s], counts[s]) for s in range(len(sums))}
        means = sums / counts.clamp(min=1)
        loss = means[0] + (means[1:] * self.alphas).sum() / self.alphas.sum()
        batch_size = tensors["task"].new_tensor(len(tensors["task"]), dtype=torch.float32)
        return {**metrics, "loss": (loss * batch_size, batch_size)}

    def export_state(self) -> dict[str, Tensor]:
        """The model's weights, low-rank matrices merged into those beside which they were trained."""
        return merged_state(self.model)

    def export_parts(self) -> dict[str, dict[str, Tensor]]:
        """``lora.safetensors``: the low-rank matrices by themselves, where there are."""
        lora = lora_state(self.model)
        return {"lora.safetensors": lora} if lora else {}

    def read_init(self, name: str) -> Mapping[str, Tensor]:
        tokenizer = self.tokenizer() if self.config.new_tokenizer else None
        return read_start(name, self.model, tokenizer)

    def tokenizer(self) -> str:
        """Checksum of the tokenizer that made the text to train on."""
        return read_meta(Path(self.config.data.sets[0]) / "text", "text").source

    def load_init(self, state: Mapping[str, Tensor]) -> None:
        """Start from an earlier phase's weights, or from a text LM's: then all but the backbone stays random."""
        if all(name.startswith("backbone.") for name in state):
            load_backbone(self.model.backbone, state)
            return
        own = {name: tensor for name, tensor in self.model.state_dict().items() if name not in lora_state(self.model)}
        copy_weights(own, state)


def stream_losses(model: MoshiModel, tokens: Tensor, task: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy of every predicted stream, teacher-forced.

    Args:
        tokens: int64 [B, S, 1 + T] (:func:`audiolm.models.moshi.data.delayed_input`).
        task: int64 [B].

    Returns:
        Sums in nats and numbers of targets, float32 [1 + predicted levels]: text, then codes.
    """
    inputs, targets = tokens[:, :, :-1], tokens[:, :, 1:]
    states = model(inputs, task).flatten(0, 1)
    predicted = 1 + model.config.predicted_levels
    frames = targets.transpose(1, 2).flatten(0, 1)[:, :predicted]  # [B * T, 1 + K]
    one = states.new_ones(())
    text = head_losses(states[None], model.backbone.text_head.weight.T[None], frames[:, :1].T, one)
    codes = head_losses(model.depth.hidden(states, frames), model.depth.heads.weight, frames[:, 1:].T, one)
    vocab_sizes = torch.tensor(model.config.layout.vocab_sizes[:predicted], device=tokens.device)
    return torch.cat((text, codes)), ((frames >= 0) & (frames < vocab_sizes)).sum(dim=0).float()
