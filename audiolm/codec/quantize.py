"""Residual vector quantization, and Mimi's split into a semantic and an acoustic branch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.codebook import EuclideanCodebook
from audiolm.errors import AudiolmError


@dataclass
class QuantizerConfig:
    """Split residual vector quantization; defaults are Mimi's (Moshi, sections 3.3.2 and 3.3.3).

    Attributes:
        n_q: levels, the semantic one included.
        codebook_size: entries of each level.
        codebook_dim: channels of the codebooks.
        decay: of the codebooks' moving averages, per step.
        dead_after: an entry that none of so many times codebook_size vectors chose is replaced.
        dropout: share of the training samples that use 1 … n_q - 1 acoustic levels, drawn evenly; others use all.
        unquantized: share of the training samples whose latents reach the decoder as they are.
    """

    n_q: int = 8
    codebook_size: int = 2048
    codebook_dim: int = 256
    decay: float = 0.99
    dead_after: int = 50
    dropout: float = 1.0
    unquantized: float = 0.5

    def __post_init__(self):
        if self.n_q < 2:
            raise AudiolmError(f"n_q is {self.n_q}, expected at least 2: a semantic level and acoustic ones")


@dataclass
class Draws:
    """What chance decides about the samples of a batch. Drawn by sample, so that the number of ranks changes nothing.

    Attributes:
        index: int64 [B], number of the sample in the whole run.
        levels: int64 [B], acoustic levels in use, 1 … n_q - 1.
        quantized: bool [B], False: latents reach the decoder as they are.
    """

    index: Tensor
    levels: Tensor
    quantized: Tensor


@dataclass
class Quantized:
    """What quantization in training gives.

    Attributes:
        latents: [B, D, F], what the decoder gets; gradients pass straight through to the encoder.
        semantic: [B, D, F], the first level's part of the latents, always quantized (what a teacher is distilled into).
        codes: int64 [B, K, F].
        commitment: scalar, mean squared distance of the residuals from their entries over the levels in use.
    """

    latents: Tensor
    semantic: Tensor
    codes: Tensor
    commitment: Tensor


class VectorQuantizer(nn.Module):
    """A level: holds its codebook under the name that released Mimi files use."""

    def __init__(self, config: QuantizerConfig, seed: int):
        super().__init__()
        self.codebook = EuclideanCodebook(
            config.codebook_size, config.codebook_dim, config.decay, config.dead_after, seed
        )


class ResidualQuantizer(nn.Module):
    """Level k quantizes what levels 1 … k - 1 left over (SoundStream, algorithm 1), between two projections.

    Codebooks work in float32 whatever the autocast: near the end of the chain residuals are small differences.
    """

    def __init__(self, config: QuantizerConfig, dim: int, n_q: int, seed: int):
        super().__init__()
        self.input_proj = nn.Conv1d(dim, config.codebook_dim, 1, bias=False)
        self.output_proj = nn.Conv1d(config.codebook_dim, dim, 1, bias=False)
        self.layers = nn.ModuleList(VectorQuantizer(config, seed + level) for level in range(n_q))

    def encode(self, latents: Tensor) -> Tensor:
        """[B, D, F] -> int64 [B, K, F]"""
        residual = self._project(latents)
        codes = []
        for layer in self.layers:
            codes.append(layer.codebook.encode(residual))
            residual = residual - layer.codebook.decode(codes[-1])
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """int64 [B, K, F], K at most the number of levels -> [B, D, F]"""
        total = sum(layer.codebook.decode(level) for layer, level in zip(self.layers, codes.unbind(1), strict=False))
        return self.output_proj(total.transpose(1, 2))

    def forward(self, latents: Tensor, levels: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantize with the first ``levels`` [B] levels and, in training mode, move the codebooks.

        All levels see all samples of ``index`` [B], also those that use fewer levels.

        Returns:
            projected latents [B, F, d], the same quantized (straight-through), codes [B, K, F], commitment.
        """
        projected = self._project(latents)
        residual, total = projected, torch.zeros_like(projected)
        codes, losses, weights = [], [], []
        for level, layer in enumerate(self.layers):
            codebook, detached = layer.codebook, residual.detach()
            if self.training:
                codebook.start(detached, index)
            codes.append(codebook.encode(detached))
            entries = codebook.decode(codes[-1])
            if self.training:
                codebook.update(detached, codes[-1], index)
            in_use = (level < levels).to(entries)
            losses.append(F.mse_loss(residual, entries, reduction="none").mean(dim=(1, 2)) * in_use)
            weights.append(in_use)
            total = total + entries * in_use[:, None, None]
            residual = residual - entries
        commitment = torch.stack(losses).sum() / torch.stack(weights).sum()
        return projected, projected + (total - projected).detach(), torch.stack(codes, dim=1), commitment

    def _project(self, latents: Tensor) -> Tensor:  # [B, D, F] -> float32 [B, F, d]
        return self.input_proj(latents).transpose(1, 2).float()


class SplitQuantizer(nn.Module):
    """Mimi's quantizer: one semantic level beside n_q - 1 acoustic ones, each branch on the latents themselves.

    Their outputs are summed (Moshi, section 3.3.3), so a teacher's pull on level 1 does not cost the others quality.
    """

    def __init__(self, config: QuantizerConfig, dim: int):
        super().__init__()
        self.config = config
        self.semantic = ResidualQuantizer(config, dim, 1, seed=0)
        self.acoustic = ResidualQuantizer(config, dim, config.n_q - 1, seed=1)

    def encode(self, latents: Tensor) -> Tensor:
        """[B, D, F] -> int64 [B, n_q, F], semantic first."""
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.float()
            return torch.cat([self.semantic.encode(latents), self.acoustic.encode(latents)], dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """int64 [B, K, F], 1 <= K <= n_q -> [B, D, F]: the first K levels alone."""
        latents = self.semantic.decode(codes[:, :1])
        return latents + self.acoustic.decode(codes[:, 1:]) if codes.shape[1] > 1 else latents

    def forward(self, latents: Tensor, draws: Draws) -> Quantized:
        """Quantize [B, D, F] as in training: levels dropped and samples left as they are by ``draws``."""
        with torch.autocast(latents.device.type, enabled=False):
            latents, one = latents.float(), torch.ones_like(draws.levels)
            outputs, commitments, codes = [], [], []
            for branch, levels in ((self.semantic, one), (self.acoustic, draws.levels)):
                projected, quantized, branch_codes, commitment = branch(latents, levels, draws.index)
                chosen = torch.where(draws.quantized[:, None, None], quantized, projected)
                outputs.append(branch.output_proj(chosen.transpose(1, 2)))
                if branch is self.semantic:
                    semantic = branch.output_proj(quantized.transpose(1, 2))
                commitments.append(commitment)
                codes.append(branch_codes)
            return Quantized(sum(outputs), semantic, torch.cat(codes, dim=1), sum(commitments) / 2)

    def codebooks(self) -> list[EuclideanCodebook]:
        """Of all levels, semantic first."""
        return [layer.codebook for branch in (self.semantic, self.acoustic) for layer in branch.layers]
