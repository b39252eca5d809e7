"""When the words of a known text are said, from the cross-attention of transformers' Whisper.

One pass over a text with its own audio: the attention of the heads that follow the audio, over the frames that hold
audio, their mean normalised over the tokens as in whisper-timestamped (Louradour 2023), then the path through it on
which every token lasts a frame at least (dynamic time warping without vertical steps: no word has length zero). One
stretch at a time: neither neighbours nor padding can move a word. transformers' own word times are not used: where the
texts of a batch differ in length, its ``_extract_token_timestamps`` (v5.23) takes the padding after a shorter one for
tokens, which crowd the real ones out of the end of the audio.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from audiolm.text.normalize import normalize

FRAME = 0.02  # seconds: Whisper's encoder gives 50 frames a second
NO_BLANKS = ("zh", "ja", "th", "lo", "my", "yue")  # languages that write no blanks between words; openai-whisper's list
OPENING = "\"'“‘«¿¡([{-$£€#&「『（《"  # marks that go with the word after where a blank is before them


class Reading(NamedTuple):
    """A text as the model reads it along with the audio.

    Attributes:
        starts: frame in which each token begins, then the frame in which the last one ends: int [T + 1].
        logprobs: of each token, then of the text's end: float [T + 1].
    """

    starts: np.ndarray
    logprobs: np.ndarray


def read_along(model, encoded, prompt: Sequence[int], text: Sequence[int], frames: int) -> Reading:
    """Find when each token of ``text`` is said.

    Args:
        model: transformers' WhisperForConditionalGeneration.
        encoded: the encoder's states of one stretch [1, 1500, D].
        prompt: tokens before the text, such as ``<|startoftranscript|> <|en|> <|transcribe|> <|notimestamps|>``.
        text: without special tokens; at least one and fewer than ``frames``.
        frames: that hold audio, at FRAME s each.
    """
    import torch

    config = model.generation_config
    tokens = [*prompt, *text, config.eos_token_id]
    with torch.inference_mode(), _queries_and_keys(model, config.alignment_heads) as found:
        ids = torch.tensor([tokens], device=encoded.device)
        logits = model(encoder_outputs=(encoded,), decoder_input_ids=ids, use_cache=False).logits[0]
        rows = torch.arange(len(prompt) - 1, len(tokens) - 1, device=logits.device)  # each predicts the next token
        logits = logits[rows].float()
        logits[:, config.suppress_tokens or []] = -torch.inf  # as in decoding
        logprobs = logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None])[:, 0].cpu().numpy()
        heads = torch.stack([_weights(*found[layer], head, frames) for layer, head in config.alignment_heads])
        weights = heads.mean(dim=0)  # [tokens, frames]
        weights = weights / weights.norm(dim=0).clamp(min=1e-12)
    # A row's attention is where the next token is heard; the last one is that of what follows the text.
    return Reading(monotonic_starts(-weights[len(prompt) - 1 : -1].double().cpu().numpy()), logprobs)


@contextmanager
def _queries_and_keys(model, heads: Sequence[Sequence[int]]) -> Iterator[dict[int, list]]:
    """Collect layer -> [query, key] (each [tokens or frames, heads, D]) of the cross-attention in ``heads``' layers.

    The weights are computed from these, of the few heads that are wanted: asking the model for its attention would keep
    all heads of all layers.
    """
    found: dict[int, list] = {}
    hooks = []
    for layer in sorted({layer for layer, _ in heads}):
        attention = model.model.decoder.layers[layer].encoder_attn
        shape = (-1, attention.num_heads, attention.head_dim)
        found[layer] = [None, None]
        for place, (part, scale) in enumerate(((attention.q_proj, attention.scaling), (attention.k_proj, 1.0))):

            def keep(_, __, output, own=found[layer], place=place, shape=shape, scale=scale):
                own[place] = output[0].view(shape) * scale

            hooks.append(part.register_forward_hook(keep))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _weights(query, key, head: int, frames: int):
    """Attention of one head to the frames that hold audio: [tokens, frames]."""
    return (query[:, head] @ key[:frames, head].T).float().softmax(-1)


def monotonic_starts(cost: np.ndarray) -> np.ndarray:
    """First column of every row on the cheapest path through ``cost`` [rows, columns], then that of the last row's end.

    The path begins at the top left, ends at the bottom right, and in each column stays in its row or goes to the next:
    every row has one column at least. The last row is what follows the text, and its start the end of the last token.

    >>> monotonic_starts(np.array([[0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]])).tolist()
    [0, 2, 3]
    """
    rows, columns = cost.shape
    total = np.full(rows, np.inf)
    total[0] = cost[0, 0]
    moved = np.zeros((columns, rows), dtype=bool)
    for column in range(1, columns):
        before = np.concatenate([[np.inf], total[:-1]])
        moved[column] = before < total
        total = np.minimum(before, total) + cost[:, column]
    starts, row = np.zeros(rows, dtype=np.int64), rows - 1
    for column in range(columns - 1, 0, -1):
        if moved[column, row]:
            starts[row] = column
            row -= 1
    return starts


def words_of(tokenizer, tokens: Sequence[int], language: str = "en") -> list[tuple[str, int, int]]:
    """Group tokens into words: (word with its punctuation, first token that is spoken, the one after the last such).

    A word begins with a blank; what has none goes on with the word before ("cold" "-hearted", "a" ".m."). In languages
    without blanks each token is a word. Marks by themselves are none: they go with the word before, opening ones with
    the word after. They have no time: their tokens mostly lie in the pause after a word.
    """
    words: list[list] = []
    for text, first, last in _characters(tokenizer, tokens):
        spoken, mark = bool(normalize(text)), text.strip()
        begins = (text[0].isspace() or language in NO_BLANKS) and (spoken or mark in OPENING)
        if not words or (begins and normalize(words[-1][0])):  # a word of marks alone waits for what they open
            words.append(["", None, None])
        words[-1][0] += text
        if spoken:
            words[-1][1:] = [first if words[-1][1] is None else words[-1][1], last]
    return [(text.strip(), first, last) for text, first, last in words if first is not None]


def _characters(tokenizer, tokens: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """The shortest runs of tokens that hold whole characters: (text, first token, the one after the last)."""
    first = 0
    for last in range(1, len(tokens) + 1):
        text = tokenizer.decode(tokens[first:last], clean_up_tokenization_spaces=False)
        if text and ("\ufffd" not in text or last == len(tokens)):
            yield text, first, last
            first = last
