"""What codecs of transformers have in common: a folder with ``config.json`` and weights beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from audiolm.codec.adapters.layout import Layout
from audiolm.codec.model import Codec, CodecConfig
from audiolm.data.files import atomic
from audiolm.interchange.files import read_json
from audiolm.interchange.rules import Tensors

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the preferred first


class TransformersFolder(Layout):
    """A model of transformers.

    Class attributes:
        model_type: its name in ``config.json``.
        architecture: its class.
        extractor: the class that prepares audio for it.
    """

    name = "transformers"
    model_type: ClassVar[str]
    architecture: ClassVar[str]
    extractor: ClassVar[str]

    def find(self, path: Path) -> Path | None:
        folder, names = (path, WEIGHTS) if path.is_dir() else (path.parent, (path.name,))
        if not (folder / CONFIG).is_file() or read_json(folder / CONFIG).get("model_type") != self.model_type:
            return None
        return next((folder / name for name in names if name in WEIGHTS and (folder / name).is_file()), None)

    def read_config(self, weights: Path, state: Tensors) -> dict[str, Any]:
        return read_json(weights.parent / CONFIG)

    def files(self, out: Path) -> tuple[Path, Path]:
        return out / WEIGHTS[0], out / CONFIG

    def usage(self, config: CodecConfig, weights: Path) -> str:
        return f"transformers.{self.architecture}.from_pretrained('{weights.parent}')"

    def save(self, codec: Codec, out: str | Path) -> tuple[Path, Path]:
        written = super().save(codec, out)
        with atomic(Path(out) / "preprocessor_config.json") as file:  # what AutoFeatureExtractor reads
            settings = {"feature_size": 1, "padding_side": "right", "padding_value": 0.0}
            sound = {"feature_extractor_type": self.extractor, "sampling_rate": codec.sample_rate, **settings}
            json.dump({**sound, **self.extractor_settings(codec)}, file, indent=2)
            file.write("\n")
        return written

    def extractor_settings(self, codec: Codec) -> dict[str, Any]:
        """What else the extractor must know."""
        return {"chunk_length_s": None, "overlap": None, "return_attention_mask": True}

    def header(self) -> dict[str, Any]:
        """The first keys of ``config.json``."""
        return {"architectures": [self.architecture], "model_type": self.model_type, "dtype": "float32"}


def picked(theirs: Mapping[str, Any], keys: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Fields of ours from keys of theirs; ``keys``: their key -> (our field, transformers' default)."""
    return {field: theirs.get(key, default) for key, (field, default) in keys.items()}


def named(ours: Any, keys: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """The inverse of `picked`: keys of theirs from the fields of a config of ours."""
    return {key: getattr(ours, field) for key, (field, _) in keys.items()}
