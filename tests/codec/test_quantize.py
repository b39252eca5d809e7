"""Residual and split quantization: identities, straight-through gradients, dropout, unquantized samples."""

import pytest
import torch

from audiolm.codec.quantize import Draws, QuantizerConfig, ResidualQuantizer, SplitQuantizer
from audiolm.errors import AudiolmError

CONFIG = QuantizerConfig(n_q=4, codebook_size=8, codebook_dim=3)


def draws(batch, levels=3, quantized=True):
    return Draws(torch.arange(batch), torch.full((batch,), levels), torch.full((batch,), quantized))


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    quantizer = SplitQuantizer(CONFIG, dim=6).train()
    quantizer(torch.randn(4, 6, 20), draws(4))  # starts the codebooks
    return quantizer


def test_residual_quantizer_by_hand():
    rvq = ResidualQuantizer(QuantizerConfig(codebook_size=2, codebook_dim=1), dim=1, n_q=2, seed=0).eval()
    for projection in (rvq.input_proj, rvq.output_proj):
        projection.weight.data.fill_(1.0)
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
    chance = Draws(torch.arange(3), torch.tensor([1, 3, 3]), torch.tensor([True, True, False]))
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
    _, _, codes, commitment = branch(latents, torch.tensor([1, 3]), torch.arange(2))
    residual = branch.input_proj(latents).transpose(1, 2)
    expected = []
    for level, layer in enumerate(branch.layers):
        residual = residual - layer.codebook.decode(codes[:, level])
        error = residual.square().mean(dim=(1, 2))
        expected += [error[1]] if level else [error[0], error[1]]
    assert torch.allclose(commitment, torch.stack(expected).mean(), atol=1e-6)


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
