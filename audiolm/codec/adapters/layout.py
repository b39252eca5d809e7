"""What a foreign layout of codecs must offer, and loading and saving by it."""

import json
from abc import abstractmethod
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from audiolm.codec.model import Codec, CodecConfig
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError
from audiolm.interchange import layout as interchange
from audiolm.interchange.files import read_weights
from audiolm.interchange.rules import Tensors, save_state
from audiolm.nn.conv import fold_weight_norm, folded_state
from audiolm.train.checkpoint import unshared

# Keys of a codec's config that say how it is trained, not what it computes: other layouts do not hold them.
TRAINING = ("decay", "dead_after", "dropout", "dropout_levels", "unquantized", "norm")
OURS_HOLDS = "--to audiolm holds it; audiolm export --help says which codecs other layouts hold"


class Layout(interchange.Layout[CodecConfig]):
    """A foreign layout of codecs."""

    @abstractmethod
    def suits(self, config: CodecConfig) -> bool:
        """Whether codecs of this kind are what the layout is for; `save` says whether one fits."""

    @abstractmethod
    def find(self, path: Path) -> Path | None:
        """The weights file, where ``path`` (a folder or file) is in this layout; else None."""

    @abstractmethod
    def read_config(self, weights: Path, state: Tensors) -> dict[str, Any]:
        """Their config that belongs to the weights.

        Raises:
            AudiolmError: there is none.
        """

    def rename(self, name: str) -> str:
        """A tensor's name in the layout's present form, from one that older files use."""
        return name

    @abstractmethod
    def files(self, out: Path) -> tuple[Path, Path]:
        """Where in the folder ``out`` weights and config are written."""

    @abstractmethod
    def usage(self, config: CodecConfig, weights: Path) -> str:
        """How the other project loads what `save` wrote."""

    def load(self, weights: Path) -> Codec:
        """The codec that a weights file holds, in evaluation mode.

        Raises:
            AudiolmError: damaged files, a config that does not fit our codecs, other tensors than the config says.
        """
        found = {self.rename(name): tensor for name, tensor in read_weights(weights).items()}
        with interchange.blamed(weights, "codec"):
            config = self.load_config(self.read_config(weights, found))
            with torch.device("meta"):  # only shapes: random weights would take longer than reading the file
                codec = Codec(config)
                fold_weight_norm(codec)
            unused = {name: _unused(name, tensor) for name, tensor in codec.state_dict().items()}
            interchange.fill(codec, self.rules(config), found, unused)
        return codec.eval()

    def save(self, codec: Codec, out: str | Path) -> tuple[Path, Path]:
        """Write a codec into the folder ``out``; return weights and config.

        Raises:
            AudiolmError: the codec does not fit this layout (the first differing keys are told).
        """
        theirs, state = self.convert(codec)
        weights, described = self.files(Path(out))
        with atomic(weights, "wb") as file:
            file.write(save(unshared(state), metadata={"format": "pt"}))
        with atomic(described) as file:
            json.dump(theirs, file, indent=2)
            file.write("\n")
        return weights, described

    def convert(self, codec: Codec) -> tuple[dict[str, Any], Tensors]:
        """Their config and tensors of a codec; see `save`."""
        config = architecture(codec.config)
        own = {
            name: tensor.float().cpu() if tensor.is_floating_point() else tensor
            for name, tensor in folded_state(codec).items()
        }
        return self.check(config), save_state(self.rules(config), own)

    def check(self, config: CodecConfig) -> dict[str, Any]:
        """Their config of a codec; whatever it could not say would come back as something else.

        Raises:
            AudiolmError: the codec does not fit this layout (the first differing keys are told).
        """
        theirs = self.save_config(config)
        if lost := self.lost(config, theirs, TRAINING):
            raise AudiolmError(f"this codec does not fit {self.what}: {lost}; {OURS_HOLDS}")
        return theirs


def _unused(name: str, tensor: Tensor) -> Tensor:
    """What a codebook that has been started begins to count from, where a layout does not keep it."""
    one = name.endswith(("initialized", "cluster_usage"))
    return (torch.ones if one else torch.zeros)(tensor.shape, dtype=tensor.dtype)


def architecture(config: CodecConfig) -> CodecConfig:
    """The codec's own part of a config that may say more (how it is trained)."""
    return CodecConfig(**{field.name: getattr(config, field.name) for field in fields(CodecConfig)})


def check_parts(config: CodecConfig, what: str) -> None:
    """Mimi's layouts: SEANet's convolutions, a transformer on either side, a semantic codebook beside the others.

    Raises:
        AudiolmError: another kind of codec.
    """
    found = {
        "encoder_transformer": config.encoder_transformer,
        "decoder_transformer": config.decoder_transformer,
        "quantizer.split": config.quantizer.split,
        "quantizer.codebook_dim": config.quantizer.codebook_dim,
    }
    if other := [key for key, part in found.items() if not part]:
        raise AudiolmError(
            f"{what} has SEANet's convolutions, two transformers and a split quantizer with projections; this codec "
            f"has another {other[0]}; {OURS_HOLDS}"
        )
