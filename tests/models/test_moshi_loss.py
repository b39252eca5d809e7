"""Losses against loops, and the system's loss against a naive one."""

import math

import numpy as np
import pytest
import torch

from audiolm.models.moshi.data import DataConfig, MixConfig, stack
from audiolm.models.moshi.loss import LossConfig, codes_loss, level_weights, text_loss
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem, stream_losses
from audiolm.text.tokenizer import EPAD, PAD
from audiolm.train.randomness import Key
from tests.models.conftest import ENTRIES, LEVELS, SHAPES, TEXT, model_config


def ce(logits: torch.Tensor, target: int) -> float:
    return math.log(sum(math.exp(x) for x in logits.tolist())) - logits[target].item()


@pytest.mark.parametrize("style", ["paper", "moshi_finetune"])
def test_text_loss_by_hand(style):
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 10), torch.tensor([PAD, EPAD, 7, -1, 10, 9])  # absent and start token: no targets
    losses = [ce(row, target) for row, target in zip(logits, targets.tolist(), strict=True) if 0 <= target < 10]
    weights = [0.5, 1, 1, 1] if style == "paper" else [0.5, 0.5, 1, 1]
    divisor = 4 if style == "paper" else 3
    expected = sum(w * x for w, x in zip(weights, losses, strict=True)) / divisor
    loss = text_loss(logits, torch.eye(10), targets, LossConfig(text_padding=style))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_codes_loss_by_hand():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 5), torch.tensor([[0, 1, 2, -1], [4, 5, 3, 0], [1, 1, 1, 1]])
    alphas = torch.tensor([100.0, 1.0, 1.0])
    total = weight = 0.0
    for k in range(3):
        for n in range(4):
            if 0 <= targets[k, n] < 5:
                total += alphas[k].item() * ce(logits[k, n], int(targets[k, n]))
                weight += alphas[k].item()
    loss = codes_loss([(logits, targets)], torch.eye(5).expand(3, 5, 5), alphas)
    assert loss.item() == pytest.approx(total / weight, rel=1e-5)


def test_nothing_to_learn_from_is_zero():
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = codes_loss([(logits, torch.full((2, 3), -1))], torch.eye(5).expand(2, 5, 5), torch.ones(2))
    loss = loss + text_loss(logits[0], torch.eye(5), torch.full((3,), 5), LossConfig())
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_level_weights():
    assert level_weights(3, 6, LossConfig()).tolist() == [100, 1, 1, 100, 1, 1]


def make_system(dump, model: dict | None = None, **loss) -> MoshiSystem:
    torch.manual_seed(0)
    mix = {
        "dialogue": MixConfig(depth_fraction=0.4),
        "asr": MixConfig(text_weight=3.0, text_mask=0.5, depth_fraction=0.1),
        "tts": MixConfig(own_input_mask=0.5, user_mask=0.5),
    }
    data = DataConfig(str(dump / "train"), str(dump / "dev"), frames=30, valid_windows=3, mix=mix)
    return MoshiSystem(MoshiConfig(model_config(**model or {}), data, LossConfig(**loss)))


def naive_loss(system: MoshiSystem, batch: dict[str, torch.Tensor]) -> float:
    """Cell by cell: each token's logits from the model run on its prefix alone, levels one at a time."""
    model, text_total, text_count, code_total, code_weight = system.model, 0.0, 0, 0.0, 0.0
    for tokens, task, hidden, depth_frames in zip(
        *(batch[n] for n in ("tokens", "task", "hidden", "depth_frames")), strict=True
    ):
        for t in range(1, tokens.shape[1]):
            prefix = tokens[:, :t].clone()
            for speaker in range(len(hidden)):
                prefix[1 + speaker * LEVELS :][:LEVELS, hidden[speaker, :t]] = -1
            state = model(prefix[None], task[None])[0, -1]
            target = int(tokens[0, t])
            if 0 <= target < TEXT:
                weight = (0.5 if target == PAD else 1) * (3 if task == system.config.model.task_index("asr") else 1)
                text_total += weight * ce(model.backbone.text_head(state), target)
                text_count += 1
            if depth_frames[t - 1]:
                frame = model.depth.start(state[None])
                for k in range(model.config.predicted_levels):
                    logits = model.depth.step(frame, k, tokens[k, t][None])[0]
                    target = int(tokens[1 + k, t])
                    if 0 <= target < ENTRIES:
                        alpha = 100 if k % LEVELS == 0 else 1
                        code_total += alpha * ce(logits, target)
                        code_weight += alpha
    return text_total / text_count + code_total / code_weight


