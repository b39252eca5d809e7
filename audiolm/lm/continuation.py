"""A text LM goes on with texts, token by token."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audiolm.lm.backbone import Backbone
from audiolm.lm.decode import Prompt, Rules, decode
from audiolm.lm.sampling import Sampling
from audiolm.nn.transformer import TransformerCache
from audiolm.text.specials import SENTENCEPIECE, Specials


class TextSteps:
    """A backbone as the decode engine runs it (:class:`audiolm.lm.decode.Stepped`)."""

    def __init__(self, backbone: Backbone):
        self.backbone = backbone

    def cache(self, batch: int, chunk: int, longest: int) -> TransformerCache:
        return self.backbone.transformer.make_cache(batch, chunk, longest)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.backbone.embed_text(tokens)

    def states(self, x: Tensor, cache: TransformerCache) -> Tensor:
        return self.backbone(x, cache)

    def logits(self, states: Tensor) -> Tensor:
        return self.backbone.text_head(states)


def continue_texts(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    sampling: Sampling,
    seed: int = 0,
    vocab: int | None = None,
    specials: Specials = SENTENCEPIECE,
    batch: int = 64,
) -> list[list[int]]:
    """What follows each prompt: at most ``tokens`` ids, without the EOS that ends it.

    Args:
        backbone: a text LM.
        prompts: ids each, BOS first; of any lengths.
        tokens: most of a continuation.
        sampling: how tokens are drawn.
        seed: of the draws; each text has its own by its place among all, so that ``batch`` changes none.
        vocab: ids of the tokenizer, where the model has more: those are not drawn; None = as many.
        specials: ids of the tokenizer's special tokens.
        batch: texts at once.
    """
    device, most = backbone.text_head.weight.device, backbone.text_head.out_features
    never = [specials.epad, specials.bos, specials.pad, *range(most if vocab is None else vocab, most)]
    rules = Rules(sampling, stops=[specials.eos], never=never)
    asked = [
        Prompt(torch.tensor(prompt, device=device), (seed << 32) + place, tokens)
        for place, prompt in enumerate(prompts)
    ]
    return decode(TextSteps(backbone), asked, rules, batch)
