"""Dialogue LMs for tests of other projects' layouts, with random weights that show every difference."""

import torch
from torch import Tensor

from audiolm.lm.depth import DepthConfig
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.nn.transformer import TransformerConfig

DELAYED = {"dialogue": TaskConfig(text_delay=0, acoustic_delay=1)}
SHAPES = {  # what one model of the moshi package may differ in from another
    "main": {},
    "both": {"predict": "both"},
    "schedule": {"depth": {"schedule": [0, 1, 2, 2]}},
    "low_rank": {"depth": {"low_rank": 6}},
    "one_speaker": {"speakers": 1, "tasks": {"tts": TaskConfig(text_delay=-3, acoustic_delay=2)}},
    "layer_norm": {"temporal": {"norm": "layer", "kv_heads": 2, "ffn": "gelu", "layer_scale": 0.5, "rope_base": None},
                   "depth": {"norm": "layer"}, "tasks": {"dialogue": TaskConfig(delays=[0, 1, 2, 3])}},
}  # fmt: skip


def shape(name: str = "main", **options) -> ModelConfig:
    """4 levels of 16 entries, 300 text ids; both speakers heard and the main one predicted, but as ``name`` says."""
    changes = {**SHAPES[name], **options}
    temporal = {"dim": 32, "layers": 2, "heads": 4, "ffn_dim": 44, "context": 24, "rope_base": 10000.0}
    depth = {"dim": 16, "layers": 2, "heads": 2, "ffn_dim": 22}
    fields = {"text_vocab": 300, "levels": 4, "codebook_size": 16, "predict": "main", "tasks": dict(DELAYED)}
    fields |= {key: value for key, value in changes.items() if key not in ("temporal", "depth")}
    return ModelConfig(
        **fields,
        temporal=TransformerConfig(**temporal | changes.get("temporal", {})),
        depth=DepthConfig(**depth | changes.get("depth", {})),
    )


@torch.no_grad()
def random_model(config: ModelConfig, seed: int = 0) -> MoshiModel:
    """In evaluation mode; gains and scales are random too, and logits far apart."""
    torch.manual_seed(seed)
    model = MoshiModel(config).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            parameter.uniform_(0.5, 1.5)
        elif name.startswith(("backbone.text_head", "depth.heads")):
            parameter.mul_(4)
    return model


def grid(config: ModelConfig, frames: int, seed: int = 0) -> Tensor:
    """Random tokens of all streams, not delayed, int64 [1, S, T]."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(size, (frames,), generator=generator) for size in config.layout.vocab_sizes]
    return torch.stack(rows)[None]


@torch.no_grad()
def logits(model: MoshiModel, delayed: Tensor) -> tuple[Tensor, Tensor]:
    """Teacher-forced, of frames 1 … T of a delayed grid [B, S, 1 + T]: text [B, T, V], codes [levels, B, T, size]."""
    states = model(delayed[:, :, :-1], torch.zeros(len(delayed), dtype=torch.int64))
    frames = delayed[:, :, 1:].transpose(1, 2)
    codes = model.depth(states.flatten(0, 1), frames.flatten(0, 1))
    return model.backbone.text_head(states), codes.unflatten(1, frames.shape[:2])
