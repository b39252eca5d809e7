"""Codecs in other projects' layouts, one file a layout: found by what lies on disk, loaded, and saved."""

from pathlib import Path

from audiolm.codec.adapters.layout import Layout
from audiolm.codec.adapters.moshi_mimi import MoshiMimi
from audiolm.codec.adapters.transformers_dac import TransformersDac
from audiolm.codec.adapters.transformers_encodec import TransformersEncodec
from audiolm.codec.adapters.transformers_mimi import TransformersMimi
from audiolm.codec.model import CodecConfig
from audiolm.errors import AudiolmError

LAYOUTS: tuple[Layout, ...] = (TransformersMimi(), TransformersEncodec(), TransformersDac(), MoshiMimi())
# What a project's layouts hold, and which of the shipped configs train such a codec (--codec_config of a recipe).
HELD = {
    "transformers": "only SEANet or DAC codecs: train with --codec_config conf/models/mimi.yaml, encodec.yaml or "
    "dac.yaml (of egs/TEMPLATE/codec1)",
    "moshi": "only SEANet codecs with transformers: train with --codec_config conf/models/mimi.yaml "
    "(of egs/TEMPLATE/codec1)",
}


def find_layout(path: Path) -> tuple[Layout, Path] | None:
    """The layout that a folder or file is in and its weights file, or None."""
    for layout in LAYOUTS:
        if weights := layout.find(path):
            return layout, weights
    return None


def layout_for(config: CodecConfig, name: str) -> Layout:
    """The layout of a project, by its name, that codecs of this kind are saved in.

    Raises:
        AudiolmError: it has none for them.
    """
    own = [layout for layout in LAYOUTS if layout.name == name]
    for layout in own:
        if layout.suits(config):
            return layout
    kinds = {"stft": "an STFT encoder", "seanet": "SEANet's encoder", "dac": "DAC's encoder"}
    kind = next(words for name, words in kinds.items() if getattr(config.encoder, name) is not None)
    transformers = "with" if config.encoder_transformer else "without"
    raise AudiolmError(
        f"this codec has {kind} ({transformers} transformers), and {' and '.join(layout.what for layout in own)} hold "
        f"{HELD[name]}; --to audiolm holds this one"
    )
