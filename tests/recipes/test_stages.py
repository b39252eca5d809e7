"""The shell side of recipes, on a toy recipe of stages that write a file each: what runs, what is redone, and why."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UTILS = Path(__file__).parents[2] / "utils"

RECIPE = """#!/usr/bin/env bash
# A toy: three stages.
#
#   ./run.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Begin configuration.
fs=16000         # sample rate in Hz
nj=2             # jobs at a time
# End configuration.
. ./template.sh
"""

TEMPLATE = """
# Begin configuration.
budget=demo      # conf/budgets/<budget>.sh
dir=             # working directory [work/<budget>]
fs=24000         # sample rate
nj=8             # jobs
codec=           # a trained codec
cmd="audiolm launch"
codec_args=()    # settings of the codec's config
sets="train dev" # names of sets
# End configuration.
. utils/stages.sh
dir=${dir:-work/$budget}

audio() { echo "audio $*" >>ran; mkdir -p "$dir/audio"; echo "$*" >"$dir/audio/wav"; }
codec() {
  echo "codec $*" >>ran
  $cmd --max_jobs 1 JOB=1:3 "$dir/log/codec.JOB.log" \\
    bash -c 'sleep ${nap:-0}; echo . >>jobs; echo ok >"$0"' "$dir/part.JOB"
  cat "$dir"/part.* "$dir/audio/wav" >"$dir/codec.tmp" && mv "$dir/codec.tmp" "$dir/codec"
}

stage audio "Resample" --out "audio/wav" -- audio --fs "$fs"
stage codec "Train the codec" --after audio --out codec --unless "${codec:+--codec names a trained one}" -- \\
  codec --config conf/codec.yaml "${codec_args[@]}"
