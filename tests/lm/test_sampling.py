"""Drawing tokens."""

import pytest
import torch

from audiolm.lm.sampling import Draws, RepetitionGuard, Repetitions, Sampling, sample

LOGITS = torch.tensor([1.0, 3.0, 2.0, -torch.inf])


def shares(sampling: Sampling, draws: int = 20000) -> torch.Tensor:
    tokens = sample(LOGITS.expand(draws, -1), sampling, Draws([0], draws).step()[0])
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


def test_top_p():
    first, second = LOGITS.softmax(0).sort(descending=True).values[:2].tolist()  # 0.67, 0.24
    for share in (0.0, 0.1, first - 1e-3):
        assert shares(Sampling(1.0, top_p=share))[1] == 1
    two = shares(Sampling(1.0, top_p=first + 1e-3))
    assert two[0] == 0 and (two[1:3] - torch.tensor([3.0, 2.0]).softmax(0)).abs().max() < 0.015
    assert shares(Sampling(1.0, top_p=first + second + 1e-3))[0] > 0
    assert shares(Sampling(1.0, top_k=2, top_p=0.9))[0] == 0  # of the two likeliest, whose shares are 0.73 and 0.27


def test_a_generator_draws_by_its_seed():
    draws = [sample(LOGITS.expand(50, -1), Sampling(), torch.Generator().manual_seed(s)).tolist() for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and set(draws[0]) == {0, 1, 2}


@pytest.mark.parametrize("uniform", [2.0**-24, 1.0])
def test_the_ends_of_the_unit_interval_draw_tokens_that_there_are(uniform):
    logits = torch.tensor([-torch.inf, 0.0, 5.0, 0.0, -torch.inf])
    assert sample(logits, Sampling(), torch.tensor(uniform)) == (1 if uniform < 0.5 else 3)


def test_uniform_numbers():
    draws = Draws([0, 1], 1000)
    numbers = torch.stack([draws.step() for _ in range(50)], dim=1)  # [2, 50, 1000]
    assert numbers.min() > 0 and numbers.max() <= 1
    counts = torch.histc(numbers, 20, 0, 1) / numbers.numel()
    assert (counts - 0.05).abs().max() < 0.003
    for a, b in ((numbers[0], numbers[1]), (numbers[:, 1:], numbers[:, :-1]), (numbers[..., 1:], numbers[..., :-1])):
        assert torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1].abs() < 0.01


def test_a_slots_numbers_are_those_it_draws_alone():
    alone = [Draws([seed], 3) for seed in (7, 8, 9)]
    alone = [torch.cat([draws.step() for _ in range(4)]) for draws in alone]
    assert not torch.equal(alone[0], alone[1])
    together = Draws([7, 8], 3)
    first = together.step()
    paused = together.step(torch.tensor([False, True]))
    together.begin([1], [9])
    last = together.step()
    assert torch.equal(torch.stack((first[0], last[0])), alone[0][:2])
    assert torch.equal(torch.stack((first[1], paused[1])), alone[1][:2]) and torch.equal(last[1], alone[2][0])


class TestRepetitions:
    """Logits whose likeliest token is 5, and what is drawn instead of a token that comes again and again."""

    logits = torch.eye(6)[[5, 5]]

    def draw(self, drawn: list[list[int]], **guard) -> list[list[int]]:
        repetitions = Repetitions(2, RepetitionGuard(**guard))
        tokens = []
        for step in drawn:
            tokens.append(repetitions.redraw(torch.tensor(step), self.logits, torch.full((2,), 0.5)))
            repetitions.store(tokens[-1], torch.tensor([True, step[1] >= 0]))
        return [token.tolist() for token in tokens]

    def test_a_token_that_fills_more_than_its_share_is_drawn_again(self):
        drawn = [[2, 2], [2, 3], [2, 2], [2, 3], [2, 2]]
        slots = self.draw(drawn, window=4, share=0.5, temperature=0.0)
        assert [a for a, _ in slots] == [2, 2, 2, 5, 5]
        assert [b for _, b in slots] == [2, 3, 2, 3, 2]  # a loop of two: half each
        tighter = self.draw(drawn, window=4, share=0.25, temperature=0.0)
        assert [b for _, b in tighter] == [2, 3, 2, 3, 5]

    def test_a_pause_is_not_remembered(self):
        slots = self.draw([[1, 2], [1, -1], [1, -1], [1, 2]], window=2, share=0.5, temperature=0.0)
        assert [a for a, _ in slots] == [1, 1, 5, 1] and slots[3][1] == 2

    def test_the_second_draw_is_from_all_tokens(self):
        repetitions = Repetitions(2, RepetitionGuard(window=1, share=0.0, temperature=10.0))
        repetitions.store(torch.tensor([5, 5]))
        again = [repetitions.redraw(torch.tensor([5, 5]), self.logits, u * torch.ones(2)) for u in (0.1, 0.9)]
        assert [one.tolist() for one in again] == [[0, 0], [5, 5]]
