"""What a foreign layout of dialogue LMs must offer, and loading and saving by it."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiolm.codec.model import Codec
from audiolm.data.files import temporary
from audiolm.errors import AudiolmError
from audiolm.interchange import layout as interchange
from audiolm.interchange.rules import Tensors, save_state
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.checkpoint import save_tensors

CONFIG = "config.json"


class Layout(interchange.Layout[ModelConfig]):
    """A foreign layout of dialogue LMs."""

    @abstractmethod
    def is_in(self, folder: Path) -> bool:
        """Whether a folder is in this layout."""

    @abstractmethod
    def read_config(self, folder: Path) -> dict[str, Any]:
        """Their config.

        Raises:
            AudiolmError: there is none.
        """

    @abstractmethod
    def read_tensors(self, folder: Path, theirs: Mapping[str, Any]) -> Tensors:
        """Their tensors, float32, under the names that `rules` knows.

        Raises:
            AudiolmError: missing or damaged files.
        """

    @abstractmethod
    def tokenizer(self, folder: Path, theirs: Mapping[str, Any]) -> Path | None:
        """The file of the tokenizer that the model was trained with, where it is there."""

    def compare(self, config: ModelConfig) -> ModelConfig:
        return normal(config)

    @abstractmethod
    def save(self, model: MoshiModel, codec: Codec, tokenizer: Tokenizer, out: Path) -> str:
        """Write a model, its codec and its tokenizer into the folder ``out``; return how the other project loads them.

        Raises:
            AudiolmError: one of them does not fit this layout (the first differing keys are told).
        """

    def load(self, folder: Path) -> MoshiModel:
        """The model that a folder holds, in evaluation mode; it knows its tokenizer where that is there too.

        Raises:
            AudiolmError: damaged files, a config that does not fit our models, other tensors than the config says.
        """
        with interchange.blamed(folder, "model"):
            theirs = self.read_config(folder)
            config = self.load_config(theirs)
            found = self.read_tensors(folder, theirs)
            with unallocated():  # only shapes: random weights would take longer than reading the file
                model = MoshiModel(config)
            kept = {name: tensor for name, tensor in model.state_dict().items() if not tensor.is_meta}
            interchange.fill(model, self.rules(config), found, kept)
        if file := self.tokenizer(folder, theirs):
            model.backbone.tokenizer.claim(Tokenizer.load(file).checksum, "tokenizer")
        return model.eval()

    def tensors(self, model: MoshiModel) -> Tensors:
        """A model's tensors under their names, on the CPU."""
        own = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        return save_state(self.rules(model.config), own)

    def check(self, config: ModelConfig) -> dict[str, Any]:
        """Their config of a model; whatever it could not say would come back as something else.

        Raises:
            AudiolmError: the model does not fit this layout (the first differing keys are told).
        """
        if len(config.tasks) > 1:
            tasks = ", ".join(sorted(config.tasks))
            raise AudiolmError(f"{self.what} has one delay pattern; this model has {tasks}: name one (--task)")
        if config.specials is not None:
            raise AudiolmError(
                f"{self.what} takes a SentencePiece model whose EPAD, BOS, EOS and PAD are 0, 1, 2, 3; those of this "
                f"model's text are {config.specials}: keep it in our own layout"
            )
        if config.depth is None:
            raise AudiolmError(f"{self.what} has a depth transformer, this model has none")
        theirs = self.save_config(config)
        if lost := self.lost(config, theirs, ("dropout",), "model."):
            raise AudiolmError(f"this model does not fit {self.what}: {lost}")
        return theirs


@contextmanager
def unallocated() -> Iterator[None]:
    """Modules made here have their parameters on the meta device, without memory, and their buffers as ever."""
    register = nn.Module.register_parameter

    def register_on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(module, name, None if parameter is None else nn.Parameter(parameter.detach().to("meta")))

    nn.Module.register_parameter = register_on_meta
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def normal(config: ModelConfig) -> ModelConfig:
    """A config of one task, with one way to say what can be said in several."""
    temporal, depth = config.temporal, config.depth
    kv_heads = None if temporal.kv_heads == temporal.heads else temporal.kv_heads
    eps = None if temporal.norm_eps == {"rms": 1e-8, "layer": 1e-5}[temporal.norm] else temporal.norm_eps
    if depth is not None and depth.schedule == list(range(config.predicted_levels)):
        depth = replace(depth, schedule=None)
    return replace(
        config,
        predict="main" if config.speakers == 1 else config.predict,
        temporal=replace(temporal, kv_heads=kv_heads, norm_eps=eps),
        depth=depth,
        tasks=one_task(config.delays(next(iter(config.tasks))), config.levels),
    )


def one_task(delays: Sequence[int], levels: int) -> dict[str, TaskConfig]:
    """The task of a delay pattern, one number a stream, under a name that says what its model is for.

    Raises:
        AudiolmError: the speakers' patterns differ.
    """
    text, audio = delays[0], list(delays[1 : 1 + levels])
    if list(delays[1:]) != audio * ((len(delays) - 1) // levels):
        raise AudiolmError(f"delays {list(delays)} are not supported: those of both speakers' levels must be the same")
    kind = "dialogue" if text == audio[0] else "asr" if text > audio[0] else "tts"
    if text == 0:
        text = -min(audio)
        audio = [frames + text for frames in audio]
    if audio[0] == 0 and len(set(audio[1:])) <= 1:
        return {kind: TaskConfig(text, acoustic_delay=audio[-1])}
    return {kind: TaskConfig(text, delays=audio)}


def join_tables(*tables: Tensor) -> list[Tensor]:
    """Embedding tables of streams [V + 1, dim] each -> one matrix, with a last row of zeros for what is absent."""
    return [torch.cat([*tables, tables[0].new_zeros(1, tables[0].shape[1])])]


def split_tables(joined: Tensor) -> list[Tensor]:
    """One stream's table; the inverse of `join_tables`."""
    return [joined[:-1]]


def level_matrices(*matrices: Tensor) -> list[Tensor]:
    """One matrix [outputs, inputs] a level -> [K, inputs, outputs]."""
    return [torch.stack(matrices).mT.contiguous()]


def matrix_a_level(weight: Tensor) -> list[Tensor]:
    """The inverse of `level_matrices`."""
    return list(weight.mT)


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a safetensors file as every tool reads it, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(tensors, temporary(path), {"format": "pt"})
    temporary(path).replace(path)
