"""Dialogue LMs in other projects' layouts, one file a layout: found by what lies on disk, loaded, and saved."""

from pathlib import Path

from audiolm.encoders.hub import find_weights
from audiolm.models.moshi.adapters.layout import CONFIG, Layout
from audiolm.models.moshi.adapters.moshi_package import LORA, MoshiPackage
from audiolm.models.moshi.adapters.transformers_moshi import TransformersMoshi

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (TransformersMoshi(), MoshiPackage())}


def find_layout(name: str | Path) -> tuple[Layout, Path] | None:
    """The layout of a dialogue LM, and the folder it is in; None: a folder, but of something else.

    Args:
        name: the folder, or a hub id (kyutai/moshiko-pytorch-bf16), looked up in the local cache and else fetched.

    Raises:
        AudiolmError: neither, or a config that cannot be read.
    """
    folder = Path(name)
    if not folder.is_dir():
        weights = ("model.safetensors", "model-*.safetensors")
        folder = find_weights(str(name), "dialogue LM", CONFIG, weights, also=("*.model", LORA))
    return next(((layout, folder) for layout in LAYOUTS.values() if layout.is_in(folder)), None)
