"""Prepared LMs against the plain ones."""

import numpy as np
import pytest
import torch
from torch import nn

from audiolm.errors import AudiolmError
from audiolm.lm.depth import DepthConfig
from audiolm.lm.prepared import FewRowsNorm, PackedLevels
from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.generate import complete
from audiolm.models.moshi.model import MoshiModel
from audiolm.nn.norms import RMSNorm
from audiolm.nn.packed import PackedLinear
from audiolm.nn.transformer import TransformerConfig
from audiolm.streams.grid import ABSENT, TO_GENERATE
from tests.models.conftest import LEVELS, make_model

GREEDY = Sampling(temperature=0)
ERRORS = {"fp32": 1e-5, "fp16": 5e-3, "bf16": 5e-2, "int8": 2e-1}  # of the logits' deviation


def model(**options) -> MoshiModel:
    """Large enough for its products to be packed."""
    shape = dict(
        temporal=TransformerConfig(dim=64, layers=2, heads=2, kv_heads=1, ffn_dim=96, context=12),
        depth=DepthConfig(dim=64, layers=2, heads=2, ffn_dim=96),
    )
    return make_model(**(shape | options))


@torch.no_grad()
def logits(model: MoshiModel, grid: torch.Tensor) -> torch.Tensor:
    """Logits of the last frame of a grid [B, S, T], with a cache: text's, then each level's, [B, V + …]."""
    cache = model.backbone.transformer.make_cache(len(grid))
    for t in range(grid.shape[2] - 1):
        state = model(grid[:, :, t : t + 1], torch.zeros(len(grid), dtype=torch.int64), cache=cache)[:, 0]
    frame = model.depth.start(state)
    codes = [model.depth.step(frame, k, grid[:, k, -1]) for k in range(model.config.predicted_levels)]
    return torch.cat((model.backbone.text_head(state), *codes), dim=1)


SHAPES = {
    "own weights": {},
    "shared weights, low rank": dict(
        depth=DepthConfig(dim=64, layers=2, heads=2, ffn_dim=96, schedule=[0, 1, 1, 2, 2, 2], low_rank=8)
    ),
    "heads": dict(depth=None),
}


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_every_shape(shape):
    plain = model(text_hold=False, **SHAPES[shape])
    torch.manual_seed(0)
    grid = torch.randint(0, 8, (2, 1 + 2 * LEVELS, 5))
    torch.testing.assert_close(logits(plain.prepare(), grid), logits(plain, grid), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ERRORS)
def test_logits_in_every_precision(precision, monkeypatch):
    monkeypatch.setattr("audiolm.nn.processor.cpu_multiplies_bf16", lambda: True)
    plain = model(text_hold=False)
    prepared = plain.prepare(precision)
    assert isinstance(prepared.depth.layers[0].in_proj, PackedLevels)
    assert isinstance(prepared.backbone.transformer.layers[0].attention.in_proj, PackedLinear)
    kept = prepared.backbone.transformer.make_cache(1).rings[0].keys.dtype
    assert kept == (torch.bfloat16 if precision in ("bf16", "int8") else torch.float32)
    assert plain.backbone.transformer.make_cache(1).rings[0].keys.dtype == torch.float32
    torch.manual_seed(0)
    grid = torch.randint(0, 8, (2, 1 + 2 * LEVELS, 31))  # far beyond the context of 12
    expected = logits(plain, grid)
    error = (logits(prepared, grid) - expected).abs().max() / expected.std()
    assert error <= ERRORS[precision]


def test_a_processor_without_bf16_keeps_rings_in_fp32_and_computes_bf16_so(monkeypatch):
    monkeypatch.setattr("audiolm.nn.processor.cpu_multiplies_bf16", lambda: False)
    plain = model(text_hold=False)
    for precision in ("bf16", "int8"):
        kept = plain.prepare(precision).backbone.transformer.make_cache(1).rings[0].keys.dtype
        assert kept == torch.float32
    grid = torch.randint(0, 8, (2, 1 + 2 * LEVELS, 5))
    assert torch.equal(logits(plain.prepare("bf16"), grid), logits(plain.prepare("fp32"), grid))


@torch.no_grad()
def test_norms_of_few_rows():
    torch.manual_seed(0)
    norm = RMSNorm(48, eps=1e-3)
    norm.weight.uniform_(0.5, 2.0)
    x = torch.randn(5, 3, 48) * torch.tensor([1.0, 0.0, 1e-3, 1e6, -30.0])[:, None, None]
    torch.testing.assert_close(FewRowsNorm(norm)(x), norm(x))
    torch.testing.assert_close(FewRowsNorm(norm)(x.bfloat16()), norm(x.bfloat16()))


@pytest.mark.parametrize("task", ["dialogue", "tts"])
def test_greedy_tokens_are_those_of_the_plain_model(task):
    plain = model()
    grid = np.full((2, 1 + 2 * LEVELS, 40), TO_GENERATE)
    grid[1, 1 + LEVELS :] = ABSENT
    expected = complete(plain, grid, task, GREEDY, GREEDY)
    assert (complete(plain.prepare(), grid, task, GREEDY, GREEDY) == expected).all()
    assert len(np.unique(expected)) > 4


def test_the_plain_model_stays_as_it_is():
    plain = model().train()
    names = list(plain.state_dict())
    prepared = plain.prepare("int8")
    assert plain.training and not any(part.training for part in prepared.modules())
    assert list(plain.state_dict()) == names
    assert isinstance(plain.backbone.text_head, nn.Linear)
    assert prepared.audio_embedding.weight is plain.audio_embedding.weight


def test_what_cannot_be_prepared():
    with pytest.raises(AudiolmError, match="no precision 'int4'; did you mean 'int8'"):
        model().prepare("int4")
    adapted = model()
    adapted.backbone.text_head.lora_A = nn.Linear(64, 2)
    with pytest.raises(AudiolmError, match="lora_A beside it cannot be packed: merge"):
        adapted.prepare()
