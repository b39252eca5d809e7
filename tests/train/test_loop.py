"""Training end to end with toy systems: what is written, what resumes, what stops it."""

import json
import logging
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
import toy_systems
from toy_training import toy_run, train_toy

from audiolm.errors import AudiolmError
from audiolm.train import checkpoint
from audiolm.train.checkpoint import Checkpoints, checksum, load_model
from audiolm.train.experiment import locked
from audiolm.train.loop import train
from audiolm.train.saved import load

ALL = dict(dropout=0.3, trainer__ema_decay=0.9, trainer__keep_best=1, trainer__average=2, optimizers__main__warmup=4)


def lines(exp_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (exp_dir / "metrics.jsonl").read_text().splitlines()]


def without_times(exp_dir: Path) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines(exp_dir)]


def test_a_run_learns_and_leaves_every_file(tmp_path):
    train_toy(tmp_path, trainer__max_steps=120, trainer__save_every=50, optimizers__main__lr=0.02)
    valid = [line["valid/loss"] for line in lines(tmp_path) if "valid/loss" in line]
    assert len(valid) == 24 and valid[-1] < 0.2 * valid[0]
    assert Checkpoints(tmp_path).steps() == [100, 120]
    assert set(load_model(tmp_path)) == {"net.0.weight", "net.0.bias", "out.weight", "out.bias"}
    assert json.loads((tmp_path / "done").read_text()) == {"step": 120, "from": [120], "checksum": checksum(tmp_path)}
    assert "finished" in (tmp_path / "train.log").read_text()
    assert list((tmp_path / "tensorboard").iterdir())
    system, config = load(tmp_path)
    assert system == "toy_systems:Line" and config.layer.width == 8
    (tmp_path / "plain").touch()
    rights = {path: path.stat().st_mode for path in tmp_path.rglob("*") if path.is_file()}
    assert set(rights.values()) == {rights[tmp_path / "plain"]}, rights  # weights too: colleagues may read them


@pytest.mark.parametrize(("precision", "product_bf16"), [("bf16", 1.0), ("fp32", 0.0)])
def test_precision_is_that_of_products_and_not_of_input(tmp_path, precision, product_bf16, monkeypatch):
    monkeypatch.setattr("audiolm.nn.processor.cpu_multiplies_bf16", lambda: True)
    train_toy(tmp_path, "Types", trainer__precision=precision, trainer__max_steps=5)
    seen = {name: value for line in lines(tmp_path) for name, value in line.items()}
    assert (seen["input_fp32"], seen["valid/input_fp32"]) == (1.0, 1.0)
    assert (seen["product_bf16"], seen["valid/product_bf16"]) == (product_bf16, product_bf16)


def test_training_lines_are_means_since_the_last(tmp_path):
    train_toy(tmp_path / "each", trainer__log_every=1)
    train_toy(tmp_path / "five", trainer__log_every=5)
    each = [line["loss/main"] for line in lines(tmp_path / "each") if "loss/main" in line]
    five = [line["loss/main"] for line in lines(tmp_path / "five") if "loss/main" in line]
    assert len(each) == 20
    assert five == pytest.approx([sum(each[i : i + 5]) / 5 for i in range(0, 20, 5)])
    train_toy(tmp_path / "short", trainer__log_every=20)  # one line would be no curve
    assert [line["loss/main"] for line in lines(tmp_path / "short") if "loss/main" in line] == pytest.approx(each)


def test_a_finished_run_returns_at_once_and_more_steps_go_on(tmp_path, capsys):
    train_toy(tmp_path, trainer__max_steps=10)
    before = checksum(tmp_path)
    train_toy(tmp_path, trainer__max_steps=10)
    assert "is finished: 10 steps" in capsys.readouterr().err
    train_toy(tmp_path, trainer__max_steps=20)
    assert checksum(tmp_path) != before
    train_toy(tmp_path / "straight", trainer__max_steps=20)
    assert checksum(tmp_path) == checksum(tmp_path / "straight")


def train_slowly(exp_dir, system, keys) -> None:
    """At most 100 steps in half a second, so that no process finishes before it is killed."""
    make = toy_systems.LineExamples.__call__
    toy_systems.LineExamples.__call__ = lambda self, key: (time.sleep(0.005 / 8), make(self, key))[1]
    train_toy(exp_dir, system, **keys)


@pytest.mark.parametrize("system", [pytest.param("Line", marks=pytest.mark.slow), "Gan"])
def test_kill_at_random_moments_changes_nothing(tmp_path, other_process, system):
    keys = dict(ALL, trainer__max_steps=300, trainer__save_every=7, trainer__valid_every=10, trainer__log_every=9)
    if system == "Gan":
        keys = dict(dropout=0.3, trainer__max_steps=300, trainer__save_every=7, trainer__log_every=9)
    train_toy(tmp_path / "whole", system, **keys)
    rng, kills = random.Random(system), 0
    while not (tmp_path / "killed" / "done").exists():
        child = other_process.Process(target=train_slowly, args=(tmp_path / "killed", system, keys))
        child.start()
        child.join(rng.uniform(0.1, 0.5) if kills < 5 else None)
        if child.is_alive():
            child.kill()
            child.join()
            kills += 1
        assert child.exitcode in (0, -signal.SIGKILL)
    assert kills >= 3
    for name in ("model.safetensors", "config.yaml"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "killed")
    checkpoints = Checkpoints(tmp_path / "whole")
    assert checkpoints.steps() == Checkpoints(tmp_path / "killed").steps()
    for path in checkpoints.path(300).glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "killed" / "checkpoints" / "step_300" / path.name).read_bytes()


