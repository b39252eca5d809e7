"""Cross-attention, adaptive norms, biases and added positions: as transformers' Whisper; alone among batch mates."""

import itertools

import pytest
import torch
from torch import nn

from audiolm.errors import AudiolmError
from audiolm.nn.cross import seen_by_segment, sinusoids
from audiolm.nn.masks import lengths_to_segments
from audiolm.nn.transformer import Transformer, TransformerConfig

BASE = dict(dim=32, layers=2, heads=4, ffn_dim=48)
PARTS = {
    "cross": dict(memory_dim=24),
    "adaptive": dict(condition_dim=5),
    "both": dict(memory_dim=24, condition_dim=5),
}
POSITIONS = {
    "rotary": {},
    "sinusoidal": dict(positions="sinusoidal", rope_base=None),
    "learnt": dict(positions="learnt", max_positions=40, rope_base=None),
}


def make(**options) -> Transformer:
    torch.manual_seed(0)
    made = Transformer(TransformerConfig(**(BASE | options)))
    for name, parameter in made.named_parameters():
        if "modulation" in name:
            nn.init.normal_(parameter, std=0.3)  # zero at first, where a condition would change nothing
    return made.eval()


def given(transformer, batch, places, memory_lengths):
    """Memories of the lengths that are told, padded with noise, and conditions."""
    config, keys = transformer.config, {}
    if config.memory_dim:
        longest = max(memory_lengths)
        seen = torch.arange(longest) < torch.tensor(memory_lengths)[:, None]
        keys["memory"] = transformer.remember(torch.randn(batch, longest, config.memory_dim), seen)
    if config.condition_dim:
        keys["condition"] = torch.randn(batch, config.condition_dim)
    return keys


def alone(keys, row, memory_length):
    """The same for one row, without its padding."""
    out = dict(keys)
    if "memory" in keys:
        memory = keys["memory"]
        layers = [(k[row : row + 1, :, :memory_length], v[row : row + 1, :, :memory_length]) for k, v in memory.layers]
        out["memory"] = type(memory)(layers)
    if "condition" in keys:
        out["condition"] = keys["condition"][row : row + 1]
    return out


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("part", "positions"), itertools.product(PARTS, POSITIONS))
def test_rows_of_unequal_lengths_equal_themselves_alone(part, positions, causal):
    transformer = make(**PARTS[part], **POSITIONS[positions], causal=causal, bias=True)
    torch.manual_seed(1)
    lengths, memories = [7, 3, 5], [4, 6, 2]
    x = torch.randn(3, 7, 32, requires_grad=True)
    keys = given(transformer, 3, 7, memories)
    together = transformer(x, segments=lengths_to_segments(torch.tensor(lengths)), **keys)
    for row, (length, memory) in enumerate(zip(lengths, memories, strict=True)):
        one = x[row : row + 1, :length].detach().requires_grad_()
        single = transformer(one, **alone(keys, row, memory))
        assert (single[0] - together[row, :length]).abs().max() < 1e-5
        (mates,) = torch.autograd.grad(together[row, :length].square().sum(), x, retain_graph=True)
        (own,) = torch.autograd.grad(single.square().sum(), one)
        assert (mates[row, :length] - own[0]).abs().max() < 1e-5 * own.abs().max()


@pytest.mark.parametrize(("part", "positions"), itertools.product(PARTS, POSITIONS))
def test_streaming_equals_the_whole(part, positions):
    transformer = make(**PARTS[part], **POSITIONS[positions], context=6)
    torch.manual_seed(2)
    x, keys = torch.randn(2, 20, 32), given(transformer, 2, 20, [5, 3])
    whole, cache = transformer(x, **keys), transformer.make_cache(2, chunk=4)
    parts = [transformer(x[:, start : start + 4], cache, **keys) for start in range(0, 20, 4)]
    assert (torch.cat(parts, dim=1) - whole).abs().max() < 1e-5


def test_packed_rows_look_at_their_own_memories():
    transformer = make(memory_dim=24)
    torch.manual_seed(3)
    x, memory = torch.randn(1, 9, 32), torch.randn(1, 7, 24)
    segments = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2, 2]])
    of_memory = torch.tensor([[0, 0, 0, 1, 1, 1, 1]])  # the third has none
    remembered = transformer.remember(memory, seen_by_segment(segments, of_memory))
    packed = transformer(x, segments=segments, memory=remembered)
    first = transformer(x[:, :4], memory=transformer.remember(memory[:, :3]))
    second = transformer(x[:, 4:7], memory=transformer.remember(memory[:, 3:]))
    assert (packed[:, :4] - first).abs().max() < 1e-5 and (packed[:, 4:7] - second).abs().max() < 1e-5
    assert packed[:, 7:].isfinite().all()


