"""How likely a dialogue LM finds unseen speech, stream by stream, beside the unigram of each stream.

The unigram is what a model that knows only how often each token comes would get: its counts are the training
set's, one added to each, and it is scored on exactly the targets that the LM is scored on.
"""

from pathlib import Path

import numpy as np
import torch

from audiolm.models.actions import StreamLosses
from audiolm.models.moshi.data import DataConfig, Recordings, stack, validation_examples
from audiolm.models.moshi.load import load_lm
from audiolm.models.moshi.model import ModelConfig
from audiolm.models.moshi.system import stream_losses

TASK = "dialogue"  # the delay pattern in which the LM reads


def stream_likelihoods(lm: str | Path, train: str | Path, test: str | Path, windows: int) -> StreamLosses:
    """Cross entropy of the text stream and of each predicted codebook level of each speaker.

    Args:
        lm: experiment of the LM.
        train, test: ``dump/<set>`` directories with the archives that the unigram is counted on and both are scored on.
        windows: number of windows.

    Raises:
        AudiolmError: a set's tokens are of another codec or tokenizer than the LM was trained with.
    """
    model, config = load_lm(lm)
    for directory in (train, test):
        Recordings(directory, config.model.layout).claim(model)
    unigrams = count_unigrams(train, config.model)
    spec = DataConfig(
        valid=str(test), frames=config.data.frames, valid_windows=windows, mix={TASK: config.data.mix[TASK]}
    )
    examples = validation_examples(spec, config.model)[TASK]
    sums, counts, bounds = [], [], []
    with torch.inference_mode():
        for example in examples:
            batch = stack([example])
            total, count = stream_losses(model, batch["tokens"], batch["task"])
            sums.append(total.numpy())
            counts.append(count.numpy())
            targets = batch["tokens"][0, : len(unigrams), 1:].numpy()
            bounds.append([unigram_loss(row, log_probs) for row, log_probs in zip(targets, unigrams, strict=True)])
    protocol = (
        f"mean cross entropy in nats a token, teacher-forced, over {len(examples)} windows of {spec.frames} frames of "
        f"the set, task {TASK}; interval over windows"
    )
    names = list(config.model.layout.names[: len(unigrams)])
    return StreamLosses(names, np.array(sums), np.array(counts), np.array(bounds), protocol)


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