def test_worker_processes_make_the_same_batches(tmp_path):
    train_toy(tmp_path / "thread", dropout=0.1)
    train_toy(tmp_path / "workers", dropout=0.1, trainer__num_workers=2)
    assert checksum(tmp_path / "thread") == checksum(tmp_path / "workers")


def test_accumulated_parts_equal_the_whole_batch(tmp_path):
    train_toy(tmp_path / "whole", trainer__max_steps=10)
    train_toy(tmp_path / "parts", trainer__max_steps=10, trainer__accumulate=4)
    whole, parts = load_model(tmp_path / "whole"), load_model(tmp_path / "parts")
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-5, atol=1e-6)
    for line, other in zip(lines(tmp_path / "whole"), lines(tmp_path / "parts"), strict=True):
        assert line.get("loss/main", 0) == pytest.approx(other.get("loss/main", 0), rel=1e-5)


def test_only_the_optimizers_named_are_stepped(tmp_path):
    train_toy(tmp_path, "Gan", trainer__max_steps=5, trainer__save_every=1, trainer__keep_last=5)
    checkpoints = Checkpoints(tmp_path)
    first, last = checkpoints.read(1, "system"), checkpoints.read(5, "system")
    assert torch.equal(first["critic.0.weight"], last["critic.0.weight"])  # the critic joins at step 5
    assert not torch.equal(first["generator.weight"], last["generator.weight"])
    assert checkpoints.read(5, "optimizer_critic") == {}
    assert last["seen"] == 40
    train_toy(tmp_path, "Gan", trainer__max_steps=6, trainer__save_every=1, trainer__keep_last=5)
    assert not torch.equal(checkpoints.read(6, "system")["critic.0.weight"], last["critic.0.weight"])
    assert set(load_model(tmp_path)) == {"net.weight", "net.bias"}


def test_not_finite_stops_with_step_and_terms(tmp_path):
    with pytest.raises(AudiolmError, match=r"step 13 is not finite: loss/main inf, .*step 10 is kept"):
        train_toy(tmp_path, bad_step=12)
    assert Checkpoints(tmp_path).steps() == [5, 10]
    assert not (tmp_path / "model.safetensors").exists()


def test_best_checkpoints_are_kept_and_exported(tmp_path):
    train_toy(
        tmp_path,
        optimizers__main__lr=3,  # jumps about: the best validation is not the last
        trainer__max_steps=60,
        trainer__valid_every=3,
        trainer__save_every=25,
        trainer__keep_last=1,
        trainer__keep_best=2,
        trainer__average=2,
        trainer__export="best",
    )
    losses = sorted((line["valid/loss"], line["step"]) for line in lines(tmp_path) if "valid/loss" in line)
    best = [step for _, step in losses[:2]]
    assert 60 not in best
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.steps() == sorted({*best, 60})
    weights = [checkpoints.read(step, "system")["out.weight"] for step in best]
    torch.testing.assert_close(load_model(tmp_path)["out.weight"], (weights[0] + weights[1]) / 2)


def test_unknown_best_metric_names_the_known(tmp_path):
    with pytest.raises(AudiolmError, match=r"trainer.best_metric: found 'wer', expected one of: loss"):
        train_toy(tmp_path, trainer__keep_best=1, trainer__best_metric="wer")


def test_ema_weights_are_exported(tmp_path):
    train_toy(tmp_path, trainer__ema_decay=0.9)
    checkpoints = Checkpoints(tmp_path)
    model, ema, raw = load_model(tmp_path), checkpoints.read(20, "ema"), checkpoints.read(20, "system")
    assert all(torch.equal(model[name], ema[name]) for name in model)
    assert not torch.equal(ema["out.weight"], raw["out.weight"])


def test_another_config_is_refused(tmp_path):
    train_toy(tmp_path, trainer__max_steps=10)
    with pytest.raises(AudiolmError, match=r"another config: dropout is 0.5, was 0.0; "):
        train_toy(tmp_path, trainer__max_steps=10, dropout=0.5)
    with pytest.raises(AudiolmError, match=r"trainer.max_steps is 5, was 10; "):
        train_toy(tmp_path, trainer__max_steps=5)
    train_toy(tmp_path, trainer__max_steps=11, trainer__num_workers=1)


