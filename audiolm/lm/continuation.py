"""A text LM goes on with texts, token by token, with the transformer's ring caches."""

from collections.abc import Sequence

import torch

from audiolm.lm.backbone import Backbone
from audiolm.lm.sampling import Sampling, sample
from audiolm.text.specials import SENTENCEPIECE, Specials


@torch.no_grad()
def continue_texts(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    sampling: Sampling,
    seed: int = 0,
    vocab: int | None = None,
    specials: Specials = SENTENCEPIECE,
) -> list[list[int]]:
    """What follows each prompt: at most ``tokens`` ids, without the EOS that ends it.

    Args:
        backbone: a text LM.
        prompts: ids each, BOS first; of any lengths, together as one batch.
        tokens: most of a continuation.
        sampling: how tokens are drawn.
        seed: of the draws.
        vocab: ids of the tokenizer, where the model has more: those are not drawn; None = as many.
        specials: ids of the tokenizer's special tokens.
    """
    device = backbone.text_head.weight.device
    generator = torch.Generator(device).manual_seed(seed)
    longest = max(map(len, prompts))
    cache = backbone.transformer.make_cache(len(prompts), frames=longest + tokens)
    given = torch.tensor([[*prompt, *[specials.pad] * (longest - len(prompt))] for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    most = backbone.text_head.out_features
    never = torch.tensor(
        [specials.epad, specials.bos, specials.pad, *range(most if vocab is None else vocab, most)], device=device
    )
    found: list[list[int]] = [[] for _ in prompts]
    going = [True] * len(prompts)
    token = given[:, 0]
    for step in range(1, longest + tokens):
        logits = backbone.text_logits(token[:, None], cache)[:, 0].index_fill(1, never, -torch.inf)
        token = sample(logits, sampling, generator)
        if step < longest:
            token = torch.where(step < lengths, given[:, step], token)
        for slot, (id, length) in enumerate(zip(token.tolist(), lengths.tolist(), strict=True)):
            if step >= length and going[slot]:
                going[slot] = id != specials.eos and len(found[slot]) < tokens
                found[slot] += [id] if going[slot] else []
        if not any(going):
            break
    return found