stage lm "Train the LM" --after "audio codec" -- eval 'echo "lm" >>ran' --codec "${codec:-$dir/codec}"
run_stages
"""


# A launcher that starts one job after the other: what stages do is not about jobs, and processes of Python take time.
SIMPLE = """#!/usr/bin/env bash
mkdir -p "${4%/*}" # --max_jobs 1 JOB=1:N LOG COMMAND…
command=("${@:5}")
for ((job = 1; job <= ${3#*:}; job++)); do "${command[@]//JOB/$job}" >"${4//JOB/$job}"; done
"""


def make(folder, launcher="./launcher"):
    """A recipe in a folder with a blank in its name."""
    (folder / "conf/budgets").mkdir(parents=True)
    (folder / "utils").symlink_to(UTILS)
    (folder / "run.sh").write_text(RECIPE)
    (folder / "run.sh").chmod(0o755)
    (folder / "template.sh").write_text(TEMPLATE.replace('cmd="audiolm launch"', f'cmd="{launcher}"'))
    (folder / "launcher").write_text(SIMPLE)
    (folder / "launcher").chmod(0o755)
    (folder / "conf/codec.yaml").write_text("levels: 4\n")
    (folder / "conf/budgets/demo.sh").write_text("codec_args+=(--steps 30)\n")
    (folder / "conf/budgets/smoke.sh").write_text("codec_args+=(--steps 3)\n")
    return Recipe(folder)


@pytest.fixture
def recipe(tmp_path):
    return make(tmp_path / "a toy")


@pytest.fixture
def launched(tmp_path):
    """A recipe whose jobs are started by audiolm launch."""
    return make(tmp_path / "a toy", "audiolm launch")


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    recipe = make(tmp_path_factory.mktemp("finished") / "a toy")
    assert recipe()[0] == ["audio", "codec", "lm"]
    return recipe


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of a recipe that has run to its end, with the times of its files."""
    return Recipe(shutil.copytree(finished_once.folder, tmp_path / "a toy", symlinks=True))


class Recipe:
    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.env.pop("AUDIOLM_RUN", None)

    def start(self, *options, **env):
        return subprocess.Popen(
            [self.folder / "run.sh", *options],
            cwd="/",
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *options, status=0, **env):
        """Run it; return (stages that ran, everything it printed)."""
        ran = self.folder / "ran"
        ran.unlink(missing_ok=True)
        process = self.start(*options, **env)
        out, error = process.communicate(timeout=60)
        assert process.returncode == status, out + error
        return [line.split()[0] for line in ran.read_text().splitlines()] if ran.exists() else [], out + error


def test_a_second_run_redoes_nothing_and_is_quick(finished):
    start = time.monotonic()
    ran, said = finished()
    assert ran == [] and "done before: audio, codec, lm" in said
    assert time.monotonic() - start < 2


def test_marks_are_json_with_digest_and_costs(launched):
    launched(nap="0.3")
    mark = json.loads((launched.folder / "work/demo/.stages/codec.json").read_text())
    assert re.fullmatch("[0-9a-f]{64}", mark["digest"])
    assert mark["seconds"] > 0.8 and mark["memory_mb"] > 5 and mark["disk_mb"] >= 0
    assert mark["inputs"]["command"] == ["codec", "--config", "conf/codec.yaml", "--steps", "30"]


@pytest.mark.parametrize(
    ("options", "ran", "why"),
    [
        (
            ["--fs", "8000"],
            ["audio", "codec", "lm"],
            "stage 1 audio: Resample (again: --fs changed from '16000' to '8000')",
        ),
        (["--codec.steps", "31"], ["codec", "lm"], "--steps changed from '30' to '31'"),
        (["--codec.quantizer.n_q=4"], ["codec", "lm"], "--quantizer.n_q 4 was added"),
        (["--codec.causal"], ["codec", "lm"], "--causal was added"),
        (["--codec", "mine"], ["lm"], "stage 2 codec: not needed, --codec names a trained one"),
        (["--nj", "1"], [], "done before"),
        (["--force", "--stage", "lm"], ["lm"], "stage 3 lm: Train the LM (again: --force)"),
        (["--force", "--stop-stage", "1"], ["audio"], "again: --force"),
        (["--budget", "smoke", "--dir", "work/demo"], ["codec", "lm"], "--steps changed from '30' to '3'"),
    ],
)
def test_a_changed_option_redoes_its_stage_and_what_depends_on_it_and_says_why(finished, options, ran, why):
    done, said = finished(*options)
    assert done == ran
    assert why in said


def test_changed_files_redo(finished):
    template = (finished.folder / "template.sh").read_text()
    (finished.folder / "conf/codec.yaml").write_text("levels: 8\n")
    ran, said = finished()
    assert ran == ["codec", "lm"]
    assert "(again: conf/codec.yaml changed)" in said
    assert "(again: stage codec, which it builds on, was redone)" in said
    (finished.folder / "work/demo/audio/wav").write_text("edited by hand\n")
    ran, said = finished()
    assert ran == ["codec", "lm"] and "what stage audio wrote was changed since" in said
    (finished.folder / "work/demo/codec").unlink()
    ran, said = finished()
    assert ran == ["codec", "lm"] and "codec is gone" in said
    (finished.folder / "template.sh").write_text(template.replace('"audio $*" >>ran', '"audio $*" >> ran'))
    assert finished()[0] == []  # spelt otherwise, the same
    (finished.folder / "template.sh").write_text(
        template.replace('echo "$*" >"$dir/audio/wav"', 'echo x >"$dir/audio/wav"')
    )
    ran, said = finished()
    assert ran == ["audio", "codec", "lm"] and "what the recipe does in it changed" in said


def test_a_moved_folder_stays_done(finished):
    (finished.folder / "work/demo").rename(finished.folder / "work/other place")
    assert finished("--dir", "work/other place")[0] == []


def test_some_stages_by_name_or_number(recipe):
    assert recipe("--stop_stage", "audio")[0] == ["audio"]
    assert recipe("--stage", "3", status=1)[1].count("needs stage codec, which has not finished") == 1
    assert recipe("--stage", "codec", "--stop_stage", "2")[0] == ["codec"]
    ran, said = recipe("--stage", "lm", "--codec.steps", "5")
    assert ran == ["lm"] and "warning: stage codec, which lm builds on, is out of date (--steps" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--stage", "codex"], "--stage codex: there is no such stage; did you mean 'codec'?"),
        (["--stage", "4"], "--stage 4: stages are numbered 1 to 3"),
        (["--stage", "lm", "--stop_stage", "1"], "--stage lm comes after --stop_stage 1"),
        (["--budgt", "x"], "unknown option --budgt; did you mean 'budget'?"),
        (["--budget", "dmo"], "--budget dmo: there is no conf/budgets/dmo.sh; did you mean 'demo'?"),
        (["--codex.n_q", "4"], "unknown option --codex.n_q; did you mean 'codec.n_q'?"),
        (["--fs", "fast"], "--fs fast: expected a number, such as 16000"),
        (["--fs"], "--fs needs a value"),
        (["--config"], "--config needs a value"),
        (["--force=perhaps"], "--force perhaps: expected true or false"),
        (["--config", "none.sh"], "--config: there is no file none.sh"),
        (["data"], "'data' is no option"),
    ],
)
def test_wrong_options_are_named_before_anything_runs(recipe, options, says):
    ran, said = recipe(*options, status=1)
    assert ran == [] and says in said
    assert len(said.splitlines()) == 1


def test_help_prints_the_configuration_with_this_recipes_defaults(recipe):
    said = recipe("--help")[1]
    assert said.startswith("A toy: three stages.\n")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines() if line.startswith("  --")}
    assert lines["--fs"] == "sample rate in Hz [16000]"  # the recipe's own word over the template's
    assert lines["--codec.KEY"] == "settings of the codec's config [--steps 30]"
    assert lines["--dry_run"].endswith("[false]") and lines["--sets"] == "names of sets [train dev]"


