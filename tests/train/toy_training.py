"""Training runs of toy systems that take a fraction of a second, for this process or for another one."""

from audiolm.train.config import TrainConfig
from audiolm.train.options import read_config

COMMON = {"trainer.max_steps": 20, "trainer.batch_size": 8, "trainer.min_free_disk": 0, "trainer.log_every": 5}
COMMON |= {"trainer.precision": "fp32", "trainer.valid_every": 5, "trainer.save_every": 5}


def toy_run(system: str = "Line", **keys) -> TrainConfig:
    """Return the configuration of a toy system; ``trainer__max_steps=5`` sets ``trainer.max_steps``."""
    keys = {name.replace("__", "."): value for name, value in keys.items()}
    given = {"system": f"toy_systems:{system}", **COMMON, **keys}
    return read_config([], [(name, str(value)) for name, value in given.items()])


def train_toy(exp_dir, system: str = "Line", **keys) -> None:
    """Train a toy system to its end."""
    from audiolm.train.loop import train

    train(toy_run(system, **keys), exp_dir)
