"""Configuration: merging, defaults, and errors that name key, file and nearest name."""

import math
from dataclasses import dataclass, field

import pytest
import toy_systems
import yaml

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.train.options import differences, read_config

TOY = "system: toy_systems:Line\n"


def write(tmp_path, text, name="toy.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@dataclass
class Rich:
    """All kinds of keys.

    Attributes:
        required: A path.
        pair: Two numbers.
        layers: Several layers.
        towers: Layers by name.
        wide: A layer that is there unless switched off.
    """

    required: str
    pair: tuple[float, float] = (0.5, 1.0)
    layers: list[toy_systems.Layer] = field(default_factory=list)
    towers: dict[str, toy_systems.Layer] = field(default_factory=lambda: {"left": toy_systems.Layer(3)})
    wide: toy_systems.Layer | None = field(default_factory=lambda: toy_systems.Layer(99))
    ratios: list[int] | None = None


@pytest.fixture
def rich(monkeypatch):
    monkeypatch.setattr(toy_systems.Line, "config_class", Rich)


def test_files_merge_in_order_and_the_command_line_wins(tmp_path):
    first = write(tmp_path, TOY + "dropout: 0.1\nlayer: {width: 3}\ntrainer:\n  max_steps: 7\n  seed: 1\n", "a.yaml")
    second = write(tmp_path, "trainer: {max_steps: 9}\nnames: [x]\n", "b.yaml")
    run = read_config([first, second], [("trainer.seed", "5"), ("names", "[y, z]"), ("optimizers.main.lr", "1e-4")])
    assert (run.trainer.max_steps, run.trainer.seed, run.config.dropout, run.config.layer.width) == (9, 5, 0.1, 3)
    assert run.config.names == ["y", "z"] and run.optimizers["main"].lr == 1e-4
    assert read_config([second, first]).trainer.max_steps == 7


def test_key_order_never_matters(tmp_path):
    text = {"system": "toy_systems:Line", "layer": {"width": 2}, "extra": {"width": 1}, "trainer": {"seed": 3}}
    backwards = yaml.safe_dump(dict(reversed(text.items())), sort_keys=False)
    runs = [read_config([write(tmp_path, t)]) for t in (yaml.safe_dump(text, sort_keys=False), backwards)]
    assert list(runs[0].complete) == list(runs[1].complete) and runs[0] == runs[1]


def test_complete_config_reads_back_the_same(tmp_path, rich):
    given = [("system", "toy_systems:Line"), ("required", "123"), ("layers", "[{width: 4}]"), ("towers.right", "{}")]
    run = read_config([], given)
    assert run.config.required == "123"
    assert run.complete["towers"] == {"left": {"width": 3}, "right": {"width": 8}}
    assert run.complete["wide"] == {"width": 99}
    assert run.complete["layers"] == [{"width": 4}] and run.complete["ratios"] is None
    assert set(run.complete["trainer"]) >= {"accumulate", "min_free_disk"}
    assert read_config([write(tmp_path, yaml.safe_dump(run.complete))]) == run


def test_sections_keep_the_defaults_of_what_is_not_given(rich):
    given = [("system", "toy_systems:Line"), ("required", "x")]
    assert read_config([], [*given, ("wide", "null")]).config.wide is None
    assert read_config([], [*given, ("wide", "{}")]).config.wide.width == 99
    assert read_config([], given).config.pair == (0.5, 1.0)
    assert read_config([], [*given, ("pair", "[1, 2]")]).config.pair == (1.0, 2.0)


def test_null_leaves_a_default_section_out(tmp_path, rich):
    run = read_config([write(tmp_path, "{system: toy_systems:Line, required: x, towers: {left: null, right: {}}}")])
    assert list(run.config.towers) == ["right"] and run.complete["towers"]["left"] is None
    assert read_config([write(tmp_path, yaml.safe_dump(run.complete))]) == run


BAD = {
    "unknown key": ("dropuot: 0.1", "unknown key 'dropuot' in {file}; did you mean 'dropout'?"),
    "unknown nested key": ("layer: {wdith: 3}", "unknown key 'layer.wdith' in {file}; did you mean 'width'?"),
    "in an optional section": ("extra: {wdith: 3}", "unknown key 'extra.wdith' in {file}; did you mean 'width'?"),
    "unknown trainer key": (
        "trainer: {max_step: 3}",
        "unknown key 'trainer.max_step' in {file}; did you mean 'max_steps'?",
    ),
    "unknown optimizer": (
        "optimizers: {mian: {lr: 1}}",
        "unknown key 'optimizers.mian' in {file}; did you mean 'main'?",
    ),
    "unknown optimizer key": (
        "optimizers: {main: {Lr: 1}}",
        "unknown key 'optimizers.main.Lr' in {file}; did you mean 'lr'?",
    ),
    "text for a number": ("layer: {width: wide}", "layer.width: found 'wide' in {file}, expected int"),
    "fraction for an integer": ("trainer: {max_steps: 3.5}", "trainer.max_steps: found 3.5 in {file}, expected int"),
    "number for a text": ("trainer: {best_metric: 3}", "trainer.best_metric: found 3 in {file}, expected str"),
    "not a choice": (
        "trainer: {precision: fp16}",
        "trainer.precision: found 'fp16' in {file}, expected one of: auto, fp32, bf16",
    ),
    "short tuple": (
        "optimizers: {main: {betas: [0.5]}}",
        "optimizers.main.betas: found [0.5] in {file}, expected [float, float]",
    ),
    "scalar for a section": ("layer: 3", "layer: found 3 in {file}, expected a section (key: value)"),
    "nothing for a section": ("trainer:", "trainer: found None in {file}, expected a section (key: value)"),
    "value in a mapping": ("rates: {a: b}", "rates: found {{'a': 'b'}} in {file}, expected mapping of str to float"),
    "out of range": (
        "trainer: {max_steps: 0}",
        "trainer.max_steps: found 0, expected a number of at least 1 (in {file})",
    ),
    "optimizer out of range": (
        "optimizers: {main: {lr: -1}}",
        "optimizers.main.lr: found -1.0, expected a number of at least 0 (in {file})",
    ),
    "too few kept": (
        "trainer: {average: 3}",
        "trainer.keep_last: found 2, expected at least 3 (average) because export is 'last' (in {file})",
    ),
    "twice": (
        "dropout: 0.1\ndropout: 0.2",
        "{file}, line 3: key 'dropout' stands twice, on lines 2 and 3; correct the YAML",
    ),
    "not YAML": ("a: [1", "{file}, line 3: expected ',' or ']', but got '<stream end>'; correct the YAML"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_errors_name_key_file_and_fix(tmp_path, text, message):
    path = write(tmp_path, TOY + text + "\n")
    with pytest.raises(AudiolmError) as error:
        read_config([path])
    assert str(error.value) == message.format(file=path)


def test_an_error_names_the_file_that_gave_the_key(tmp_path):
    first, second = write(tmp_path, TOY + "layer: {width: 3}\n", "a.yaml"), write(tmp_path, "dropout: x\n", "b.yaml")
    with pytest.raises(AudiolmError, match=rf"dropout: found 'x' in {second}, expected float"):
        read_config([first, second])
    with pytest.raises(AudiolmError, match=r"layer.width: found 'y' in the command line, expected int"):
        read_config([first], [("layer.width", "y")])


def test_required_keys(rich):
    with pytest.raises(AudiolmError, match="required: not given in the command line, and it has no default"):
        read_config([], [("system", "toy_systems:Line")])


@pytest.mark.parametrize(
    "name, message",
    [
        ("codek", r"unknown system 'codek'; did you mean 'codec'\?"),
        ("toy_systems:Lime", "module 'toy_systems' has no 'Lime'"),
        ("no_such_module:Line", "no module 'no_such_module' on the Python path"),
    ],
)
def test_unknown_systems(name, message):
    with pytest.raises(AudiolmError, match=message):
        read_config([], [("system", name)])


def test_differences_name_keys_but_not_places():
    old = {"trainer": {"max_steps": 5, "devices": 1, "seed": 0}, "layer": None}
    assert differences(old, {"trainer": {"max_steps": 6, "devices": 2, "seed": 0}, "layer": None}) == []
    new = {"trainer": {"max_steps": 4, "devices": 1, "seed": 1}, "layer": {"width": 2}}
    assert differences(old, new) == [
        "trainer.max_steps is 4, was 5",
        "trainer.seed is 1, was 0",
        "layer is absent, was None",
        "layer.width is 2, was absent",
    ]


def test_command_line(tmp_path, capsys):
    path = write(tmp_path, TOY)
    assert main(["train", "--config", str(path), "--print_config", "--layer.width=5"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["layer"] == {"width": 5} and printed["optimizers"]["main"]["clip"] == 1.0
    several = ["--names", "a", "b", "--optimizers.main.betas", "0.5", "0.9"]
    assert main(["train", "--config", str(path), "--print_config", *several]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["names"] == ["a", "b"] and printed["optimizers"]["main"]["betas"] == [0.5, 0.9]
    assert main(["train", "--config", str(path), "--help"]) == 0
    assert "--layer.width  (int; default 8)\n          Hidden units." in capsys.readouterr().out
    assert main(["train", "--help"]) == 0
    assert "--trainer.max_steps  (int; default 1000)" in capsys.readouterr().out
    for arguments, message in {
        (): "no --config",
        ("--config", str(path)): "no --exp",
        ("--config", str(path), "--exp", "x", "--dropout"): "option '--dropout' on the command line has no value",
        ("--config", str(path), "--exp", "x", "stray"): "found 'stray' on the command line, expected --key value",
        ("--config", str(tmp_path / "none.yaml")): "none.yaml: No such file or directory",
    }.items():
        assert main(["train", *arguments]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_numbers_of_yaml_1_2(tmp_path):
    rates = read_config([write(tmp_path, TOY + "rates: {a: 1e-4, b: 2E+3, c: -1.5e2, d: .inf}\n")]).config.rates
    assert rates == {"a": 1e-4, "b": 2000.0, "c": -150.0, "d": math.inf}
