"""Texts that a text LM goes on with: greedy ones are those of teacher forcing, whatever else is in the batch."""

import torch

from audiolm.lm.backbone import Backbone
from audiolm.lm.continuation import continue_texts
from audiolm.lm.sampling import Sampling
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD

GREEDY = Sampling(temperature=0)


def make() -> Backbone:
    torch.manual_seed(0)
    return Backbone(40, TransformerConfig(dim=32, layers=2, heads=4, ffn_dim=48)).eval()


def slowly(backbone, prompt, tokens):
    """Teacher-forced again for every token."""
    text = list(prompt)
    for _ in range(tokens):
        with torch.no_grad():
            logits = backbone.text_logits(torch.tensor([text]))[0, -1]
        logits[[EPAD, BOS, PAD]] = -torch.inf
        text.append(int(logits.argmax()))
        if text[-1] == EOS:
            return text[len(prompt) : -1]
    return text[len(prompt) :]


def test_greedy_texts_are_those_of_teacher_forcing():
    backbone, prompts = make(), [[BOS], [BOS, 5, 6, 7], [BOS, 9], [BOS, 30, 31, 32, 33, 34]]
    assert continue_texts(backbone, prompts, 10, GREEDY) == [slowly(backbone, prompt, 10) for prompt in prompts]


def test_texts_end_at_eos_and_special_ids_are_never_drawn():
    backbone = make()
    texts = continue_texts(backbone, [[BOS, 5]] * 40, 12, Sampling(temperature=5.0), seed=1)
    assert all(id > PAD for text in texts for id in text) and max(map(len, texts)) <= 12
    assert any(len(text) < 12 for text in texts)  # an EOS among so many draws
    assert texts == continue_texts(backbone, [[BOS, 5]] * 40, 12, Sampling(temperature=5.0), seed=1)
    few = continue_texts(backbone, [[BOS, 5]] * 40, 12, Sampling(temperature=5.0), vocab=9)
    assert {id for text in few for id in text} <= set(range(PAD + 1, 9))
    with torch.no_grad():
        backbone.text_head.weight[EOS] = 100 * backbone.text_head.weight[EOS].sign()
    assert all(len(text) <= 12 for text in continue_texts(backbone, [[BOS], [BOS, 4, 5]], 12, GREEDY))
