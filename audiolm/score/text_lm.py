"""A text LM on unseen documents: perplexity by token and by word, bits by byte, each beside the unigram of tokens; and
continuations to read.
"""

import json
from collections.abc import Iterator
from itertools import islice
from math import exp, log
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from audiolm.data.files import write_lines
from audiolm.lm.continuation import continue_texts
from audiolm.lm.documents import Packed
from audiolm.lm.sampling import Sampling
from audiolm.lm.text_lm import TextLM
from audiolm.models.open import load_as
from audiolm.score.record import Score, bootstrap_ci
from audiolm.streams.grid import ABSENT

PROTOCOL = (
    "each document by itself from BOS, teacher-forced, with at least {half} tokens before where it is longer than "
    "{tokens}; its end counts as a token, a word and a byte; {what}; items are documents, and the interval is over them"
)
BATCH = 8192  # tokens at once
PROMPT_WORDS, PROMPTS, UNPROMPTED, CONTINUATION = 8, 6, 2, 48
LOOKED_AT = 1000  # documents, for long ones to take prompts from
SAMPLING = Sampling(temperature=0.8, top_k=50)
SAMPLES = "generate/text/samples.jsonl"  # in the experiment


def score(name: str | Path, train: str | Path, test: str | Path, data: str) -> list[Score]:
    """Three scores: ``textlm_perplexity_token``, ``textlm_perplexity_word``, ``textlm_bits_per_byte``.

    Args:
        name: of the text LM (:func:`audiolm.models.open.load_as`).
        train, test: ``dump/<set>`` directories with packed documents that the unigram is counted on and both are scored
            on.
        data: name of the test set.

    Raises:
        AudiolmError: the documents are of another tokenizer, or there are none.
    """
    lm = load_as(name, "textlm", _device())
    documents = list(read_packed(test, lm).documents())
    unigram = count_unigram(train, lm)
    nats = np.array(document_losses(lm, documents))
    bound = np.array([-unigram[document[1:]].sum() for document in documents])
    lengths, starts = np.array(lm.tokenizer.byte_lengths()), _starts(lm)
    tokens = np.array([len(document) - 1 for document in documents])
    first = 0 if lm.tokenizer.leading_space else 1  # word, and space, that no piece begins with
    words = np.array([starts[document].sum() + 1 + first for document in documents])
    size = np.array([lengths[document].sum() + first for document in documents])
    kinds = {
        "perplexity_token": (tokens, "exp of nats a token", exp),
        "perplexity_word": (words, "exp of nats a word", exp),
        "bits_per_byte": (size, "bits a byte of UTF-8", lambda value: value / log(2)),
    }
    details = {"documents": len(documents), "tokens": tokens.sum(), "words": words.sum(), "bytes": size.sum()}
    return [
        Score(
            metric=f"textlm_{kind}",
            value=told(nats.sum() / counts.sum()),
            unit="bit/byte" if kind == "bits_per_byte" else "",
            protocol=PROTOCOL.format(half=lm.tokens // 2, tokens=lm.tokens, what=what),
            backend=Path(name).name,
            checksum=lm.checksum,
            data=data,
            count=len(documents),
            ci=None if (ci := bootstrap_ci(nats, counts)) is None else (told(ci[0]), told(ci[1])),
            baseline=told(bound.sum() / counts.sum()),
            baseline_name="unigram of tokens",
            details={key: float(value) for key, value in details.items()},
        )
        for kind, (counts, what, told) in kinds.items()
    ]


def read_packed(directory: str | Path, lm: TextLM) -> Packed:
    """A set's documents, if they are of the LM's tokenizer."""
    return Packed(directory, lm.backbone.text_head.out_features, lm.tokens, lm.tokenizer.checksum)


def document_losses(lm: TextLM, documents: list[np.ndarray]) -> list[float]:
    """Summed cross entropy of each document in nats, BOS given.

    A document longer than the LM's training sequences goes in windows of that length which overlap by half: of a window
    only the half that was not scored before counts.
    """
    windows = [(n, *window) for n, document in enumerate(documents) for window in _windows(document, lm.tokens)]
    windows.sort(key=lambda window: len(window[1]))
    sums = [0.0] * len(documents)
    device = lm.backbone.text_head.weight.device
    while windows:
        rows = max(1, BATCH // len(windows[-1][1]))
        windows, batch = windows[:-rows], windows[-rows:]
        width = max(len(tokens) for _, tokens, _ in batch)
        grid = np.full((len(batch), width), ABSENT, dtype=np.int64)
        for row, (_, tokens, _) in enumerate(batch):
            grid[row, : len(tokens)] = tokens
        grid = torch.from_numpy(grid).to(device)
        with torch.inference_mode():
            logits = lm.backbone.text_logits(grid[:, :-1]).float()
            losses = F.cross_entropy(logits.transpose(1, 2), grid[:, 1:], ignore_index=ABSENT, reduction="none")
        for row, (n, _, known) in enumerate(batch):
            sums[n] += float(losses[row, known:].double().sum())
    return sums


def _windows(document: np.ndarray, tokens: int) -> Iterator[tuple[np.ndarray, int]]:
    """(Part of a document, how many of its targets the part before has scored)."""
    start, scored = 0, 0  # of the part; targets
    while scored < len(document) - 1:
        part = document[start : start + tokens + 1]
        yield part, scored - start
        scored = start + len(part) - 1
        start += max(1, tokens // 2)


def count_unigram(train: str | Path, lm: TextLM) -> np.ndarray:
    """Log probability of every token, float64 [vocabulary]: counts of the training set and one; none of BOS."""
    packed = read_packed(train, lm)
    counts = np.ones(lm.backbone.text_head.out_features)
    for key in packed.keys:
        counts += np.bincount(packed.reader.read(key)[:, 0], minlength=len(counts))
    counts[lm.tokenizer.specials.bos] = 1
    return np.log(counts / counts.sum())


def write_samples(name: str | Path, test: str | Path, seed: int = 0) -> Path:
    """Let the LM go on from the first words of some documents, and from nothing; write ``generate/text/samples.jsonl``.

    Args:
        name: experiment of the text LM.
        test: ``dump/<set>`` directory with packed documents; the first long ones are taken.
        seed: of the draws.
    """
    lm = load_as(name, "textlm", _device())
    first = islice(read_packed(test, lm).documents(), LOOKED_AT)
    parts = [_divide(document, _starts(lm)) for document in first]
    parts.sort(key=lambda part: part[0] < PROMPT_WORDS)  # long ones, in their order, before short ones
    found = [(prompt, rest) for _, prompt, rest in parts[:PROMPTS]] + [([lm.tokenizer.specials.bos], [])] * UNPROMPTED
    prompts = [prompt for prompt, _ in found]
    texts = continue_texts(
        lm.backbone, prompts, CONTINUATION, SAMPLING, seed, lm.tokenizer.vocab_size, lm.tokenizer.specials
    )
    decode, drawn = lm.tokenizer.decode, {"temperature": SAMPLING.temperature, "top_k": SAMPLING.top_k, "seed": seed}
    samples = (
        {"prompt": decode(prompt), "continuation": decode(text), "original": decode(rest), **drawn}
        for (prompt, rest), text in zip(found, texts, strict=True)
    )
    path = Path(name) / SAMPLES
    write_lines(path, (json.dumps(sample, ensure_ascii=False) for sample in samples))
    return path


def _divide(document: np.ndarray, starts: np.ndarray) -> tuple[int, list[int], list[int]]:
    """(Words given, their ids after BOS, ids that follow): the first words of a document, at most half of them."""
    begins = np.flatnonzero(starts[document])
    words = min(PROMPT_WORDS, len(begins) // 2)
    end = int(begins[words]) if words else 1
    return words, document[:end].tolist(), document[end : end + CONTINUATION].tolist()


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _starts(lm: TextLM) -> np.ndarray:
    """Which ids begin a word, bool [vocabulary of the tokenizer]."""
    return np.array([lm.tokenizer.starts_word(id) for id in range(lm.tokenizer.vocab_size)])
