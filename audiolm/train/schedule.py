"""Learning rates as pure functions of the step, so that a resumed run needs no schedule state."""

import math

from audiolm.train.config import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, max_steps: int) -> float:
    """Return the learning rate of ``step`` (from 0).

    Linear warm-up: step s < warmup has lr · (s + 1) / warmup. After it, with p = (s − warmup) / (decay_steps − warmup)
    clipped to [0, 1], and ``decay_steps`` defaulting to ``max_steps``:

    - constant: lr
    - linear: lr + p · (min_lr − lr)
    - cosine: min_lr + (lr − min_lr) · (1 + cos πp) / 2   (Loshchilov and Hutter, 2017, one period)

    >>> config = OptimizerConfig(lr=1.0, warmup=2, schedule="linear", min_lr=0.2)
    >>> [round(learning_rate(config, step, max_steps=6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    end = max_steps if config.decay_steps is None else config.decay_steps
    part = min(1.0, (step - config.warmup) / max(1, end - config.warmup))
    if config.schedule == "linear":
        return config.lr + part * (config.min_lr - config.lr)
    return config.min_lr + (config.lr - config.min_lr) * (1 + math.cos(math.pi * part)) / 2
