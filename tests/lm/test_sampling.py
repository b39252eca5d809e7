"""Drawing tokens."""

import torch

from audiolm.lm.sampling import Sampling, sample

LOGITS = torch.tensor([1.0, 3.0, 2.0, -torch.inf])


def shares(sampling: Sampling, draws: int = 20000) -> torch.Tensor:
    tokens = sample(LOGITS.expand(draws, -1), sampling, torch.Generator().manual_seed(0))
    return torch.bincount(tokens, minlength=4) / draws


def test_draws_have_the_softmax_shares():
    for temperature in (1.0, 0.5):
        expected = (LOGITS / temperature).softmax(0)
        assert (shares(Sampling(temperature)) - expected).abs().max() < 0.015


def test_top_k_and_greedy():
    two = shares(Sampling(1.0, top_k=2))
    assert two[0] == 0 and (two[1:3] - torch.tensor([3.0, 2.0]).softmax(0)).abs().max() < 0.015
    assert sample(LOGITS, Sampling(0.0)) == 1
    assert shares(Sampling(1.0, top_k=1))[1] == 1


def test_same_seed_same_draws():
    draws = [sample(LOGITS.expand(50, -1), Sampling(), torch.Generator().manual_seed(s)).tolist() for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
