"""The depth transformer: all levels at once equals one after another, each level its own weights or a set's, none
looks ahead; and the heads that can stand in its place."""

import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.lm.depth import CodeHeads, DepthConfig, DepthTransformer
from audiolm.lm.embedding import StreamEmbedding

SCHEDULES = [None, [0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [1, 0, 2, 2]]


def make(**options) -> DepthTransformer:
    torch.manual_seed(0)
    config = DepthConfig(dim=8, layers=2, heads=2, ffn_dim=12, **options)
    return DepthTransformer(config, 16, text_vocab=10, levels=4, codebook_size=6)


TOKENS = torch.tensor([[3, 0, 5, 6, 1], [10, -1, 2, 3, 0], [-1, 1, 1, 1, 1]])  # 10, 6: start tokens; -1: absent
STATE = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))


def stepwise(depth) -> torch.Tensor:
    frame = depth.start(STATE)
    return torch.stack([depth.step(frame, k, TOKENS[:, k]) for k in range(4)])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("low_rank", [None, 3])
@torch.no_grad()
def test_steps_equal_all_levels_at_once(schedule, low_rank):
    depth = make(schedule=schedule, low_rank=low_rank)
    whole = depth(STATE, TOKENS)
    assert whole.shape == (4, 3, 6)
    torch.testing.assert_close(stepwise(depth), whole, atol=1e-5, rtol=1e-5)
    for levels in (1, 2, 3):
        torch.testing.assert_close(depth(STATE, TOKENS, levels), whole[:levels], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES[1:])
def test_a_schedule_equals_own_weights_that_are_equal(schedule):
    scheduled, own = make(schedule=schedule), make()
    state = scheduled.state_dict()
    state["state_proj.weight"] = state["state_proj.weight"].view(-1, 8, 16)[schedule].flatten(0, 1)
    for name, weight in state.items():
        if name.startswith("layers.") and weight.ndim == 3:
            state[name] = weight[schedule]
    own.load_state_dict(state)
    torch.testing.assert_close(scheduled(STATE, TOKENS), own(STATE, TOKENS), atol=1e-5, rtol=1e-5)
    for depth in (scheduled, own):
        depth(STATE, TOKENS).square().sum().backward()
    grads = {name: weight.grad for name, weight in own.named_parameters()}
    for name, weight in scheduled.named_parameters():
        expected = grads[name]
        if name == "state_proj.weight":
            expected = torch.zeros(len(weight) // 8, 8, 16).index_add_(
                0, torch.tensor(schedule), expected.view(4, 8, 16)
            )
        elif name.startswith("layers.") and weight.ndim == 3:
            expected = torch.zeros_like(weight).index_add_(0, torch.tensor(schedule), expected)
        torch.testing.assert_close(weight.grad, expected.view_as(weight), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_set_for_each_level_in_order_is_no_schedule():
    plain, numbered = make(), make(schedule=[0, 1, 2, 3])
    assert torch.equal(plain(STATE, TOKENS), numbered(STATE, TOKENS))
    assert (
        sum(p.numel() for p in make(schedule=[0] * 4).layers.parameters()) - 32
        == (sum(p.numel() for p in plain.layers.parameters()) - 32) / 4
    )  # but for the norms' gains, 2 layers of 2 times 8


@torch.no_grad()
def test_low_rank_tables_and_matrix():
    embedding = make(low_rank=3).embeddings[1]
    assert embedding.weight.shape == (6 + 2, 3) and embedding.proj.weight.shape == (8, 3)
    tokens = torch.tensor([[4], [6], [-1]])
    expected = torch.stack([embedding.proj.weight @ embedding.weight[4], embedding.proj.weight @ embedding.weight[6]])
    torch.testing.assert_close(embedding(tokens)[:2], expected)
    assert (embedding(tokens)[2] == 0).all()


@torch.no_grad()
def test_heads_see_the_state_alone():
    torch.manual_seed(0)
    heads = CodeHeads(16, levels=4, codebook_size=6)
    whole = heads(STATE, TOKENS)
    torch.testing.assert_close(whole, torch.stack([STATE @ weight for weight in heads.heads.weight]))
    torch.testing.assert_close(stepwise(heads), whole)
    torch.testing.assert_close(heads(STATE, TOKENS, 2), whole[:2])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"heads": 3}, r"heads \(3\) must divide dim \(8\)"),
        ({"schedule": [0, 2, 2, 2]}, "leaves out a set of weights"),
        ({"schedule": [-1, 0, 0, 0]}, "leaves out a set of weights"),
        ({"schedule": [0, 1]}, "a schedule of 2 levels, the model predicts 4 codes"),
        ({"low_rank": 0}, "low_rank 0, expected channels ≥ 1"),
    ],
)
def test_refused(options, message):
    with pytest.raises(AudiolmError, match=message):
        DepthTransformer(DepthConfig(**({"dim": 8, "heads": 2} | options)), 16, 10, 4, 6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@torch.no_grad()
def test_a_level_sees_text_and_levels_before_it_only(schedule):
    depth = make(schedule=schedule)
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
