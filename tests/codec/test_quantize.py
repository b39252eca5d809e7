"""Residual and split quantization: identities, straight-through gradients, dropout, unquantized samples."""

import numpy as np
import pytest
import torch

from audiolm.codec.codebook import CosineCodebook
from audiolm.codec.quantize import Draws, QuantizerConfig, ResidualQuantizer, SplitQuantizer
from audiolm.errors import AudiolmError

CONFIG = QuantizerConfig(n_q=4, codebook_size=8, codebook_dim=3)


def draws(batch, levels=4, quantized=True):
    return Draws(torch.arange(batch), torch.full((batch,), levels), torch.full((batch,), quantized))


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    quantizer = SplitQuantizer(CONFIG, dim=6).train()
    quantizer(torch.randn(4, 6, 20), draws(4))  # starts the codebooks
    return quantizer


def test_residual_quantizer_by_hand():
    rvq = ResidualQuantizer(QuantizerConfig(codebook_size=2, codebook_dim=None), dim=1, n_q=2, seed=0).eval()
    for layer, entries in zip(rvq.layers, ([0.0, 10.0], [-1.0, 2.0]), strict=True):
        layer.codebook.embed_sum.copy_(torch.tensor(entries)[:, None])
    codes = rvq.encode(torch.tensor([[[9.5, 1.5]]]))  # 9.5 = 10 - 0.5, 1.5 = 0 + 1.5
    assert codes.tolist() == [[[1, 0], [0, 1]]]
    assert rvq.decode(codes).tolist() == [[[9.0, 2.0]]]


def test_codes_and_levels_sum_to_what_training_gives_the_decoder(quantizer):
    quantizer.eval()
    latents = torch.randn(2, 6, 7)
    result = quantizer(latents, draws(2))
    codes = quantizer.encode(latents)
    assert torch.equal(codes, result.codes) and codes.shape == (2, 4, 7)
    assert torch.allclose(quantizer.decode(codes), result.latents, atol=1e-6)
    assert torch.allclose(quantizer.decode(codes[:, :1]), result.semantic, atol=1e-6)


def test_every_level_shrinks_the_residual(quantizer):
    rvq = quantizer.acoustic.eval()
    latents = torch.randn(2, 6, 50)
    target = rvq.input_proj(latents)
    codes = rvq.encode(latents)
    errors = []
    for level in range(4):
        total = sum(
            (layer.codebook.decode(c) for layer, c in zip(rvq.layers, codes[:, :level].unbind(1), strict=False)),
            torch.zeros(2, 50, 3),
        )
        errors.append((target.transpose(1, 2) - total).square().mean().item())
    assert errors == sorted(errors, reverse=True)


def test_dropped_levels_and_unquantized_samples(quantizer):
    quantizer.eval()
    latents = torch.randn(3, 6, 5)
    chance = Draws(torch.arange(3), torch.tensor([2, 4, 4]), torch.tensor([True, True, False]))
    result = quantizer(latents, chance)
    codes = quantizer.encode(latents)
    assert torch.allclose(result.latents[0], quantizer.decode(codes[:1, :2])[0], atol=1e-6)
    assert torch.allclose(result.latents[1], quantizer.decode(codes[1:2])[0], atol=1e-6)
    branches = (quantizer.semantic, quantizer.acoustic)
    plain = sum(branch.output_proj(branch.input_proj(latents[2:])) for branch in branches)
    assert torch.allclose(result.latents[2], plain[0], atol=1e-6)
    assert torch.allclose(result.semantic, quantizer.decode(codes[:, :1]), atol=1e-6)  # quantized for all samples


def test_gradients_pass_straight_through(quantizer):
    quantizer.eval()
    latents = torch.randn(1, 6, 5, requires_grad=True)
    quantizer(latents, draws(1)).latents.sum().backward()
    quantized = latents.grad.clone()
    latents.grad = None
    quantizer(latents, draws(1, quantized=False)).latents.sum().backward()
    assert torch.allclose(quantized, latents.grad, atol=1e-6)


def test_commitment_is_the_mean_over_levels_in_use(quantizer):
    quantizer.eval()
    latents = torch.randn(2, 6, 5)
    branch = quantizer.acoustic
    result = branch(latents, Draws(torch.arange(2), torch.tensor([1, 3]), torch.tensor([True, True])))
    residual = branch.input_proj(latents).transpose(1, 2)
    expected = []
    for level, layer in enumerate(branch.layers):
        residual = residual - layer.codebook.decode(result.codes[:, level])
        error = residual.square().mean(dim=(1, 2))
        expected += [error[1]] if level else [error[0], error[1]]
    assert torch.allclose(result.commitment, torch.stack(expected).mean(), atol=1e-6)


