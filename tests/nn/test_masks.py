"""Rows of several sequences: each is what it is alone."""

import pytest
import torch

from audiolm.nn.attention import attend, attend_in_pieces
from audiolm.nn.masks import PADDING, lengths_to_segments, segment_pieces, segment_positions, sequence_mask
from audiolm.nn.transformer import Transformer, TransformerConfig

LENGTHS = [5, 3, 7]


def make(**changes) -> Transformer:
    torch.manual_seed(0)
    return Transformer(TransformerConfig(dim=16, layers=2, heads=2, kv_heads=1, ffn_dim=24, **changes))


def test_masks_by_hand():
    segments = torch.tensor([[0, 0, 1, PADDING]])
    causal = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert sequence_mask(segments)[0, 0].int().tolist() == causal
    both = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert sequence_mask(segments, causal=False)[0, 0].int().tolist() == both
    one = torch.zeros(1, 4, dtype=torch.int64)
    prefix = torch.tensor([[True, True, False, False]])
    assert sequence_mask(one, prefix=prefix)[0, 0].int().tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    assert sequence_mask(one, window=2, prefix=prefix)[0, 0, 3].int().tolist() == [1, 1, 1, 1]
    assert sequence_mask(one, window=2)[0, 0, 3].int().tolist() == [0, 0, 1, 1]


def test_positions_begin_anew_in_each_segment():
    segments = torch.tensor([[0, 0, 1, 1, 1, PADDING], [4, 4, 4, 4, 7, 7]])
    assert segment_positions(segments).tolist() == [[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 0, 1]]
    assert lengths_to_segments(torch.tensor([2, 3])).tolist() == [[0, 0, PADDING], [0, 0, 0]]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("changes", [{}, {"causal": False}, {"context": 3}, {"rope_base": None}])
def test_packed_or_padded_equals_alone(packed, changes):
    model = make(**changes)
    parts = [torch.randn(1, length, 16) for length in LENGTHS]
    if packed:
        x = torch.cat([*parts, torch.randn(1, 2, 16)], dim=1)
        segments = torch.tensor([[0] * 5 + [1] * 3 + [2] * 7 + [PADDING] * 2])
    else:
        x = torch.stack([torch.cat((part[0], torch.randn(7 - part.shape[1], 16))) for part in parts])
        segments = lengths_to_segments(torch.tensor(LENGTHS))
    together = model(x, segments=segments)
    assert together.isfinite().all()
    found = together[segments != PADDING]
    found.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    alone = torch.cat([model(part)[0] for part in parts])
    alone.square().sum().backward()
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize(("causal", "window"), [(True, None), (True, 3), (False, None)])
def test_attention_within_pieces_is_that_of_the_mask(causal, window, prefix):
    """On CPUs the pieces are attended to one by one; elsewhere a mask says the same."""
    torch.manual_seed(0)
    segments = torch.tensor([[0] * 5 + [1] * 3 + [2] * 7 + [PADDING] * 2, [0] * 17])
    first = torch.rand(2, 17) < 0.3 if prefix else None
    queries, keys, values = (torch.randn(2, heads, 17, 8) for heads in (4, 2, 2))
    pieces = segment_pieces(segments, causal, first, window)
    assert [length for length, _ in pieces] == [5, 3, 7, 2, 17]
    found = attend_in_pieces(queries, keys, values, pieces, causal, 0.0)
    mask = sequence_mask(segments, causal, first, window)
    torch.testing.assert_close(found, attend(queries, keys, values, mask, causal, 0.0), rtol=1e-5, atol=1e-5)


def test_a_prefix_is_read_both_ways_and_what_follows_is_not():
    model, x = make(), torch.randn(1, 6, 16)
    segments, prefix = torch.zeros(1, 6, dtype=torch.int64), torch.tensor([[True] * 3 + [False] * 3])
    before = model(x, segments=segments, prefix=prefix)
    for place, changed in ((2, [0, 1, 2, 3, 4, 5]), (4, [4, 5])):
        other = x.clone()
        other[0, place] += 1
        differs = (model(other, segments=segments, prefix=prefix) - before).abs().amax(dim=2)[0] > 1e-6
        assert differs.nonzero().flatten().tolist() == changed
