"""Cross entropy of the dialogue LM on unseen speech, stream by stream, beside the unigram of each stream; and the
perplexity of all its codes together (Moshi, table 5).

The unigram is what a model that knows only how often each token comes would get: its counts are the training
set's, one added to each, and it is scored on exactly the targets that the LM is scored on.
"""

from math import exp
from pathlib import Path

import numpy as np
import torch

from audiolm.models.moshi.data import DataConfig, Recordings, stack, validation_examples
from audiolm.models.moshi.load import load_lm
from audiolm.models.moshi.model import ModelConfig
from audiolm.models.moshi.system import stream_losses
from audiolm.score.record import Score, bootstrap_ci
from audiolm.train.checkpoint import checksum

PROTOCOL = (
    "mean cross entropy in nats a token, teacher-forced, over {windows} windows of {frames} frames of the set, "
    "task {task}; interval over windows"
)


def score(
    lm: str | Path, train: str | Path, test: str | Path, data: str, task: str = "dialogue", windows: int = 48
) -> list[Score]:
    """One score for the text stream, one for each predicted codebook level of each speaker, and ``perplexity_codes``.

    Args:
        lm: experiment of the LM.
        train, test: ``dump/<set>`` directories with the archives that the unigram is counted on and both are scored on.
        data: name of the test set.
        task: delay pattern in which the LM reads.
        windows: number of windows.

    Raises:
        AudiolmError: a set's tokens are of another codec or tokenizer than the LM was trained with.
    """
    model, config = load_lm(lm)
    for directory in (train, test):
        Recordings(directory, config.model.layout).claim(model)
    unigrams = count_unigrams(train, config.model)
    spec = DataConfig(
        valid=str(test), frames=config.data.frames, valid_windows=windows, mix={task: config.data.mix[task]}
    )
    examples = validation_examples(spec, config.model)[task]
    sums, counts, bounds = [], [], []
    with torch.inference_mode():
        for example in examples:
            batch = stack([example])
            total, count = stream_losses(model, batch["tokens"], batch["task"])
            sums.append(total.numpy())
            counts.append(count.numpy())
            targets = batch["tokens"][0, : len(unigrams), 1:].numpy()
            bounds.append([unigram_loss(row, log_probs) for row, log_probs in zip(targets, unigrams, strict=True)])
    sums, counts, bounds = np.array(sums), np.array(counts), np.array(bounds)  # [windows, streams]
    protocol = PROTOCOL.format(windows=len(examples), frames=spec.frames, task=task)
    common = {"backend": f"{Path(lm).name}", "checksum": checksum(lm), "data": data}
    scores = [
        Score(
            metric=f"lm_loss_{name}",
            value=float(sums[:, s].sum() / counts[:, s].sum()),
            unit="nats",
            protocol=protocol,
            **common,
            count=int(counts[:, s].sum()),
            ci=bootstrap_ci(sums[:, s], counts[:, s]),
            baseline=float(bounds[:, s].sum() / counts[:, s].sum()),
            baseline_name="unigram of the stream",
        )
        for s, name in enumerate(config.model.layout.names[: len(unigrams)])
        if counts[:, s].sum()
    ]
    nats, codes, bound = (each[:, 1:].sum(axis=1) for each in (sums, counts, bounds))  # [windows]
    ci = bootstrap_ci(nats, codes)
    perplexity = Score(
        metric="perplexity_codes",
        value=exp(nats.sum() / codes.sum()),
        unit="",
        protocol=f"exp of the {protocol}, all levels alike; comparable between models of the same codec and delays",
        **common,
        count=int(codes.sum()),
        ci=None if ci is None else (exp(ci[0]), exp(ci[1])),
        baseline=exp(bound.sum() / codes.sum()),
        baseline_name="unigrams of the streams",
    )
    return [*scores, perplexity]


def count_unigrams(train: str | Path, model: ModelConfig) -> list[np.ndarray]:
    """Log probabilities of the tokens of each predicted stream, float64 [vocabulary], one added to every count.

    Both speakers' streams of a level share their counts: every recording is the main one once and the user's once.
    """
    layout = model.layout
    recordings = Recordings(train, layout)
    text = np.ones(layout.text_vocab)
    levels = np.ones((layout.levels, layout.codebook_size))
    for key in recordings.keys:
        grid = recordings.grid(key, 0, recordings.num_frames(key), user=False)
        tokens = grid[0][grid[0] >= 0]
        text += np.bincount(tokens, minlength=len(text))
        for counts, codes in zip(levels, grid[layout.main], strict=True):
            counts += np.bincount(codes, minlength=len(counts))
    speakers = model.predicted_levels // layout.levels
    return [np.log(counts / counts.sum()) for counts in [text, *[level for _ in range(speakers) for level in levels]]]


def unigram_loss(targets: np.ndarray, log_probs: np.ndarray) -> float:
    """Summed cross entropy (nats) of the targets that are tokens: not absent, not a start token."""
    tokens = targets[(targets >= 0) & (targets < len(log_probs))]
    return float(-log_probs[tokens].sum())