def test_a_condition_of_each_place_and_a_norm_that_starts_plain():
    torch.manual_seed(0)
    plain = Transformer(TransformerConfig(**BASE)).eval()
    adaptive = Transformer(TransformerConfig(**BASE, condition_dim=5)).eval()
    own = {name.replace(".norm.", "."): tensor for name, tensor in adaptive.state_dict().items()}
    plain.load_state_dict({name: own[name] for name in plain.state_dict()})
    x = torch.randn(2, 6, 32)
    assert torch.equal(plain(x), adaptive(x, condition=torch.randn(2, 5)))  # it has learnt nothing of conditions
    transformer = make(condition_dim=5)
    condition = torch.randn(2, 5)
    everywhere = condition[:, None].expand(2, 6, 5)
    assert (transformer(x, condition=condition) - transformer(x, condition=everywhere)).abs().max() < 1e-6
    assert (transformer(x, condition=condition) - transformer(x, condition=-condition)).abs().max() > 0.1


def whisper(kind):
    """A tiny Whisper of transformers, with a positive scale of everything."""
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        vocab_size=50, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_source_positions=20,
        max_target_positions=20, num_mel_bins=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    torch.manual_seed(5)
    model = transformers.WhisperModel(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return getattr(model, kind)


def copied(layers, transformer):
    """Whisper's layers in ours."""
    for theirs, ours in zip(layers, transformer.layers, strict=True):
        attention = theirs.self_attn
        keys = torch.zeros(32)  # Whisper's keys have no bias
        ours.attention.in_proj.weight.data = torch.cat(
            [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
        )
        ours.attention.in_proj.bias.data = torch.cat([attention.q_proj.bias, keys, attention.v_proj.bias])
        pairs = [(ours.attention.out_proj, attention.out_proj), (ours.norm1, theirs.self_attn_layer_norm)]
        pairs += [(ours.norm2, theirs.final_layer_norm)]
        pairs += [(ours.feedforward.linear_in, theirs.fc1), (ours.feedforward.linear_out, theirs.fc2)]
        if ours.cross is not None:
            cross = theirs.encoder_attn
            pairs += [(ours.cross.query, cross.q_proj), (ours.cross.value, cross.v_proj)]
            pairs += [(ours.cross.out_proj, cross.out_proj), (ours.norm_cross, theirs.encoder_attn_layer_norm)]
            ours.cross.key.weight.data = cross.k_proj.weight.data
        for to, source in pairs:
            to.load_state_dict(source.state_dict())


SHAPE = dict(ffn="gelu", norm="layer", bias=True, rope_base=None)


def test_whispers_encoder():
    encoder, transformer = whisper("encoder"), make(**SHAPE, causal=False)
    copied(encoder.layers, transformer)
    features = torch.randn(2, 8, 40)
    with torch.no_grad():
        expected = encoder(features).last_hidden_state
        x = nn.functional.gelu(encoder.conv2(nn.functional.gelu(encoder.conv1(features)))).transpose(1, 2)
        found = encoder.layer_norm(transformer(x + encoder.embed_positions.weight))
    assert (found - expected).abs().max() < 1e-5


def test_whispers_decoder_with_cross_attention_and_learnt_positions():
    decoder = whisper("decoder")
    transformer = make(**SHAPE, positions="learnt", max_positions=20, memory_dim=32)
    copied(decoder.layers, transformer)
    transformer.places.weight.data = decoder.embed_positions.weight.data
    ids, memory = torch.randint(3, 50, (2, 9)), torch.randn(2, 11, 32)
    with torch.no_grad():
        expected = decoder(ids, encoder_hidden_states=memory).last_hidden_state
        remembered, cache = transformer.remember(memory), transformer.make_cache(2, frames=20)
        embedded = decoder.embed_tokens(ids)
        whole = decoder.layer_norm(transformer(embedded, memory=remembered))
        steps = [transformer(embedded[:, t : t + 1], cache, memory=remembered) for t in range(9)]
    assert (whole - expected).abs().max() < 1e-5
    assert (decoder.layer_norm(torch.cat(steps, dim=1)) - expected).abs().max() < 1e-5


def test_sinusoids_are_whispers():
    transformers = pytest.importorskip("transformers.models.whisper.modeling_whisper")
    assert (sinusoids(torch.arange(30), 16) - transformers.sinusoids(30, 16)).abs().max() < 1e-5


def test_what_is_missing_or_of_no_use_is_named():
    x = torch.randn(1, 3, 32)
    with pytest.raises(AudiolmError, match="memory_dim 24: none was given; set memory_dim, or give a memory"):
        make(memory_dim=24)(x)
    with pytest.raises(AudiolmError, match="condition_dim None: one was given"):
        make()(x, condition=torch.randn(1, 5))
    with pytest.raises(AudiolmError, match="positions learnt, max_positions None"):
        make(positions="learnt")
    with pytest.raises(AudiolmError, match="a sequence of 41 places, the transformer has 40 learnt positions"):
        make(positions="learnt", max_positions=40)(torch.randn(1, 41, 32))
