"""Sequences in slots: each comes out as it does alone, whoever its mates are and whenever it began."""

import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.continuation import TextSteps
from audiolm.lm.decode import Prompt, Rules, decode
from audiolm.lm.sampling import RepetitionGuard, Sampling
from audiolm.nn.transformer import TransformerConfig

GREEDY, WARM = Sampling(temperature=0), Sampling(temperature=1.5)
SHAPES = {
    "rotary": TransformerConfig(dim=32, layers=2, heads=4, ffn_dim=48),
    "window": TransformerConfig(dim=32, layers=2, heads=4, kv_heads=2, ffn_dim=48, context=5),
    "no positions": TransformerConfig(dim=32, layers=1, heads=2, ffn_dim=48, rope_base=None),
}
VOCAB = 40


def make(shape="rotary") -> TextSteps:
    torch.manual_seed(0)
    return TextSteps(Backbone(VOCAB, SHAPES[shape]).eval())


def prompts(count=5, most=12, without=False) -> list[Prompt]:
    """Of 1, 4, 7 … tokens; each may be drawn of other lengths."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for number in range(count):
        tokens = torch.randint(4, VOCAB, (1 + 3 * number,), generator=generator)
        made.append(Prompt(tokens, seed=7 * number, most=most - number, without=tokens[-1:] if without else None))
    return made


def slowly(model, prompt, tokens):
    """Teacher-forced again for every token, the likeliest."""
    text = prompt.tokens.tolist()
    for _ in range(tokens):
        with torch.no_grad():
            text.append(int(model.backbone.text_logits(torch.tensor([text]))[0, -1].argmax()))
    return text[len(prompt.tokens) :]


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_sequences_are_those_of_teacher_forcing(shape):
    model, asked = make(shape), prompts()
    assert decode(model, asked, Rules(GREEDY)) == [slowly(model, prompt, prompt.most) for prompt in asked]


RULES = {
    "greedy": Rules(GREEDY),
    "warm": Rules(WARM),
    "top-k": Rules(Sampling(1.5, top_k=5)),
    "top-p": Rules(Sampling(1.5, top_p=0.7)),
    "stops": Rules(WARM, stops=range(4, 12)),
    "guidance": Rules(WARM, guidance=2.0),
    "repetition": Rules(Sampling(0.3), repetition=RepetitionGuard(window=4, share=0.3)),
    "turns": Rules(WARM, allowed=lambda count: torch.arange(VOCAB) % 2 == count[:, None] % 2),
    "finished": Rules(WARM, finished=lambda made: made[-1] > 30),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", RULES)
def test_a_sequence_alone_equals_the_same_among_mates(name, shape):
    model, rules, asked = make(shape), RULES[name], prompts(without=True)
    alone = [decode(model, [prompt], rules)[0] for prompt in asked]
    assert len({tuple(one) for one in alone}) > 1
    for batch, chunk in ((5, 256), (2, 256), (3, 4), (5, 1)):  # slots are refilled where there are fewer than prompts
        assert decode(model, asked, rules, batch, chunk) == alone
    assert decode(model, asked[::-1], rules, 2) == alone[::-1]


def test_each_rule_does_what_it_says():
    model, asked = make(), prompts(most=40)
    texts = {name: decode(model, prompts(most=40, without=True), rules) for name, rules in RULES.items()}
    assert all(len(text) == prompt.most for text, prompt in zip(texts["warm"], asked, strict=True))
    assert not {token for text in texts["stops"] for token in text} & set(range(4, 12))
    assert any(len(text) < prompt.most for text, prompt in zip(texts["stops"], asked, strict=True))
    assert all(token % 2 == place % 2 for text in texts["turns"] for place, token in enumerate(text))
    for text in texts["finished"]:
        assert text[-1] > 30 or len(text) > 30
        assert max(text[:-1], default=0) <= 30
    never = decode(model, asked, Rules(WARM, never=range(20)))
    assert min(token for text in never for token in text) >= 20
    assert texts["guidance"] != texts["warm"]
    loops = decode(model, asked, Rules(GREEDY))
    freed = decode(model, asked, Rules(GREEDY, repetition=RepetitionGuard(window=4, share=0.3)))
    most = [max(text.count(token) for token in text) for text in (loops[0], freed[0])]
    assert most[1] < most[0]


def test_guidance_of_one_prompt_is_of_its_two_logits():
    model, (prompt,) = make(), prompts(1, most=1, without=True)
    prompt.tokens = torch.tensor([5, 6, 7])
    with torch.no_grad():
        cond, uncond = (model.backbone.text_logits(text[None])[0, -1] for text in (prompt.tokens, prompt.without))
    expected = int((uncond + 3.0 * (cond - uncond)).argmax())
    assert decode(model, [prompt], Rules(GREEDY, guidance=3.0)) == [[expected]]


def test_a_prefix_of_embeddings_is_read_as_its_tokens_are():
    model, asked = make(), prompts()
    as_vectors = [Prompt(model.embed(prompt.tokens).detach(), prompt.seed, prompt.most) for prompt in asked]
    assert decode(model, as_vectors, Rules(WARM), 2) == decode(model, asked, Rules(WARM))


def test_what_cannot_be_decoded_is_refused():
    model = make()
    assert decode(model, [], Rules()) == []
    with pytest.raises(AudiolmError, match="prompt 1 is empty, expected a token at least"):
        decode(model, [Prompt(torch.tensor([5])), Prompt(torch.tensor([], dtype=torch.int64))], Rules())
    with pytest.raises(AudiolmError, match="prompt 0 says nothing of itself without its condition"):
        decode(model, [Prompt(torch.tensor([5]))], Rules(guidance=2.0))