def test_evaluation_moves_nothing(quantizer):
    before = {name: buffer.clone() for name, buffer in quantizer.named_buffers()}
    quantizer.eval()(torch.randn(2, 6, 9), draws(2))
    assert all(torch.equal(buffer, before[name]) for name, buffer in quantizer.named_buffers())


def test_autocast_does_not_reach_the_codebooks(quantizer):
    quantizer.eval()
    latents = torch.randn(2, 6, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quantizer.encode(latents), quantizer.encode(latents.float()))
        result = quantizer(latents, draws(2))
    assert result.latents.dtype == torch.float32
    assert torch.equal(result.codes, quantizer.encode(latents))


def test_one_level_is_refused():
    with pytest.raises(AudiolmError, match="n_q is 1, expected at least 2"):
        QuantizerConfig(n_q=1)


KINDS = [
    pytest.param({"split": False, "codebook_dim": None}, id="residual"),
    pytest.param({"kind": "gradient"}, id="gradient"),
    pytest.param({"kind": "gradient", "split": False}, id="gradient-residual"),
    pytest.param({"kind": "factorised"}, id="factorised"),
    pytest.param({"kind": "factorised", "split": False}, id="factorised-residual"),
]


@pytest.fixture(params=KINDS)
def other(request):
    torch.manual_seed(0)
    options = {"n_q": 4, "codebook_size": 8, "codebook_dim": 3, **request.param}
    quantizer = QuantizerConfig(**options).build(6).train()
    quantizer(torch.randn(4, 6, 20), draws(4))
    return quantizer


def test_every_kind_sums_its_levels_and_its_parts(other):
    other.eval()
    latents = torch.randn(2, 6, 7)
    codes = other.encode(latents)
    result = other(latents, Draws(torch.arange(2), torch.tensor([4, 2]), torch.tensor([True, True])))
    assert torch.equal(codes, result.codes) and codes.shape == (2, 4, 7)
    assert torch.allclose(other.decode(codes[:1]), result.latents[:1], atol=1e-5)
    assert torch.allclose(other.decode(codes[1:, :2]), result.latents[1:], atol=1e-5)
    assert torch.allclose(other.decode(codes[:, :1]), result.semantic, atol=1e-5)
    bias = other.decode(codes) - sum(part[level].mT for part, level in zip(other.parts(), codes.unbind(1), strict=True))
    assert torch.allclose(bias, torch.zeros(()), atol=1e-5)
    assert len(other.codebooks()) == 4


def test_entries_that_are_parameters_learn_from_their_loss_and_encoders_from_commitment(other):
    latents = torch.randn(2, 6, 7, requires_grad=True)
    result = other.eval()(latents, draws(2))
    entries = [codebook.embed for codebook in other.codebooks() if hasattr(codebook, "embed")]
    if not entries:
        assert result.codebook is None
        return
    torch.testing.assert_close(result.codebook, result.commitment)  # equal values, gradients apart
    result.codebook.backward(retain_graph=True)
    assert all(entry.grad.abs().sum() > 0 for entry in entries) and latents.grad is None
    before = [entry.grad.clone() for entry in entries]
    (result.commitment + result.latents.sum()).backward()
    assert latents.grad.abs().sum() > 0
    assert all(torch.equal(entry.grad, was) for entry, was in zip(entries, before, strict=True))


def test_directions_alone_choose_factorised_entries():
    book = CosineCodebook(2, 2)
    book.embed.data.copy_(torch.tensor([[10.0, 0.0], [0.1, 0.1]]))
    assert book.encode(torch.tensor([[9.0, 8.0], [0.1, 0.01]])).tolist() == [1, 0]
    assert book.decode(torch.tensor([0])).tolist() == [[10.0, 0.0]]


def test_dropout_draws_from_the_levels_that_are_given():
    rng = np.random.default_rng(0)
    encodec = QuantizerConfig(n_q=32, split=False, dropout_levels=[2, 4, 8, 16, 32])
    assert {encodec.draw_levels(rng) for _ in range(200)} == {2, 4, 8, 16, 32}
    dac = QuantizerConfig(n_q=9, split=False, dropout=0.5)
    drawn = [dac.draw_levels(rng) for _ in range(1000)]
    assert set(drawn) == set(range(1, 10)) and 0.5 < np.mean(np.array(drawn) == 9) < 0.62


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_q": 0, "split": False}, "n_q is 0, expected at least 1"),
        ({"codebook_size": 1}, "codebook_size is 1, expected at least 2"),
        ({"dropout_levels": [1, 4]}, "expected numbers of levels from 2 to n_q"),
        ({"dropout_levels": []}, "or null"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, message):
    with pytest.raises(AudiolmError, match=message):
        QuantizerConfig(**options)
