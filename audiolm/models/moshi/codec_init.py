"""First values of code embeddings: the codec's own codebook entries, so that codes that sound alike begin alike."""

import torch
from torch import Tensor

from audiolm.codec.model import Codec
from audiolm.errors import AudiolmError
from audiolm.models.moshi.model import MoshiModel


def embed_like_codec(model: MoshiModel, codec: Codec, spread: float = 0.3) -> None:
    """Set the embeddings of codes, temporal and depth transformer's, to random projections of the codebooks' entries.

    All levels of one speaker share a projection, so that the sum over levels is a projection of the quantized latent;
    speakers differ in theirs. A share ``spread`` of each embedding's deviation stays random and keeps codes apart.

    Raises:
        AudiolmError: the codec has other levels or codebook sizes than the model.
    """
    layout = model.config.layout
    latents = entry_latents(codec)
    if latents.shape[:2] != (layout.levels, layout.codebook_size):
        raise AudiolmError(
            f"codec_init: a codec of {latents.shape[0]} levels of {latents.shape[1]} entries, the model has "
            f"{layout.levels} of {layout.codebook_size}; set model.levels and model.codebook_size to the codec's"
        )
    with torch.no_grad():
        audio = model.audio_embedding
        for speaker in range(layout.speakers):
            projected = _project(latents, audio.weight.shape[1])
            for level, table in enumerate(projected):
                first = int(audio.offsets[speaker * layout.levels + level])
                _blend(audio.weight[first : first + len(table)], table, spread)
        if model.config.depth is None:
            return
        depth = _project(latents, model.config.depth.low_rank or model.config.depth.dim)
        for index, embedding in enumerate(list(model.depth.embeddings)[1:]):
            _blend(embedding.weight[: layout.codebook_size], depth[index % layout.levels], spread)


def entry_latents(codec: Codec) -> Tensor:
    """What each codebook entry adds to the decoder's input, centred a level: float32 [levels, entries, dim]."""
    latents = torch.stack(codec.quantizer.parts()).float()
    return latents - latents.mean(dim=1, keepdim=True)


def _project(latents: Tensor, dim: int) -> Tensor:
    """[levels, entries, D] -> [levels, entries, dim], of unit variance a level."""
    projected = latents @ torch.randn(latents.shape[2], dim)
    return projected / projected.std(dim=(1, 2), keepdim=True)


def _blend(weight: Tensor, table: Tensor, spread: float) -> None:
    """Replace random values by the table's, at the same deviation."""
    weight.copy_(spread * weight + (1 - spread**2) ** 0.5 * weight.std() * table)
