"""The recipes as they are shipped: they parse, list their stages and plan a run; a new recipe works at once."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from audiolm.codec.model import Codec
from audiolm.lm.backbone import Backbone
from audiolm.train.options import read_config

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "egs/TEMPLATE/codec1/conf/models"
RECIPES = sorted(path.parent for path in ROOT.glob("egs/*/*/run.sh") if path.parent.parent.name != "TEMPLATE")
DIALOGUE = (
    "corpus audio diarize recognizer align tokenizer text codec codes textlm lm generate score report export".split()
)
STAGES = {
    "dialogue1": DIALOGUE,
    "codec1": "corpus audio recognizer codec codes score report".split(),
    "textlm1": "corpus tokenizer tokens textlm score report export".split(),
}


def call(*command, cwd=None):
    environment = {**os.environ, "AUDIOLM_VENV": str(Path(sys.executable).parents[1])}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_recipe_lists_its_stages_and_plans_a_run(recipe, tmp_path):
    for budget in sorted(path.stem for path in (recipe / "conf/budgets").glob("*.sh")):
        status, said = call(recipe / "run.sh", "--dry_run", "--budget", budget, "--dir", tmp_path / "work")
        assert status == 0 and f"would run in {tmp_path}/work" in said, said
        named = [line.split()[1] for line in said.splitlines() if line.split()[:1] and line.split()[0].isdecimal()]
        assert [name for name in named if name in STAGES[recipe.name]] == STAGES[recipe.name], said
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(path, marks=() if path.parent.name == "mini" else pytest.mark.slow) for path in RECIPES],
    ids=lambda path: "-".join(path.parts[-2:]),
)
def test_trained_models_spare_the_stages_that_would_train_them(recipe, tmp_path):
    for file in ("b/config.yaml", "c/config.yaml", "d/tokenizer.model"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    trained, stages = ["--recognizer", "a", "--codec", tmp_path / "b"], ["recognizer", "codec"]
    if recipe.name == "dialogue1":
        trained, stages = (
            [*trained, "--lm_init", tmp_path / "c", "--tokenizer", tmp_path / "d"],
            ["recognizer", "tokenizer", "codec", "textlm"],
        )
    if recipe.name == "textlm1":
        trained, stages = ["--tokenizer", tmp_path / "d"], ["tokenizer"]
    status, said = call(recipe / "run.sh", "--dry_run", "--dir", tmp_path / "work", *trained)
    spared = [line.split()[1] for line in said.splitlines() if "not needed" in line]
    assert (status, spared) == (0, stages)


def test_a_codec_without_a_teacher_needs_no_recogniser(tmp_path):
    run = [ROOT / "egs/mini/codec1/run.sh", "--dry_run", "--dir", tmp_path / "work", "--teacher"]
    for teacher in ("none", "config"):
        assert f"not needed: --teacher is {teacher}" in call(*run, teacher)[1]
    assert "not needed: --recognizer names a trained one\n" in call(*run, "none", "--recognizer", "a")[1]
    assert "not needed: --teacher is openai/whisper-tiny\n" in call(*run, "openai/whisper-tiny")[1]
    assert "'hubert' is none of: recognizer, config, none" in call(*run, "hubert")[1]


CODECS = [
    "mimi",
    "mimi mimi_adversarial",
    "encodec",
    "soundstream",
    "soundstream soundstream_16k",
    "dac",
    "speechtokenizer",
]
ABLATIONS = [f"mimi ablations/{path.stem}" for path in sorted((MODELS / "ablations").glob("*.yaml"))]


@pytest.mark.parametrize("names", [*CODECS, *ABLATIONS])
def test_codecs_of_papers_by_their_configs(names):
    run = read_config([MODELS / f"{name}.yaml" for name in names.split()], [("train_dir", "a"), ("valid_dir", "b")])
    codec, name = run.config, names.split()[-1]
    rate = codec.frame_rate * codec.quantizer.n_q * math.log2(codec.quantizer.codebook_size)
    kbps = {"encodec": 24.0, "soundstream": 6.0, "soundstream_16k": 6.0, "dac": 24.0, "speechtokenizer": 4.0}
    assert rate / 1000 == kbps.get(name, 1.1)
    with torch.device("meta"):
        model = Codec(codec)
    assert model.causal == (name not in ("encodec", "dac", "speechtokenizer"))


@pytest.mark.parametrize(("name", "size", "seen"), [("1b", 1.16e9, 23.6e9), ("helium_7b", 6.84e9, 2.1e12)])
def test_text_lms_by_their_configs(name, size, seen):
    """Parameters and tokens are what the heads of the files say."""
    path = ROOT / f"egs/TEMPLATE/textlm1/conf/models/{name}.yaml"
    run = read_config([path])
    with torch.device("meta"):
        model = Backbone(run.config.text_vocab, run.config.temporal)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(size, rel=0.005)
    assert run.config.tokens * run.trainer.batch_size * run.trainer.max_steps == pytest.approx(seen, rel=0.005)
    head = path.read_text().split("system:")[0]
    assert "GPU" in head and "FLOP" in head and f"{size / 1e9:.3g}" in head


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: "-".join(path.parts[-2:]))
def test_help_explains_every_option(recipe):
    status, said = call(recipe / "run.sh", "--help")
    options = [line for line in said.splitlines() if line.startswith("  --")]
    assert status == 0 and len(options) > 20
    assert all(len(line[20:].partition("[")[0].strip()) > 3 for line in options), said


@pytest.mark.parametrize("task", STAGES)
def test_a_new_recipe_works_and_says_what_is_left_to_do(task, tmp_path):
    house = tmp_path / "a house"
    for name in ("egs/TEMPLATE", "utils"):  # whose configs are copied where they are links to a recipe's
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("work"))
    new = house / "egs/TEMPLATE/new_recipe.sh"
    status, said = call(new, "fisher", task)
    assert status == 0 and "local/data.sh" in said
    recipe = house / "egs/fisher" / task
    assert "Fisher" not in said and "CORPUS" not in (recipe / "local/data.sh").read_text()
    status, said = call(recipe / "run.sh", "--list")
    assert (status, [line.split()[1] for line in said.splitlines()]) == (0, STAGES[task])
    status, said = call(recipe / "run.sh", "--stop_stage", "corpus")
    assert status == 1 and "--corpus_dir '' is no folder; name the one that holds fisher" in said
    assert "is there already" in call(new, "fisher", task)[1]
    assert "there is no task 'dialog1'; tasks are: codec1 dialogue1 textlm1" in call(new, "ami", "dialog1")[1]
    assert "is no folder name" in call(new, "../ami", "dialogue1")[1]
    assert not (house / "egs/ami").exists()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shell_files_pass_shellcheck():
    files = [*ROOT.glob("utils/*.sh"), *ROOT.glob("egs/**/*.sh"), *ROOT.glob("tools/**/*.sh")]
    status, said = call("shellcheck", "-x", "--source-path=SCRIPTDIR", *files)
    assert status == 0, said
