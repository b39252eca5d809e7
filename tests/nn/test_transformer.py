"""The transformer against a naive one, streaming against offline, slots that reset one by one."""

import math

import pytest
import torch
from torch import nn

from audiolm.errors import AudiolmError
from audiolm.nn import attention
from audiolm.nn.attention import _attend_by_products, attend, attend_in_window
from audiolm.nn.norms import RMSNorm
from audiolm.nn.rope import rotary_table, rotate
from audiolm.nn.transformer import Transformer, TransformerConfig

SHAPES = {
    "moshi": dict(),
    "mimi": dict(ffn="gelu", norm="layer", layer_scale=0.5),
    "grouped": dict(kv_heads=2),
    "window": dict(context=5),
    "window_of_one": dict(context=1),
    "no_positions": dict(rope_base=None),
}


def make(**options) -> Transformer:
    torch.manual_seed(0)
    return Transformer(TransformerConfig(**(dict(dim=32, layers=2, heads=4, ffn_dim=48) | options))).eval()


def naive_layer(layer, config, x):
    """One layer for one sequence [T, dim], with loops over heads and frames and no shared code but the weights."""
    frames, head_dim = len(x), config.dim // config.heads
    kv_heads = config.kv_heads or config.heads
    rows = layer.attention.in_proj.weight
    normed = layer.norm1(x)

    def head(index):
        y = normed @ rows[index * head_dim : (index + 1) * head_dim].T
        return y

    def turn(y):
        if config.rope_base is None:
            return y
        y = y.clone()
        half = head_dim // 2
        for t in range(frames):
            for i in range(half):
                angle = t * config.rope_base ** (-2 * i / head_dim)
                a, b = y[t, i].item(), y[t, i + half].item()
                y[t, i] = a * math.cos(angle) - b * math.sin(angle)
                y[t, i + half] = b * math.cos(angle) + a * math.sin(angle)
        return y

    heads = []
    for h in range(config.heads):
        group = h // (config.heads // kv_heads)
        q, k = turn(head(h)), turn(head(config.heads + group))
        v = head(config.heads + kv_heads + group)
        out = torch.zeros(frames, head_dim)
        for t in range(frames):
            first = 0 if config.context is None else max(0, t - config.context + 1)
            weights = torch.softmax(q[t] @ k[first : t + 1].T / math.sqrt(head_dim), dim=0)
            out[t] = weights @ v[first : t + 1]
        heads.append(out)
    scale1, scale2 = (1.0 if s is None else s for s in (layer.scale1, layer.scale2))
    x = x + scale1 * layer.attention.out_proj(torch.cat(heads, dim=1))
    hidden = layer.feedforward.linear_in(layer.norm2(x))
    if config.ffn == "silu_gated":
        gate, value = hidden[:, : config.ffn_dim], hidden[:, config.ffn_dim :]
        hidden = gate * torch.sigmoid(gate) * value
    else:
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
    return x + scale2 * layer.feedforward.linear_out(hidden)


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_equals_the_naive_transformer(name):
    transformer = make(**SHAPES[name])
    x = torch.randn(2, 12, 32)
    expected = x
    for layer in transformer.layers:
        expected = torch.stack([naive_layer(layer, transformer.config, sequence) for sequence in expected])
    torch.testing.assert_close(transformer(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chunks", [[1] * 23, [7, 1, 7, 3, 5], [4, 4, 4, 4, 4, 3]], ids=["ones", "mixed", "fours"])
@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_streaming_equals_offline(name, chunks):
    transformer = make(**SHAPES[name])
    x = torch.randn(3, sum(chunks), 32)
    cache = transformer.make_cache(batch=3, chunk=max(chunks), frames=x.shape[1])
    pieces = [transformer(piece, cache) for piece in x.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), transformer(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kept, error", [(None, 1e-4), (torch.bfloat16, 3e-2)], ids=["fp32", "bf16"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["moshi", "grouped"])
@torch.no_grad()
def test_long_rings_lie_in_blocks(name, batch, kept, error, monkeypatch):
    """In bfloat16, as beyond 256 frames: here beyond 4, with context for two blocks and a half. In float32 whole."""
    monkeypatch.setattr(attention, "BLOCK", 4)
    transformer = make(context=10, **SHAPES[name])
    transformer.cache_dtype = kept
    chunks = [1, 3, 1, 1, 2, 1, 3, 3] + [1] * 20
    x = torch.randn(batch, sum(chunks), 32)
    cache = transformer.make_cache(batch, chunk=3)
    assert cache.rings[0].keys.shape[::3] == ((3, 4) if kept else (1, 12))
    assert cache.rings[0].keys.dtype == (kept or torch.float32)
    for _ in range(2):
        streamed = torch.cat([transformer(piece, cache) for piece in x.split(chunks, dim=1)], dim=1)
        torch.testing.assert_close(streamed, transformer(x), atol=error, rtol=0)
        cache.reset()


@pytest.mark.parametrize("kept, error", [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=["fp32", "bf16"])
@pytest.mark.parametrize("heads", [4, 8])
@torch.no_grad()
def test_a_query_of_a_long_ring(heads, kept, error):
    """By plain products of few queries in bfloat16, by torch's own attention else: both see what the mask lets them."""
    torch.manual_seed(0)
    ring = attention.Ring.make(2, 4, 600, 16, kept, "cpu")
    ring.keys.normal_(), ring.values.normal_()
    for seen, frames in ((90, 1), (190, 2), (190, 9), (390, 1), (600, 3)):
        written = ring.looked_at(seen)
        queries, mask = torch.randn(2, heads, frames, 16), torch.rand(2, 1, frames, written) < 0.5
        keys, values = (y.permute(1, 2, 0, 3, 4).flatten(2, 3)[:, :, :written] for y in (ring.keys, ring.values))
        for some in (mask, None):
            expected = attend(queries, keys.float(), values.float(), some, False, 0.0)
            attended = attention.attend_ring(queries, ring, written, some)
            torch.testing.assert_close(attended, expected, atol=error, rtol=0)


@torch.no_grad()
def test_slots_reset_one_by_one_and_memory_stays():
    transformer = make(context=6)
    first, second, other = torch.randn(3, 1, 10, 32).unbind()
    cache = transformer.make_cache(batch=2)
    addresses = [ring.keys.data_ptr() for ring in cache.rings]
    for t in range(10):
        transformer(torch.cat((first, other))[:, t : t + 1], cache)
    cache.reset([0])
    outputs = [transformer(torch.cat((second, other))[:, t : t + 1], cache) for t in range(10)]
    torch.testing.assert_close(torch.cat(outputs, dim=1)[:1], transformer(second), atol=1e-4, rtol=0)
    twice = transformer(torch.cat((other, other), dim=1))[:, 10:]
    torch.testing.assert_close(torch.cat(outputs, dim=1)[1:], twice, atol=1e-4, rtol=0)
    assert [ring.keys.data_ptr() for ring in cache.rings] == addresses


@torch.no_grad()
def test_sliding_window_reaches_as_far_as_layers_allow():
    transformer = make(context=3, layers=2)
    x = torch.randn(1, 12, 32)
    changed = x.clone()
    changed[:, 4] += 1
    differs = (transformer(x) - transformer(changed)).abs().amax(dim=(0, 2)) > 1e-6
    assert differs.nonzero().flatten().tolist() == [4, 5, 6, 7, 8]  # two layers, two frames back each


@torch.no_grad()
def test_not_causal_sees_everything():
    transformer = make(causal=False)
    x = torch.randn(1, 6, 32)
    changed = x.clone()
    changed[:, 5] += 1
    assert ((transformer(x) - transformer(changed)).abs().amax(dim=(0, 2)) > 1e-6).all()
    with pytest.raises(AudiolmError, match="cannot stream"):
        transformer.make_cache(1)


def test_rotation_by_hand():
    cos, sin = rotary_table(torch.tensor([0, 1]), head_dim=4, base=100.0)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 2, 1, 4)
    turned = rotate(x, cos, sin)[0, :, 0]
    assert turned[0].tolist() == [1, 2, 3, 4]
    one, tenth = 1.0, 0.1  # angles of the two pairs at position 1
    expected = [
        math.cos(one) - 3 * math.sin(one),
        2 * math.cos(tenth) - 4 * math.sin(tenth),
        3 * math.cos(one) + math.sin(one),
        4 * math.cos(tenth) + 2 * math.sin(tenth),
    ]
    torch.testing.assert_close(turned[1], torch.tensor(expected))


def test_rms_norm_by_hand():
    norm = RMSNorm(2)
    nn.init.constant_(norm.weight, 2.0)
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), torch.tensor([6.0, 8.0]) / math.sqrt(12.5))


def test_impossible_shapes_are_named():
    with pytest.raises(AudiolmError, match="heads must divide dim"):
        TransformerConfig(dim=30, heads=4)
    with pytest.raises(AudiolmError, match="context"):
        TransformerConfig(context=0)
    with pytest.raises(AudiolmError, match="context"):
        make().make_cache(1)


@pytest.mark.parametrize("frames", [8, 9, 15, 16, 23])
@pytest.mark.parametrize("kv_heads", [2, 4])
def test_attention_in_a_window_equals_the_masked_one(frames, kv_heads):
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (
        torch.randn(2, count, frames, 8, generator=generator, requires_grad=True) for count in (4, kv_heads, kv_heads)
    )
    mask = torch.ones(frames, frames).tril().triu(-3).bool()
    outputs = [
        attend_in_window(queries, keys, values, 4, 0.0),
        attend(queries, keys, values, mask, False, 0.0),
    ]
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(y.square().sum(), (queries, keys, values)) for y in outputs]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "heads, kv_heads, causal, windowed", [(4, 4, True, False), (4, 2, True, True), (2, 2, False, False)]
)
def test_attention_by_products_equals_the_fused_one(heads, kv_heads, causal, windowed):
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (
        torch.randn(2, count, 7, 8, generator=generator, requires_grad=True) for count in (heads, kv_heads, kv_heads)
    )
    mask = torch.ones(7, 7).tril().triu(-2).bool() if windowed else None
    outputs = [f(queries, keys, values, mask, causal, 0.0) for f in (attend, _attend_by_products)]
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(y.square().sum(), (queries, keys, values)) for y in outputs]
    torch.testing.assert_close(*gradients)
