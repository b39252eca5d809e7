"""The depth transformer: all levels at once equals one after another, each level its own weights, none looks ahead."""

import torch

from audiolm.lm.depth import DepthConfig, DepthTransformer
from audiolm.lm.embedding import StreamEmbedding


def make() -> DepthTransformer:
    torch.manual_seed(0)
    return DepthTransformer(
        DepthConfig(dim=8, layers=2, heads=2, ffn_dim=12), 16, text_vocab=10, levels=4, codebook_size=6
    )


TOKENS = torch.tensor([[3, 0, 5, 6, 1], [10, -1, 2, 3, 0], [-1, 1, 1, 1, 1]])  # 10, 6: start tokens; -1: absent
STATE = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_steps_equal_all_levels_at_once():
    depth = make()
    whole = depth(STATE, TOKENS)
    assert whole.shape == (4, 3, 6)
    frame = depth.start(STATE)
    steps = torch.stack([depth.step(frame, k, TOKENS[:, k]) for k in range(4)])
    torch.testing.assert_close(steps, whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_level_sees_text_and_levels_before_it_only():
    depth = make()
    whole = depth(STATE, TOKENS)
    for changed in range(5):
        tokens = TOKENS.clone()
        tokens[:, changed] = (tokens[:, changed] + 1) % 6
        differs = (depth(STATE, tokens) - whole).abs().amax(dim=(1, 2)) > 1e-7
        assert differs.tolist() == [k >= changed for k in range(4)]


def test_weights_belong_to_one_level():
    depth = make()
    depth(STATE, TOKENS)[1].sum().backward()  # level 2's logits
    layer = depth.layers[-1]
    for weight in (layer.linear_in.weight, layer.out_proj.weight, depth.heads.weight):
        assert (weight.grad.flatten(1).abs().sum(dim=1) > 0).tolist() == [False, True, False, False]
    assert (layer.in_proj.weight.grad.flatten(1).abs().sum(dim=1) > 0).tolist() == [True, True, False, False]


@torch.no_grad()
def test_stream_embedding_is_the_sum_of_its_tables():
    embedding = StreamEmbedding([3, 2], 4)  # rows 0-2 and start 3; rows 4, 5 and start 6
    tokens = torch.tensor([[0, 1], [3, 2], [-1, 0], [-1, -1]])
    w = embedding.weight
    expected = torch.stack([w[0] + w[5], w[3] + w[6], w[4], torch.zeros(4)])
    torch.testing.assert_close(embedding(tokens), expected)
