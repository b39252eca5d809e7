"""Residual vector quantization: of latents as they are, of projections of each level, or split in two branches."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.codebook import Codebook, CosineCodebook, EuclideanCodebook, GradientCodebook
from audiolm.errors import AudiolmError
from audiolm.nn.conv import Norm, with_norm
from audiolm.train.ranks import mean_ranks


@dataclass
class QuantizerConfig:
    """Residual vector quantization; defaults are Mimi's (Moshi, sections 3.3.1 and 3.3.2).

    Attributes:
        n_q: levels, the semantic one included.
        codebook_size: entries of each level.
        codebook_dim: channels of the codebooks; null: those of the latents, which are not projected then (EnCodec).
        split: level 1 beside the others instead of before them.
        kind: ema: entries are moving averages (SoundStream, EnCodec, Mimi); gradient: they are parameters; factorised:
            those too, every level with projections of its own and with directions compared instead of vectors (DAC).
        decay: of the moving averages, per step.
        dead_after: an entry that none of so many times codebook_size vectors chose is replaced; 0: never.
        dropout: share of the training samples that use some of the levels only, drawn evenly; others use all.
        dropout_levels: numbers of levels to draw from, the semantic one included; null: every number (where ``split``,
            from two on).
        unquantized: share of the training samples whose latents reach the decoder as they are.
    """

    n_q: int = 8
    codebook_size: int = 2048
    codebook_dim: int | None = 256
    split: bool = True
    kind: Literal["ema", "gradient", "factorised"] = "ema"
    decay: float = 0.99
    dead_after: int = 50
    dropout: float = 1.0
    dropout_levels: list[int] | None = None
    unquantized: float = 0.5

    def __post_init__(self):
        if self.n_q < self.fewest:
            raise AudiolmError(
                f"n_q is {self.n_q}, expected at least {self.fewest}"
                + (": a semantic level and acoustic ones; or set split to false" if self.split else "")
            )
        if self.codebook_size < 2:
            raise AudiolmError(f"codebook_size is {self.codebook_size}, expected at least 2")
        wrong = [levels for levels in self.dropout_levels or [] if not self.fewest <= levels <= self.n_q]
        if wrong or self.dropout_levels == []:
            raise AudiolmError(
                f"dropout_levels are {self.dropout_levels}, expected numbers of levels from {self.fewest} to n_q "
                f"({self.n_q}), or null"
            )

    @property
    def fewest(self) -> int:
        """Levels that every training sample uses at least."""
        return 2 if self.split else 1

    def draw_levels(self, rng: np.random.Generator) -> int:
        """How many levels a training sample uses."""
        if rng.random() >= self.dropout:
            return self.n_q
        if self.dropout_levels is not None:
            return int(rng.choice(self.dropout_levels))
        return int(rng.integers(self.fewest, self.n_q, endpoint=True))

    def codebook(self, dim: int, seed: int) -> Codebook:
        """A level's codebook, of vectors of ``dim`` channels."""
        kinds = {"ema": EuclideanCodebook, "gradient": GradientCodebook, "factorised": CosineCodebook}
        return kinds[self.kind](self.codebook_size, dim, self.decay, self.dead_after, seed)

    def build(self, dim: int, norm: Norm = "none") -> "Quantizer":
        """The quantizer of latents of ``dim`` channels; ``norm`` is of the projections of factorised levels."""
        if self.split:
            return SplitQuantizer(self, dim, norm)
        return _branch(self, dim, self.n_q, 0, norm)


@dataclass
class Draws:
    """What chance decides about the samples of a batch. Drawn by sample, so that the number of ranks changes nothing.

    Attributes:
        index: int64 [B], number of the sample in the whole run.
        levels: int64 [B], levels in use, the semantic one included.
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
        codebook: the same with the gradient of the entries instead (van den Oord et al. 2017, equation 3); None where
            entries are moving averages.
    """

    latents: Tensor
    semantic: Tensor
    codes: Tensor
    commitment: Tensor
    codebook: Tensor | None


class Quantizer(nn.Module):
    """Latents <-> codes of several levels. Computes in float32 whatever the autocast: late residuals are small."""

    def encode(self, latents: Tensor) -> Tensor:
        """[B, D, F] -> int64 [B, K, F]"""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """int64 [B, K, F] of the first K levels -> [B, D, F]"""
        raise NotImplementedError

    def forward(self, latents: Tensor, draws: Draws) -> Quantized:
        """Quantize [B, D, F] with the levels that ``draws`` leaves and, in training mode, move the codebooks.

        All levels see all samples, also those that use fewer levels or go unquantized.
        """
        raise NotImplementedError

    def codebooks(self) -> list[Codebook]:
        """Of all levels, semantic first."""
        raise NotImplementedError

    def parts(self) -> list[Tensor]:
        """What each entry of each level adds to the latents: [size, D] a level."""
        raise NotImplementedError


