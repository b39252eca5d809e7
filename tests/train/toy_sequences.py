"""A small sequence model of two vocabularies and features, and the set that it learns from."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from audiolm.data.features import FeatureMeta, FeatureWriter
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.lm.sequence import (
    Kind,
    Part,
    SequenceEmbedding,
    SequenceExamples,
    Task,
    Vocabulary,
    project_frames,
    target_loss,
    target_nats,
)
from audiolm.nn.transformer import Transformer, TransformerConfig
from audiolm.train.system import System

KINDS = {"phones": Kind(12), "units": Kind(20), "codes": Kind(16, levels=2), "eos": Kind(1), "speech": Kind(1)}


def write_set(directory, items=7, seed=0):
    """Items of 0.6 to 3 s: phones without times, units at 25 Hz, two levels of codes at 12.5 Hz, features at 50 Hz."""
    rng = np.random.default_rng(seed)
    frames = {f"utt{number}": int(rng.integers(8, 38)) for number in range(items)}  # of 12.5 Hz
    for kind, rate, sizes in (("phones", 0, (12,)), ("units", 25, (20,)), ("codes", 12.5, (16, 16, 16))):
        with TokenWriter(directory / kind, kind, 1, Meta(rate, sizes, kind)) as writer:
            for item, count in frames.items():
                length = rng.integers(3, 12) if not rate else round(count * rate / 12.5)
                writer.write(item, rng.integers(0, sizes[0], (length, len(sizes))))
    with FeatureWriter(directory / "whisper", "whisper", 1, FeatureMeta(50, 3, "toy", "w")) as writer:
        for item, count in frames.items():
            writer.write(item, rng.normal(size=(4 * count + 1, 3)).astype(np.float32))
    return directory


def tasks(directory, **keys):
    """Text to speech (VALL-E's first level), units to coarse codes (AudioLM), features to units."""
    sets = [str(directory)]
    return {
        "tts": Task(
            [Part("phones", "tokens", end="eos"), Part("level1", "tokens", "target", "codes", end="eos")], sets, **keys
        ),
        "coarse": Task([Part("units", "tokens"), Part("codes", "tokens", "target")], sets, weight=2.0),
        "hear": Task(
            [Part("whisper", "features", window=17), Part("units", "tokens", "target", begin="speech", end="eos")], sets
        ),
    }


@dataclass
class SpeakerConfig:
    """A small sequence model.

    Attributes:
        dump: directory of the set.
        places: of a row.
        batching: packed or bucketed.
        transformer: its shape.
    """

    dump: str = ""
    places: int = 160
    batching: str = "packed"
    transformer: TransformerConfig = field(default_factory=lambda: TransformerConfig(16, 2, 2, ffn_dim=32))


class Speaker(System):
    config_class = SpeakerConfig
    vocabulary = Vocabulary({**KINDS, "level1": Kind(16)})

    def __init__(self, config: SpeakerConfig):
        super().__init__(config)
        dim = config.transformer.dim
        self.embedding = SequenceEmbedding(self.vocabulary.size, dim, {"whisper": project_frames(17, 3, dim)})
        self.transformer = Transformer(config.transformer)
        self.head = nn.Linear(dim, self.vocabulary.size, bias=False)

    def _examples(self):
        config = self.config
        return SequenceExamples(
            tasks(config.dump), config.places, self.vocabulary, batching=config.batching, exp_dir=self.exp_dir
        )

    def examples(self):
        return self._examples()

    def states(self, batch):
        return self.transformer(self.embedding(batch), segments=batch["segments"], prefix=batch["prefix"])

    def losses(self, batch, step):
        loss = target_loss(self.states(batch), self.head.weight, batch["targets"])
        return {"main": loss}, {}

    def validation_batches(self):
        if not hasattr(self, "_validation"):
            self._validation = list(self._examples().epoch(3))
        return self._validation

    def validate(self, batch):
        return {"loss": target_nats(self.states(batch), self.head.weight, batch["targets"])}


def train_speaker(exp_dir, system="Speaker", **keys):
    """Train it on the set beside ``exp_dir``."""
    from toy_training import COMMON

    from audiolm.train.loop import train
    from audiolm.train.options import read_config

    given = {"system": f"toy_sequences:{system}", **COMMON, "dump": exp_dir.parent / "train", "trainer.log_every": 1}
    given |= {"optimizers.main": "{lr: 2.0e-3, eps: 1.0e-5}", **keys}
    train(read_config([], [(name, str(value)) for name, value in given.items()]), exp_dir)


def seeded(config) -> Speaker:
    torch.manual_seed(0)
    return Speaker(config)
