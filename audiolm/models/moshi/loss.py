"""Moshi's training loss (section 4.4): CE(text) + Σₖ αₖ CE(codesₖ) / Σₖ αₖ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from audiolm.lm.depth import rows
from audiolm.lm.loss import head_losses
from audiolm.text.specials import SENTENCEPIECE, Specials
from audiolm.train.ranks import mean_ranks


@dataclass
class LossConfig:
    """Weights of the loss.

    Attributes:
        semantic_weight, acoustic_weight: α of each speaker's first codebook level and of the others (paper: 100, 1).
        pad_weight: weight of text targets that are padding (paper: 0.5).
        text_padding: ``paper``: PAD is padding, and the text loss is divided by the number of targets.
            ``moshi_finetune``: EPAD is padding too, and the loss is divided by the sum of the weights.
    """

    semantic_weight: float = 100.0
    acoustic_weight: float = 1.0
    pad_weight: float = 0.5
    text_padding: Literal["paper", "moshi_finetune"] = "paper"


def text_loss(
    states: Tensor,
    head: Tensor,
    targets: Tensor,
    config: LossConfig,
    scale: Tensor | float = 1.0,
    specials: Specials = SENTENCEPIECE,
) -> Tensor:
    """Weighted cross entropy of the text stream, a scalar.

    Args:
        states: [..., dim].
        head: [V, dim], the matrix that turns them into logits.
        targets: int64 [...]; outside 0 … V - 1 (absent, start token) = not a target.
        scale: factor on each target's loss, broadcast to [...]; the divisor does not know it.
    """
    is_target = (targets >= 0) & (targets < len(head))
    padding = targets == specials.pad
    if config.text_padding == "moshi_finetune":
        padding = padding | (targets == specials.epad)
    weights = torch.where(padding, config.pad_weight, 1.0) * is_target
    total = weights.sum() if config.text_padding == "moshi_finetune" else is_target.sum()
    losses = head_losses(
        states.flatten(0, -2)[None], head.T[None], targets.flatten()[None], (weights * scale).flatten()[None]
    )
    return losses.sum() / mean_ranks(total).clamp(min=1e-8)


def codes_loss(parts: Sequence[tuple[Tensor, Tensor]], heads: Tensor, alphas: Tensor) -> Tensor:
    """Σₖ αₖ CE(codesₖ) / Σₖ αₖ over all targets of all parts, a scalar.

    Args:
        parts: (states [K, N, dim], targets int64 [K, N]) each, of the first K levels; targets outside 0 … V - 1 are
            none.
        heads: [≥ K, dim, V], the matrices that turn each level's states into logits.
        alphas: [≥ K].
    """
    total = weight = alphas.new_zeros(())
    for states, targets in parts:
        levels = len(states)
        total = total + head_losses(states, rows(heads, 0, levels), targets, alphas[:levels, None]).sum()
        weight = weight + (alphas[:levels, None] * ((targets >= 0) & (targets < heads.shape[2]))).sum()
    return total / mean_ranks(weight).clamp(min=1e-8)


def level_weights(levels: int, predicted: int, config: LossConfig) -> Tensor:
    """α of each predicted code, float32 [predicted]: semantic weight at every speaker's first level."""
    alphas = torch.full((predicted,), config.acoustic_weight)
    alphas[::levels] = config.semantic_weight
    return alphas