class VectorQuantizer(nn.Module):
    """A level: holds its codebook under the name that released Mimi files use."""

    def __init__(self, codebook: Codebook):
        super().__init__()
        self.codebook = codebook


class ResidualQuantizer(Quantizer):
    """Level k quantizes what levels 1 … k - 1 left over (SoundStream, algorithm 1), between two projections."""

    def __init__(self, config: QuantizerConfig, dim: int, n_q: int, seed: int):
        super().__init__()
        self.learns = config.kind != "ema"  # entries have gradients
        inner = config.codebook_dim or dim
        projected = inner != dim
        self.input_proj = nn.Conv1d(dim, inner, 1, bias=False) if projected else nn.Identity()
        self.output_proj = nn.Conv1d(inner, dim, 1, bias=False) if projected else nn.Identity()
        self.layers = nn.ModuleList(VectorQuantizer(config.codebook(inner, seed + level)) for level in range(n_q))

    def encode(self, latents: Tensor) -> Tensor:
        with torch.autocast(latents.device.type, enabled=False):
            residual = self._project(latents)
            codes = []
            for layer in self.layers:
                codes.append(layer.codebook.encode(residual))
                residual = residual - layer.codebook.decode(codes[-1])
            return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        total = sum(layer.codebook.decode(level) for layer, level in zip(self.layers, codes.unbind(1), strict=False))
        return self.output_proj(total.transpose(1, 2))

    def forward(self, latents: Tensor, draws: Draws) -> Quantized:
        with torch.autocast(latents.device.type, enabled=False):
            projected = self._project(latents)
            residual, total = projected, torch.zeros_like(projected)
            codes, entries, losses = [], [], Losses(draws.levels, self.training)
            for layer in self.layers:
                codes.append(_choose(layer.codebook, residual.detach(), draws.index, self.training))
                entries.append(layer.codebook.decode(codes[-1]))
                losses.add(residual, entries[-1], self.learns)
                total = total + entries[-1].detach() * losses.in_use[-1][:, None, None]
                residual = residual - entries[-1].detach()
            first, all_in_use = (projected + (part - projected).detach() for part in (entries[0], total))
            chosen = torch.where(draws.quantized[:, None, None], all_in_use, projected)
            outputs = (self.output_proj(part.transpose(1, 2)) for part in (chosen, first))
            return Quantized(*outputs, torch.stack(codes, dim=1), *losses.means())

    def codebooks(self) -> list[Codebook]:
        return [layer.codebook for layer in self.layers]

    def parts(self) -> list[Tensor]:
        return [self.output_proj(layer.codebook.entries.T[None])[0].T for layer in self.layers]

    def _project(self, latents: Tensor) -> Tensor:  # [B, D, F] -> float32 [B, F, d]
        return self.input_proj(latents.float()).transpose(1, 2)


class FactorisedLevel(VectorQuantizer):
    """A level that looks its entries up in few channels, between projections of its own."""

    def __init__(self, codebook: Codebook, dim: int, inner: int, norm: Norm):
        super().__init__(codebook)
        self.input_proj = with_norm(nn.Conv1d(dim, inner, 1), norm)
        self.output_proj = with_norm(nn.Conv1d(inner, dim, 1), norm)

    def project(self, residual: Tensor) -> Tensor:
        """[B, D, F] -> [B, F, d]"""
        return self.input_proj(residual).transpose(1, 2)

    def expand(self, entries: Tensor) -> Tensor:
        """[B, F, d] -> [B, D, F]"""
        return self.output_proj(entries.transpose(1, 2))