def test_a_config_file_counts_less_than_the_command_line(recipe):
    (recipe.folder / "mine.sh").write_text("fs=8000\ncodec_args+=(--levels 2)\n")
    recipe("--fs", "11025", "--config", "mine.sh")
    marks = recipe.folder / "work/demo/.stages"
    assert json.loads((marks / "audio.json").read_text())["inputs"]["command"] == ["audio", "--fs", "11025"]
    command = json.loads((marks / "codec.json").read_text())["inputs"]["command"]
    assert command[3:] == ["--steps", "30", "--levels", "2"]


def test_list_and_dry_run_touch_nothing(recipe):
    assert recipe("--list")[1].splitlines() == [
        "  1  audio  Resample",
        "  2  codec  Train the codec",
        "  3  lm     Train the LM",
    ]
    ran, said = recipe("--dry_run")
    assert ran == [] and "3 stages would run" in said and "not measured: audio, codec, lm" in said
    assert "?" not in said
    assert not (recipe.folder / "work").exists()


MACHINE = dict(processor="X", cores=2, busy=0.0, jobs=2, process=10.0, processes=8.0, products=50.0, training=20.0)


def table(folder, rows, **machine):
    """A table of costs of the toy recipe's stages."""
    (folder / "measured").mkdir(exist_ok=True)
    head = json.dumps({**MACHINE, "date": "2026-01-01", **machine})
    (folder / "measured/demo.tsv").write_text("\n".join([f"# machine {head}", "# stage\t...", *rows]) + "\n")


def test_dry_run_knows_what_a_run_elsewhere_cost(finished):
    recipe = finished
    rows = ["audio\t12\t0\t1\t500\t2000", "codec\t16\t9\t1\t1500\t10", "lm\t18\t9\t1\t1\t1"]  # too little for measuring
    table(recipe.folder, rows)
    said = recipe("--dry_run", "--dir", "elsewhere", "--sets=a b")[1]
    assert "3 stages would run in elsewhere: 40 to 53 s   1.50 GB memory   2.01 GB disk\n" in said
    assert "measured 2026-01-01 on 2 cores, X\nmeasured without --sets=a b\n" in said
    said = recipe("--dry_run", "--fs", "8000")[1]
    assert "runs: --fs changed from '16000' to '8000'" in said and "runs: after audio, codec" in said
    assert "measured 2026" not in said, "what has run here costs what it cost here"
    table(recipe.folder, ["audio\t12"])
    assert "demo.tsv: no table of measured costs" in recipe("--dry_run", "--dir", "elsewhere", status=1)[1]


def test_a_run_says_at_its_start_how_long_it_takes(recipe):
    table(recipe.folder, ["audio\t6\t0\t6\t500\t2e9", "lm\t6\t3\t1\t1\t1"])
    ran, said = recipe("--fs", "8000")
    assert ran == ["audio", "codec", "lm"]
    assert "3 stages to run, 2 of them measured: about 10 to 14 s, 0.5 GB of memory, 2000000.0 GB of disk" in said
    assert "sound at 8 kHz (the band of a telephone)" in said and "not measured: codec" in said
    assert "warning: 2000000.0 GB of disk are needed" in said
    assert re.search("stage 2 codec: done in .*; about 5 to 7 s left", said)
    assert "to run" not in recipe("--fs", "8000")[1], "nothing is left"


