"""What a foreign layout of codecs must offer, and loading and saving by it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save
from torch import Tensor

from audiolm.codec.adapters.rules import Rule, Tensors, load_state, save_state
from audiolm.codec.model import Codec, CodecConfig
from audiolm.config.schema import plain
from audiolm.data.files import atomic
from audiolm.errors import AudiolmError, first_line
from audiolm.nn.conv import fold_weight_norm, folded_state
from audiolm.train.checkpoint import read_tensors, unshared
from audiolm.train.options import flatten
from audiolm.train.tensors import check_same_tensors

# Keys of a codec's config that say how it is trained, not what it computes: other layouts do not hold them.
TRAINING = ("decay", "dead_after", "dropout", "dropout_levels", "unquantized", "norm")
OURS_HOLDS = "--to audiolm holds it; audiolm export --help says which codecs other layouts hold"


class Layout(ABC):
    """One foreign layout: its config and its tensors, mapped both ways by tables.

    Class attributes:
        name: what users call it (``audiolm export --to``).
        what: it is, in words.
    """

    name: ClassVar[str]
    what: ClassVar[str]

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

    @abstractmethod
    def load_config(self, theirs: Mapping[str, Any]) -> CodecConfig:
        """Their config -> ours.

        Raises:
            AudiolmError: it asks for what our codecs do not do.
        """

    @abstractmethod
    def save_config(self, config: CodecConfig) -> dict[str, Any]:
        """Our config -> theirs; what theirs cannot say is left out.

        Raises:
            AudiolmError: a codec of another kind.
        """

    @abstractmethod
    def rules(self, config: CodecConfig) -> Sequence[Rule]:
        """The tensors of a codec of this config, in both layouts."""

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
        try:
            config = self.load_config(self.read_config(weights, found))
            with torch.device("meta"):  # only shapes: random weights would take longer than reading the file
                codec = Codec(config)
                fold_weight_norm(codec)
            rules, own = self.rules(config), codec.state_dict()
            check_same_tensors(save_state(rules, own), found)
            state = {name: _unused(name, tensor) for name, tensor in own.items()} | load_state(rules, found)
            codec.load_state_dict(state, assign=True)
        except AudiolmError as error:
            raise AudiolmError(f"{weights}: {error}") from None
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of values that no config should have
            raise AudiolmError(f"{weights}: its config makes no codec: {first_line(error)}; get it again") from None
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
        ours, back = (dict(flatten(plain(each))) for each in (config, self.load_config(theirs)))
        lost = [
            f"{key} is {ours.get(key)!r}, there it is {back.get(key)!r}"
            for key in {**ours, **back}
            if key.rpartition(".")[2] not in TRAINING and ours.get(key) != back.get(key)
        ]
        if lost:
            more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
            raise AudiolmError(f"this codec does not fit {self.what}: {'; '.join(lost[:3])}{more}; {OURS_HOLDS}")
        return theirs


def _unused(name: str, tensor: Tensor) -> Tensor:
    """What a codebook that has been started begins to count from, where a layout does not keep it."""
    one = name.endswith(("initialized", "cluster_usage"))
    return (torch.ones if one else torch.zeros)(tensor.shape, dtype=tensor.dtype)


def architecture(config: CodecConfig) -> CodecConfig:
    """The codec's own part of a config that may say more (how it is trained)."""
    return CodecConfig(**{field.name: getattr(config, field.name) for field in fields(CodecConfig)})


def read_weights(path: Path) -> Tensors:
    """Tensors of a safetensors file or of a pickled state dict, of which nothing is run; float32.

    Raises:
        AudiolmError: damaged, or a pickle that holds more than tensors.
    """
    if path.suffix == ".safetensors":
        state = read_tensors(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle's, zip's and torch's own, by the kind of damage
            raise AudiolmError(
                f"cannot read {path}: {first_line(error)}; only plain tensors are read from a pickle, nothing is run: "
                "name a safetensors file"
            ) from None
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        AudiolmError: missing or malformed.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AudiolmError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise AudiolmError(f"{path} is not JSON: {first_line(error)}") from None
    if not isinstance(found, dict):
        raise AudiolmError(f"{path} holds no JSON object, expected a model's config")
    return found


def check_fixed(theirs: Mapping[str, Any], fixed: Mapping[str, Any], what: str) -> None:
    """Keys that our codecs can have one value of only; a missing one has that value.

    Raises:
        AudiolmError: another value.
    """
    for key, value in fixed.items():
        if theirs.get(key, value) != value:
            raise AudiolmError(f"{what} with {key} {theirs[key]!r} is not supported, expected {value!r}")


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
