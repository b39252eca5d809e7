"""A family in one file: sequences of two vocabularies and of features. Nothing else knows of it but AUDIOLM_PLUGINS."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from audiolm.data.files import write_lines
from audiolm.lm.decode import Prompt, Rules, decode
from audiolm.lm.items import TaskItems
from audiolm.lm.sampling import Sampling
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
from audiolm.models.actions import Made
from audiolm.nn.transformer import Transformer, TransformerConfig
from audiolm.score.metric import Metric, Row
from audiolm.score.record import Score
from audiolm.spec import Action, Mode, ModelSpec
from audiolm.train.checkpoint import checksum, load_weights
from audiolm.train.randomness import Key
from audiolm.train.saved import load
from audiolm.train.system import System

HERE = __name__
SPEC = ModelSpec(
    name="parrot", system=f"{HERE}:Parrot", title="a parrot", load=f"{HERE}:load_parrot", session=f"{HERE}:Session",
    modes={"repeat": Mode(f"{HERE}:repeat", f"{HERE}:Repeat", "say phones", f"{HERE}:shown", "Parroted", "As heard.")},
    actions={"export": Action(f"{HERE}:export")},
)  # fmt: skip
METRIC = Metric(
    "parrot", "codes that are right", f"{HERE}:measure", ("lm",), (Row("parrot", "codes right", "Parrots"),)
)
VOCABULARY = Vocabulary({"phones": Kind(12), "codes": Kind(16), "eos": Kind(1)})
PARTS = [
    Part("whisper", "features", window=17),
    Part("phones", "tokens", end="eos"),
    Part("codes", "tokens", "target", end="eos"),
]


@dataclass
class ParrotConfig:
    train: str
    valid: str
    transformer: TransformerConfig = field(default_factory=lambda: TransformerConfig(16, 1, 2, ffn_dim=32))


class Parrot(System):
    config_class = ParrotConfig

    def __init__(self, config):
        super().__init__(config)
        dim = config.transformer.dim
        self.embedding = SequenceEmbedding(VOCABULARY.size, dim, {"whisper": project_frames(17, 3, dim)})
        self.transformer = Transformer(config.transformer)
        self.head = torch.nn.Linear(dim, VOCABULARY.size, bias=False)

    def examples(self):
        return SequenceExamples({"say": Task(PARTS, [self.config.train])}, 64, VOCABULARY, exp_dir=self.exp_dir)

    def hidden(self, batch):
        return self.transformer(self.embedding(batch), segments=batch["segments"])

    def losses(self, batch, step):
        return {"main": target_loss(self.hidden(batch), self.head.weight, batch["targets"])}, {}

    def validation_batches(self):
        return SequenceExamples({"say": Task(PARTS, [self.config.valid])}, 64, VOCABULARY).epoch(2)

    def validate(self, batch):
        return {"loss": target_nats(self.hidden(batch), self.head.weight, batch["targets"])}

    def cache(self, batch, chunk, longest):
        return self.transformer.make_cache(batch, chunk, longest)

    def embed(self, tokens):
        return self.embedding.tokens(tokens[..., None])

    def states(self, x, cache):
        return self.transformer(x, cache)

    def logits(self, states):
        return self.head(states)


def load_parrot(name, device="cpu"):
    model = Parrot(load(name)[1])
    load_weights(model, name)
    return model.to(device).eval()


class Session:
    def __init__(self, request):
        self.request, self.model = request, load_parrot(request.lm, request.device)
        self.items = TaskItems("say", Task(PARTS, list(map(str, request.dumps))), VOCABULARY)
        self.rows = SequenceExamples({"say": self.items}, 64)


@dataclass
class Repeat:
    """Options.

    Attributes:
        warmth: temperature of the codes.
    """

    warmth: float = 0.0


def repeat(session, options, directory):
    eos, lines, prompts = VOCABULARY.ranges["eos"].start, [], []
    sequences = [session.items.sequence(i, Key(0, i)) for i in range(len(session.items.lengths))]
    for sequence in sequences:
        batch = session.rows.collate([{"task": 0, "sequences": [sequence]}])
        given = session.model.embedding(batch)[0, : int(sequence["prefix"].sum())].detach()
        prompts.append(Prompt(given, len(prompts), 40))
    made = decode(session.model, prompts, Rules(Sampling(options.warmth), stops=[eos]), session.request.batch)
    for i, (codes, sequence) in enumerate(zip(made, sequences, strict=True)):
        right = [t for t in sequence["targets"].tolist() if t >= 0 and t != eos]
        lines.append(json.dumps({"id": session.items.item(i), "codes": codes, "right": right}))
    write_lines(directory / "meta.jsonl", lines)
    return Made(len(lines))


def measure(recipe, options):
    lines = map(json.loads, (recipe.lm_dir / "generate/repeat/meta.jsonl").read_text().splitlines())
    hits = [a == b for line in lines for a, b in zip(line["codes"], line["right"], strict=False)]
    share = 100 * sum(hits) / len(hits)
    return {recipe.lm_dir: [Score("parrot", share, "%", "greedy", "", checksum(recipe.lm_dir), recipe.name, len(hits))]}


def shown(folder: Path) -> str:
    return f"<pre>{(folder / 'meta.jsonl').read_text()}</pre>"


def export(request, options):
    request.out.mkdir()
    weights = (Path(request.parts["lm"]) / "model.safetensors").read_bytes()
    (request.out / "parrot.safetensors").write_bytes(weights)
    return f"exported to {request.out}"
