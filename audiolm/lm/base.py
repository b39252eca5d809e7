"""What training systems of language models share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from audiolm.lm.backbone import Backbone
from audiolm.lm.loss import head_losses
from audiolm.streams.grid import ABSENT
from audiolm.text.specials import Specials
from audiolm.train.system import System
from audiolm.train.tensors import check_same_tensors


class LMSystem(System):
    """A training system around a backbone."""

    @property
    def trunk(self) -> Backbone:
        """The backbone."""
        raise NotImplementedError

    def blocks(self) -> list[nn.Module]:
        return list(self.trunk.transformer.layers)


def text_nats(backbone: Backbone, tokens: Tensor, corpus: str, specials: Specials) -> tuple[Tensor, Tensor]:
    """Summed cross entropy of text, and the targets [B, T]; BOS is no target in documents.

    Args:
        tokens: int64 [B, 1 + T].
        corpus: ``documents`` or ``dialogues``.
    """
    targets = tokens[:, 1:]
    if corpus == "documents":
        targets = targets.masked_fill(targets == specials.bos, ABSENT)
    states = backbone(backbone.embed_text(tokens[:, :-1]))
    heads = backbone.text_head.weight.T[None]
    nats = head_losses(states.flatten(0, 1)[None], heads, targets.flatten()[None], states.new_ones(1, 1))
    return nats[0], targets


def copy_weights(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy tensors by name.

    Raises:
        AudiolmError: names or shapes differ.
    """
    check_same_tensors(own, state)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])