def test_full_disk_is_one_line_and_loses_nothing(tmp_path, monkeypatch):
    free, usage = [1e12], shutil.disk_usage(tmp_path)
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    write = Checkpoints.write

    def write_and_fill(self, step, *args):
        write(self, step, *args)
        free[0] = 1e12 if step < 10 else 1e6

    monkeypatch.setattr(Checkpoints, "write", write_and_fill)
    with pytest.raises(
        AudiolmError, match=r"is full: 0.00 GB free.*1 GB must stay free.*goes on from step 10"
    ) as error:
        train_toy(tmp_path, trainer__min_free_disk=1)
    assert "\n" not in str(error.value)
    assert Checkpoints(tmp_path).steps() == [5, 10]
    monkeypatch.undo()
    train_toy(tmp_path)
    train_toy(tmp_path / "straight")
    assert checksum(tmp_path) == checksum(tmp_path / "straight")


def limited(exp_dir, queue):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
    try:
        train_toy(exp_dir, layer__width=1000)
    except AudiolmError as error:
        queue.put(str(error))


def test_a_write_that_fails_half_way_leaves_no_checkpoint(tmp_path, other_process):
    queue = other_process.Queue()
    child = other_process.Process(target=limited, args=(tmp_path, queue))
    child.start()
    message = queue.get(timeout=60)
    child.join()
    assert "cannot write the checkpoint of step 5" in message and "\n" not in message
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_that_cannot_be_written_is_one_line(tmp_path, capfd):
    (tmp_path / "train.log").symlink_to("/dev/full")
    with pytest.raises(AudiolmError, match="cannot write to .*: No space left on device; make room and run it again$"):
        train_toy(tmp_path)
    assert "Traceback" not in capfd.readouterr().err
    assert logging.getLogger("audiolm").handlers == []
    (tmp_path / "train.log").unlink()
    train_toy(tmp_path)


def test_damaged_checkpoint_is_named(tmp_path):
    train_toy(tmp_path, trainer__max_steps=10)
    path = tmp_path / "checkpoints" / "step_10" / "system.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(AudiolmError, match=r"step_10/system.safetensors.*goes on from .*step_5$"):
        train_toy(tmp_path, trainer__max_steps=20)
    (path.parent / "state.json").write_text('{"step": 1')
    with pytest.raises(AudiolmError, match=r"cannot read .*step_10/state.json: .*remove .*step_10, and .*step_5$"):
        train_toy(tmp_path, trainer__max_steps=20)
    with pytest.raises(AudiolmError, match="remove .*step_5, and the same command begins again"):
        Checkpoints(tmp_path).read(5, "no_such_part")
    shutil.rmtree(path.parent)
    train_toy(tmp_path, trainer__max_steps=20)
    train_toy(tmp_path / "straight")
    assert checksum(tmp_path) == checksum(tmp_path / "straight")


def test_init_starts_from_exported_weights(tmp_path):
    train_toy(tmp_path / "first")
    train_toy(tmp_path / "second", init=tmp_path / "first", optimizers__main__lr=0)
    assert checksum(tmp_path / "second") == checksum(tmp_path / "first")


def test_init_of_another_shape_names_tensors(tmp_path):
    train_toy(tmp_path / "first", trainer__max_steps=1)
    with pytest.raises(AudiolmError, match=r"first.*3 of another shape: 'net.0.weight' \[8, 4\] for \[9, 4\]"):
        train_toy(tmp_path / "second", init=tmp_path / "first", layer__width=9)
    with pytest.raises(AudiolmError, match=r"2 missing: 'net.weight'.*4 not known here: 'net.0.bias'"):
        train_toy(tmp_path / "second", "Gan", init=tmp_path / "first")
    with pytest.raises(AudiolmError, match=r"finish its training first"):
        train_toy(tmp_path / "second", init=tmp_path / "none")


def hold_lock(exp_dir, queue):
    with locked(exp_dir):
        queue.put("held")
        time.sleep(60)


def test_two_processes_cannot_train_in_one_directory(tmp_path, other_process):
    queue = other_process.Queue()
    child = other_process.Process(target=hold_lock, args=(tmp_path, queue))
    child.start()
    assert queue.get(timeout=60) == "held"
    with pytest.raises(AudiolmError, match="another process is training"):
        train_toy(tmp_path)
    child.kill()
    child.join()
    train_toy(tmp_path)


def test_an_error_in_an_example_ends_the_run(tmp_path, monkeypatch):
    make = toy_systems.LineExamples.__call__

    def broken(self, key):
        if key.index == 90:
            raise AudiolmError("data/train/wav.scp: no such file")
        return make(self, key)

    monkeypatch.setattr(toy_systems.LineExamples, "__call__", broken)
    for workers in (0, 1):
        with pytest.raises(AudiolmError, match="^data/train/wav.scp: no such file$"):
            train_toy(tmp_path / str(workers), trainer__num_workers=workers)
        assert Checkpoints(tmp_path / str(workers)).steps() == [5, 10]


def test_batch_must_divide(tmp_path):
    with pytest.raises(AudiolmError, match=r"batch_size 8 does not divide into 1 \(processes\) × 3"):
        train_toy(tmp_path, trainer__accumulate=3)


def test_logging_is_left_as_it_was(tmp_path):
    handlers = list(logging.getLogger("audiolm").handlers)
    train(toy_run(trainer__max_steps=2), tmp_path)
    assert logging.getLogger("audiolm").handlers == handlers
