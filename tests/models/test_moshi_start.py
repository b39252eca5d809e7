"""Training that starts from released weights, and models of ours exported for other projects."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import audiolm
from audiolm.codec.load import save_codec
from audiolm.commands.main import main
from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.models.moshi.adapters import LAYOUTS
from audiolm.models.moshi.data import DataConfig, MixConfig, delayed_input
from audiolm.models.moshi.export import export_lm, for_task, without_user
from audiolm.models.moshi.load import SHAPE
from audiolm.models.moshi.model import MoshiModel, TaskConfig
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.text.tokenizer import PAD, train_tokenizer
from audiolm.train.checkpoint import checksum, load_model, write_model
from audiolm.train.loop import train
from audiolm.train.options import read_config
from tests.codec.foreign_codecs import mimi
from tests.codec.tiny_codecs import write_experiment
from tests.models.conftest import ENTRIES, LEVELS, TEXT, make_model
from tests.models.foreign_lms import grid, logits, random_model, shape

LIKE_DUMP = {"text_vocab": TEXT, "levels": LEVELS, "codebook_size": ENTRIES}


@pytest.fixture(scope="module")
def spelling():
    return train_tokenizer(["one two three"], 300)


def release(layout: str, folder: Path, spelling, **options) -> MoshiModel:
    """A released model of the shape of ``dump``, with its tokenizer."""
    model = random_model(shape(**LIKE_DUMP | options))
    LAYOUTS[layout].save(model, mimi(levels=3), spelling, folder)
    return model


def run(init: Path, exp: Path, dump: Path, model: Path, **keys) -> dict[str, torch.Tensor]:
    """Train one step of no length, and return the weights."""
    given = {
        "system": "moshi", "init": init, "data.train": dump / "train", "data.valid": dump / "dev", "data.frames": 16,
        "data.mix": "{dialogue: {}}", "trainer.max_steps": 1, "trainer.batch_size": 2, "trainer.precision": "fp32",
        "trainer.min_free_disk": 0, "trainer.valid_every": 0, "trainer.save_every": 0, "optimizers.main.lr": 0,
        "optimizers.main.weight_decay": 0,
    }  # fmt: skip
    keys = {key.replace("__", "."): value for key, value in keys.items()}
    train(read_config([model / SHAPE], [(key, str(value)) for key, value in {**given, **keys}.items()]), exp)
    return load_model(exp)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_training_goes_on_from_a_released_model(layout, dump, tmp_path, spelling):
    model = release(layout, tmp_path / "released", spelling).state_dict()
    (tmp_path / "released/tokenizer.model").unlink()  # the archives of dump know another
    usage = export_lm(tmp_path / "released", tmp_path / "init")
    assert usage == f"audiolm train --config … --config {tmp_path}/init/shape.yaml --init {tmp_path}/init"
    for number, start in enumerate((tmp_path / "released", tmp_path / "init")):
        state = run(start, tmp_path / f"exp{number}", dump, tmp_path / "init")
        assert all(torch.equal(state[name], model[name]) for name in model if not name.endswith("digest"))
    moved = run(tmp_path / "init", tmp_path / "exp", dump, tmp_path / "init", optimizers__main__lr=0.01)
    same = [name for name in model if torch.equal(moved[name], model[name])]
    assert not same  # full fine-tuning


def test_words_of_a_new_tokenizer_start_anew_if_asked(dump, tmp_path, spelling, capsys):
    model = release("moshi", tmp_path / "released", spelling).state_dict()
    export_lm(tmp_path / "released", tmp_path / "init")
    with pytest.raises(AudiolmError, match="were trained on tokens of another tokenizer"):
        run(tmp_path / "released", tmp_path / "exp1", dump, tmp_path / "init")
    state = run(tmp_path / "released", tmp_path / "exp2", dump, tmp_path / "init", new_tokenizer=True)
    assert "embeddings and head of its words start anew" in capsys.readouterr().err
    for name in model:
        if name.endswith("digest"):
            continue
        changed = (state[name] != model[name]).flatten(1).any(1) if model[name].ndim > 1 else state[name] != model[name]
        words = range(PAD + 1, TEXT)
        expected = words if "text_" in name or name == "depth.embeddings.0.weight" else ()
        assert changed.nonzero().flatten().tolist() == list(expected), name
    # a second phase, on the same text: nothing is new
    again = run(tmp_path / "exp2", tmp_path / "exp3", dump, tmp_path / "init", new_tokenizer=True)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def make_system(config) -> MoshiSystem:
    return MoshiSystem(MoshiConfig(config, DataConfig(mix={"dialogue": MixConfig()})))


def test_tasks_and_held_words_are_added_at_zero(tmp_path, spelling):
    model = release("moshi", tmp_path, spelling)
    tasks = {"dialogue": TaskConfig(0, 1), "asr": TaskConfig(4, 2)}
    system = make_system(replace(model.config, tasks=tasks, text_hold=True)).eval()
    system.load_init(system.read_init(str(tmp_path)))
    tokens = torch.from_numpy(
        delayed_input(model.config.layout, grid(model.config, 12)[0].numpy(), model.config.delays("dialogue"))
    )[None, :, :13]
    for mine, theirs in zip(logits(system.model, tokens), logits(model, tokens), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temporal": {"heads": 2}}, "model.temporal.heads is 2, there 4; set these keys"),
        ({"temporal": {"rope_base": 1e5}}, "model.temporal.rope_base is 100000.0, there 10000.0"),
        ({"predict": "both", "levels": 2}, "model.levels is 2, there 3; model.predict is both, there main"),
        ({"temporal": {"dim": 16, "layers": 3, "ffn_dim": 9}, "codebook_size": 9}, "and 1 more; .*export --lm"),
    ],
)
def test_a_released_model_of_another_shape_names_the_keys(options, message, tmp_path, spelling):
    release("moshi", tmp_path, spelling)
    with pytest.raises(AudiolmError, match=message):
        make_system(shape(**LIKE_DUMP | options)).read_init(str(tmp_path))


def test_a_text_vocabulary_of_another_size_names_the_tensors(tmp_path, spelling):
    release("moshi", tmp_path, spelling)
    system = make_system(shape(**LIKE_DUMP | {"text_vocab": 30}))
    with pytest.raises(AudiolmError, match=r"3 of another shape: 'backbone.text_embedding.weight' \[22, 32\]"):
        system.load_init(system.read_init(str(tmp_path)))


@pytest.fixture
def ours(tmp_path, spelling) -> dict[str, str]:
    """A model of two tasks for both speakers, its codec and tokenizer, as options of audiolm export."""
    tasks = {"dialogue": TaskConfig(0, 1), "asr": TaskConfig(4, 2)}
    config = shape(levels=3, codebook_size=16, predict="both", tasks=tasks)
    model = random_model(config)
    spelling.save(tmp_path / "tokenizer")
    write_experiment(tmp_path / "codec")
    model.codec.claim(checksum(tmp_path / "codec"), "codec")
    model.backbone.tokenizer.claim(spelling.checksum, "tokenizer")
    settings = {"system": "moshi", "model": plain(config), "data": {"mix": {"dialogue": {}}}}
    write_yaml(tmp_path / "lm" / "config.yaml", settings)
    write_model(tmp_path / "lm", model.state_dict())
    return {name: str(tmp_path / name) for name in ("lm", "codec", "tokenizer", "out")}


def export(options: dict[str, str], *more: str) -> int:
    return main(["export", *(word for name, path in options.items() for word in (f"--{name}", path)), *more])


def test_one_task_and_the_main_speaker_compute_what_they_did(ours):
    model, _ = audiolm.load_lm(ours["lm"])
    config = model.config
    for task in config.tasks:
        less = for_task(without_user(model), task)
        assert list(less.config.tasks) == [task] and less.config.predicted_levels == 3
        tokens = torch.from_numpy(delayed_input(config.layout, grid(config, 9)[0].numpy(), config.delays(task)))
        tokens = tokens[None, :, :10]
        states = model(tokens[:, :, :-1], torch.tensor([config.task_index(task)]))
        frames = tokens[0, :, 1:].T
        text, codes = logits(less, tokens)
        torch.testing.assert_close(text, model.backbone.text_head(states), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(codes[:, 0], model.depth(states[0], frames)[:3], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("turn_hold", [False, True])
def test_one_task_keeps_the_held_words_that_its_own_lag_needs(turn_hold):
    model = make_model(turn_hold=turn_hold)
    lags = set(map(model.config.hold_lag, model.config.tasks))
    assert len(lags) > 1, "the tables differ in length"
    for task in model.config.tasks:
        config = model.config
        tokens = torch.from_numpy(delayed_input(config.layout, grid(config, 20)[0].numpy(), config.delays(task)))[None]
        states = model(tokens, torch.tensor([config.task_index(task)]))
        told = tokens[:, 0] >= 0  # a frame without text is not told the task
        assert told.sum() > 10
        torch.testing.assert_close(for_task(model, task)(tokens, torch.tensor([0]))[told], states[told])


def test_export_says_what_does_not_fit(ours, tmp_path, capsys):
    assert export(ours, "--to", "moshi") == 1
    assert "has one delay pattern; this model has asr, dialogue: name one (--task)" in capsys.readouterr().err
    assert export(ours, "--to", "moshi", "--task", "tts") == 1
    assert "the model has no task 'tts'" in capsys.readouterr().err
    assert export(ours, "--to", "transformers", "--task", "asr", "--main_only") == 1
    assert "tasks.asr" in capsys.readouterr().err
    write_experiment(tmp_path / "codec", seed=1)
    assert export(ours, "--to", "moshi", "--task", "dialogue") == 1
    assert "were trained on tokens of another codec" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--lm", "a", "--codec", "b"], "each alone, or --lm with its --codec and --tokenizer"),
        (["--lm", "LM", "--to", "moshi"], "--to moshi takes --lm, --codec and --tokenizer"),
        (["--lm", "LM", "--task", "b"], "--task and --main_only are for a dialogue LM"),
        (["--codec", "a", "--task", "b"], "--task is no option of a codec; leave it out"),
        (["--lm", "LM", "--levels", "2"], "--levels is no option of a dialogue LM"),
        (["--tokenizer", "a"], "name --codec, --textlm or --lm"),
    ],
)
def test_options_of_export_that_do_not_go_together(ours, given, message, capsys):
    given = [str(ours["lm"]) if word == "LM" else word for word in given]
    assert main(["export", *given, "--out", "x"]) == 1
    assert message in capsys.readouterr().err


def test_export_for_another_project_is_whole(ours, tmp_path, capsys):
    codec = mimi(levels=3)
    save_codec(codec, tmp_path / "codec")
    state = load_model(ours["lm"])
    state["codec.digest"].zero_()
    write_model(ours["lm"], state)
    for layout in LAYOUTS:
        out = tmp_path / layout
        assert export({**ours, "out": str(out)}, "--to", layout, "--task", "dialogue", "--main_only") == 0
        assert str(out) in capsys.readouterr().out
        model, _ = audiolm.load_lm(out)
        assert model.config.predict == "main" and (out / "tokenizer.model").is_file()
        assert json.loads((out / "config.json").read_text())["model_type"] == "moshi"
    codes = torch.randint(16, (1, 3, 5))
    assert torch.allclose(audiolm.load_codec(tmp_path / "moshi").decode(codes), codec.decode(codes), atol=1e-5)