@torch.no_grad()
def test_system_equals_the_naive_loss(dump):
    system = make_system(dump)
    examples = system.examples()
    batch = stack([examples(Key(0, i)) for i in range(6)])
    shares = dict(zip(batch["task"].tolist(), batch["depth_frames"].sum(dim=1).tolist(), strict=True))
    assert shares == {0: 3, 1: 12, 2: 30}  # of 30 frames: asr, dialogue, tts
    losses, _ = system.losses(batch, 0)
    assert losses["main"].item() == pytest.approx(naive_loss(system, batch), rel=1e-4)


@pytest.mark.parametrize("model", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_every_shape_equals_the_naive_loss(dump, model):
    system = make_system(dump, model)
    examples = system.examples()
    batch = stack([examples(Key(0, i)) for i in range(2)])
    losses, _ = system.losses(batch, 0)
    assert losses["main"].item() == pytest.approx(naive_loss(system, batch), rel=1e-4)
    sums, counts = stream_losses(system.model, batch["tokens"], batch["task"])
    assert len(sums) == len(counts) == 1 + system.config.model.predicted_levels
    grouped = {id(p) for group in system.parameter_groups()["main"] for p in group["params"]}
    assert grouped == {id(p) for p in system.parameters()}


def test_text_learns_where_codes_are_absent(dump):
    """A model with heads, no depth transformer: gradients of all that a batch holds, of nothing else."""
    system = make_system(dump, SHAPES["heads"])
    examples = system.examples()
    batch = stack([examples(Key(0, i)) for i in range(2)])
    batch["tokens"][:, 1:] = -1
    system.losses(batch, 0)[0]["main"].backward()
    assert system.model.backbone.text_head.weight.grad.abs().sum() > 0
    assert (system.model.depth.heads.weight.grad == 0).all()


@torch.no_grad()
def test_validation_counts_every_target(dump):
    system = make_system(dump)
    totals: dict[str, list[float]] = {}
    for batch in system.validation_batches():
        for name, (value, count) in system.validate(batch).items():
            total = totals.setdefault(name, [0.0, 0.0])
            total[0] += float(value)
            total[1] += float(count)
    assert {name.split("/")[0] for name in totals} == {"loss", "dialogue", "asr", "tts"}
    assert all(np.log(2) < value / count < 6 for value, count in totals.values())
    tokens = next(iter(system.validation_batches()))[1]["tokens"]
    sums, counts = stream_losses(system.model, tokens, torch.zeros(len(tokens), dtype=torch.int64))
    for stream, vocab in ((0, TEXT), (1, ENTRIES), (2 * LEVELS, ENTRIES)):
        targets = tokens[:, stream, 1:]
        assert counts[stream] == ((targets >= 0) & (targets < vocab)).sum()
    assert torch.isfinite(sums).all()


def test_training_learns_and_groups_cover_all(dump):
    system = make_system(dump)
    grouped = [p for group in system.parameter_groups()["main"] for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in system.parameters()} and len(grouped) == len(
        set(map(id, grouped))
    )
    examples = system.examples()
    batch = stack([examples(Key(0, i)) for i in range(4)])
    optimizer = torch.optim.AdamW(grouped, lr=1e-2)
    values = []
    for step in range(30):
        losses, _ = system.losses(batch, step)
        optimizer.zero_grad()
        losses["main"].backward()
        optimizer.step()
        values.append(losses["main"].item())
    assert values[-1] < 0.7 * values[0]