def test_a_complete_run_is_written_with_its_machine(finished, tmp_path):
    """The recipe's launcher is one that lets the measuring write a machine known here; the codec's stage trains."""
    recipe = finished
    log = 'mkdir -p "$dir/exp/x"; echo \'{"step": 1, "seconds": 7.5}\' >"$dir/exp/x/metrics.jsonl"'
    log += "; for ((i = 0; i < 100000; i++)); do :; done"  # time of the processor
    (recipe.folder / "template.sh").write_text(
        (recipe.folder / "template.sh").read_text().replace('echo "codec $*" >>ran', f'echo "codec $*" >>ran; {log}')
    )
    slow = json.dumps({**MACHINE, "date": "2026-01-02", "training": 10.0})
    launcher = tmp_path / "launcher"
    launcher.write_text(f"#!/bin/bash\nwhile [[ $1 != --out ]]; do shift; done\necho '{slow}' >\"$2\"\n")
    launcher.chmod(0o755)
    record = recipe.folder / "work/demo/.stages/run/machine.json"
    recipe("--write_measured", "--force", "--stop_stage", "audio", train_cmd="false", status=1)
    assert not record.exists(), "a machine that cannot be measured"
    recipe("--write_measured", train_cmd=f"'{launcher}'")
    assert json.loads(record.read_text()) == json.loads(slow), "measured before the stages"
    record.write_text(json.dumps({**MACHINE, "date": ""}))
    said = recipe("--write_measured", train_cmd=f"'{launcher}'")[1]
    assert "this machine was not as fast all the time (training steps a second 20 then, 10 now)" in said
    written = (recipe.folder / "measured/demo.tsv").read_text().splitlines()
    machine = {**json.loads(slow), "training": 14.14}  # between what it was at the begin and is at the end
    assert written[0] == f"# machine {json.dumps(machine)}"
    assert [row.split("\t")[0] for row in written[2:]] == ["audio", "codec", "lm"]
    mark = json.loads((recipe.folder / "work/demo/.stages/codec.json").read_text())
    assert [float(x) for x in written[3].split("\t")[1:4]] == [mark["seconds"], 7.5, mark["cpu_seconds"]]
    assert mark["cpu_seconds"] > 0
    table(recipe.folder, ["lm\t100\t90\t1\t1\t1"])
    said = recipe("--dry_run", "--dir", "elsewhere", "--probe", "true", train_cmd=f"'{launcher}'")[1]
    assert "this machine, 2 cores, X: trains 0.5 times as fast, other work 1 times" in said
    mark["whole"] = False
    (recipe.folder / "work/demo/.stages/codec.json").write_text(json.dumps(mark))
    assert "codec did not run in one go" in recipe("--write_measured", train_cmd=f"'{launcher}'", status=1)[1]


def test_a_failed_stage_stops_the_recipe_and_goes_on_from_there(recipe):
    (recipe.folder / "conf/codec.yaml").unlink()
    (recipe.folder / "template.sh").write_text(TEMPLATE.replace("echo ok >", "test -e conf/codec.yaml && echo ok >"))
    ran, said = recipe(status=1)
    assert ran == ["audio", "codec"]
    assert "stage codec failed (status 1)" in said and "log/codec.1.log ends with" in said
    (recipe.folder / "conf/codec.yaml").write_text("levels: 4\n")
    assert recipe()[0] == ["codec", "lm"]


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGKILL, False),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, True, marks=pytest.mark.slow),
        (signal.SIGINT, True),
    ],
)
def test_killed_in_the_middle_it_goes_on_with_the_missing_jobs(launched, number, whole_group):
    """The shell alone, or everything it started, is killed in the second of three jobs."""
    process = launched.start(nap="1")
    jobs = launched.folder / "jobs"
    wait_until(jobs.exists)
    time.sleep(0.1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    process.communicate()
    assert not (launched.folder / "work/demo/.stages/codec.json").exists()
    time.sleep(1.5)  # no third job begins: the monitor has ended what the shell left
    assert len(jobs.read_text().split()) == 1
    ran, said = launched()
    assert ran == ["codec", "lm"] and "codec: Train the codec (again: it had begun and not finished)" in said
    assert "launch: 1 of 3 jobs were done before" in said
    assert len(jobs.read_text().split()) == 3


def test_two_runs_do_not_work_in_one_folder(recipe):
    (recipe.folder / "work/demo/.stages").mkdir(parents=True)
    with open(recipe.folder / "work/demo/.stages/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran, said = recipe(status=1)
    assert ran == [] and "another run works in work/demo" in said
    assert recipe("--stop_stage", "audio")[0] == ["audio"]


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
