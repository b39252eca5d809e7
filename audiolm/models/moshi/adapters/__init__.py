"""Dialogue LMs in other projects' layouts, one file a layout: found by what lies on disk, loaded, and saved."""

from pathlib import Path

from audiolm.models.moshi.adapters.layout import Layout
from audiolm.models.moshi.adapters.moshi_package import MoshiPackage
from audiolm.models.moshi.adapters.transformers_moshi import TransformersMoshi

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (TransformersMoshi(), MoshiPackage())}


def find_layout(path: Path) -> Layout | None:
    """The layout that a folder is in, or None.

    Raises:
        AudiolmError: a config that cannot be read.
    """
    return next((layout for layout in LAYOUTS.values() if layout.is_in(path)), None)