class FactorisedQuantizer(Quantizer):
    """Residuals in the latents' channels, each level's entries in few of its own (Kumar et al. 2023, section 3.2)."""

    def __init__(self, config: QuantizerConfig, dim: int, n_q: int, seed: int, norm: Norm):
        super().__init__()
        inner = config.codebook_dim or dim
        self.layers = nn.ModuleList(
            FactorisedLevel(config.codebook(inner, seed + level), dim, inner, norm) for level in range(n_q)
        )

    def encode(self, latents: Tensor) -> Tensor:
        with torch.autocast(latents.device.type, enabled=False):
            residual, codes = latents.float(), []
            for layer in self.layers:
                codes.append(layer.codebook.encode(layer.project(residual)))
                residual = residual - layer.expand(layer.codebook.decode(codes[-1]))
            return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        levels = zip(self.layers, codes.unbind(1), strict=False)
        return sum(layer.expand(layer.codebook.decode(level)) for layer, level in levels)

    def forward(self, latents: Tensor, draws: Draws) -> Quantized:
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.float()
            residual, total = latents, torch.zeros_like(latents)
            codes, parts, losses = [], [], Losses(draws.levels, self.training)
            for layer in self.layers:
                projected = layer.project(residual)
                codes.append(_choose(layer.codebook, projected.detach(), draws.index, self.training))
                entries = layer.codebook.decode(codes[-1])
                losses.add(projected, entries, learns=True)
                parts.append(layer.expand(projected + (entries - projected).detach()))
                total = total + parts[-1] * losses.in_use[-1][:, None, None]
                residual = residual - parts[-1]
            chosen = torch.where(draws.quantized[:, None, None], total, latents)
            return Quantized(chosen, parts[0], torch.stack(codes, dim=1), *losses.means())

    def codebooks(self) -> list[Codebook]:
        return [layer.codebook for layer in self.layers]

    def parts(self) -> list[Tensor]:
        return [layer.expand(layer.codebook.entries[None])[0].T for layer in self.layers]


class SplitQuantizer(Quantizer):
    """Mimi's quantizer: one semantic level beside n_q - 1 acoustic ones, each branch on the latents themselves.

    Their outputs are summed (Moshi, section 3.3.2), so a teacher's pull on level 1 does not cost the others quality.
    """

    def __init__(self, config: QuantizerConfig, dim: int, norm: Norm = "none"):
        super().__init__()
        self.config = config
        self.semantic = _branch(config, dim, 1, 0, norm)
        self.acoustic = _branch(config, dim, config.n_q - 1, 1, norm)

    def encode(self, latents: Tensor) -> Tensor:
        return torch.cat([self.semantic.encode(latents), self.acoustic.encode(latents)], dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        latents = self.semantic.decode(codes[:, :1])
        return latents + self.acoustic.decode(codes[:, 1:]) if codes.shape[1] > 1 else latents

    def forward(self, latents: Tensor, draws: Draws) -> Quantized:
        one = torch.ones_like(draws.levels)
        semantic = self.semantic(latents, Draws(draws.index, one, draws.quantized))
        acoustic = self.acoustic(latents, Draws(draws.index, draws.levels - 1, draws.quantized))
        return Quantized(
            semantic.latents + acoustic.latents,
            semantic.semantic,
            torch.cat([semantic.codes, acoustic.codes], dim=1),
            (semantic.commitment + acoustic.commitment) / 2,
            None if semantic.codebook is None else (semantic.codebook + acoustic.codebook) / 2,
        )

    def codebooks(self) -> list[Codebook]:
        return self.semantic.codebooks() + self.acoustic.codebooks()

    def parts(self) -> list[Tensor]:
        return self.semantic.parts() + self.acoustic.parts()


class Losses:
    """Squared distances of residuals from their entries, level by level, over the samples whose levels are in use."""

    def __init__(self, levels: Tensor, training: bool):
        self.levels = levels  # [B]
        self.training = training  # ranks validate batches of their own: nothing may be asked of the others then
        self.in_use: list[Tensor] = []  # of each level: [B], 1 or 0
        self.commitment: list[Tensor] = []
        self.codebook: list[Tensor] = []

    def add(self, residual: Tensor, entries: Tensor, learns: bool) -> None:
        """The next level's residual and entries [B, F, d]; ``learns``: the entries have gradients."""
        self.in_use.append((len(self.in_use) < self.levels).to(entries))
        self.commitment.append(self._distance(residual, entries.detach()))
        if learns:
            self.codebook.append(self._distance(entries, residual.detach()))

    def means(self) -> tuple[Tensor, Tensor | None]:
        """Commitment and codebook loss."""
        count = torch.stack(self.in_use).sum()
        count = mean_ranks(count) if self.training else count
        return (
            torch.stack(self.commitment).sum() / count,
            torch.stack(self.codebook).sum() / count if self.codebook else None,
        )

    def _distance(self, x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(x, target, reduction="none").mean(dim=(1, 2)) * self.in_use[-1]


def _branch(config: QuantizerConfig, dim: int, n_q: int, seed: int, norm: Norm) -> Quantizer:
    if config.kind == "factorised":
        return FactorisedQuantizer(config, dim, n_q, seed, norm)
    return ResidualQuantizer(config, dim, n_q, seed)


def _choose(codebook: Codebook, vectors: Tensor, index: Tensor, training: bool) -> Tensor:
    """Codes of vectors [B, F, d]; in training the codebook starts from them or moves."""
    if training:
        codebook.start(vectors, index)
    codes = codebook.encode(vectors)
    if training:
        codebook.update(vectors, codes, index)
    return codes
