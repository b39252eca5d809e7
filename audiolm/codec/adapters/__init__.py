"""Codecs in other projects' layouts, one file a layout: found by what lies on disk, loaded, and saved."""

from pathlib import Path

from audiolm.codec.adapters.layout import Layout
from audiolm.codec.adapters.moshi_mimi import MoshiMimi
from audiolm.codec.adapters.transformers_dac import TransformersDac
from audiolm.codec.adapters.transformers_encodec import TransformersEncodec
from audiolm.codec.adapters.transformers_mimi import TransformersMimi

LAYOUTS: tuple[Layout, ...] = (TransformersMimi(), TransformersEncodec(), TransformersDac(), MoshiMimi())


def find_layout(path: Path) -> tuple[Layout, Path] | None:
    """The layout that a folder or file is in and its weights file, or None."""
    for layout in LAYOUTS:
        if weights := layout.find(path):
            return layout, weights
    return None
