"""Groups of stages: a task's template names some, adds stages of its own, and has the options of just these groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RUN = """#!/usr/bin/env bash
# A toy task of three groups.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
stages_folder=stages
# Begin configuration.
rate=16          # of this corpus
# End configuration.
. ./toy1.sh
"""
TEMPLATE = """# Begin configuration.
size=small       # of the model
# End configuration.
groups="base sound units"
. utils/groups.sh
stage_sound
stage_units
stage model "Train" --after units --out model -- keep model "$(cat "$dir/units" 2>/dev/null || true)" "$size"
run_stages
"""
GROUPS = {
    "base": """# shellcheck shell=bash
# The run

# Begin configuration.
dir=work         # everything is written here
rate=8           # samples a second
# End configuration.
keep() { mkdir -p "$dir"; echo "${@:2}" >"$dir/$1"; }
""",
    "sound": """# shellcheck shell=bash
# Sound

# Begin configuration.
loud=false       # make it loud
# End configuration.
stage_sound() { stage sound "Make sound" --out sound -- keep sound "$rate" "$loud"; }
""",
    "units": """# shellcheck shell=bash
# Units

# Begin configuration.
clusters=50      # of k-means
units_args=()    # --units.layer 6
# End configuration.
group_units() { told="$clusters of $rate"; }
stage_units() { stage units "Cluster" --after sound --out units -- keep units "$told" "${units_args[@]}"; }
""",
}


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "utils").symlink_to(ROOT / "utils")
    (tmp_path / "run.sh").write_text(RUN)
    (tmp_path / "toy1.sh").write_text(TEMPLATE)
    for name, text in GROUPS.items():
        (tmp_path / f"stages/{name}.sh").write_text(text)

    def call(*options):
        environment = {
            **os.environ,
            "AUDIOLM_PROBE": "false",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        command = ["bash", tmp_path / "run.sh", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    call.folder = tmp_path
    return call


def test_a_task_of_groups_runs_with_the_options_of_all(toy):
    assert [line.split()[1] for line in toy("--list")[1].splitlines()] == ["sound", "units", "model"]
    status, said = toy("--clusters", "100", "--loud", "--units.layer", "6", "--size", "large")
    assert status == 0, said
    work = toy.folder / "work"
    assert (work / "sound").read_text() == "16 true\n"  # run.sh's default over the group's
    assert (work / "units").read_text() == "100 of 16 --layer 6\n"
    status, said = toy("--clusters", "100", "--loud", "--units.layer", "6", "--size", "large", "--rate", "4")
    assert status == 0 and (work / "units").read_text() == "100 of 4 --layer 6\n"


def test_help_shows_every_group_under_its_title(toy):
    lines = [line for line in toy("--help")[1].splitlines() if line]
    options = [line.split()[0] for line in lines if line.startswith("  --")]
    assert lines.index("The run:") < lines.index("Sound:") < lines.index("Units:")
    assert options.index("--size") < options.index("--dir") < options.index("--loud") < options.index("--clusters")
    assert options.count("--rate") == 1 and "--units.KEY" in options
    (rate,) = [line for line in lines if line.startswith("  --rate")]
    assert rate.endswith("of this corpus [16]") and lines.index(rate) > lines.index("The run:")


def test_a_group_that_is_not_there_and_an_option_of_no_group_are_named(toy):
    status, said = toy("--cluster", "3")
    assert status == 1 and "unknown option --cluster; did you mean 'clusters'?" in said
    path = toy.folder / "toy1.sh"
    path.write_text(path.read_text().replace("sound units", "sound pitch"))
    status, said = toy("--list")
    assert status == 1 and "groups names 'pitch', and there is no stages/pitch.sh" in said


def test_the_shipped_groups_declare_an_option_and_a_stage_once():
    texts = [path.read_text() for path in ROOT.glob("egs/TEMPLATE/*/*.sh")]
    assert sum(line.split()[:2] == ["stage", "codec"] for text in texts for line in text.splitlines()) == 1
    seen = {}
    for path in ROOT.glob("egs/TEMPLATE/stages/*.sh"):
        block = path.read_text().partition("# Begin configuration.")[2].partition("# End configuration.")[0]
        for line in block.split("\n"):
            name = line.partition("=")[0]
            if name.isidentifier():
                assert name not in seen, f"{name} stands in {seen.get(name)} and {path}"
                seen[name] = path
    for path in ROOT.glob("egs/TEMPLATE/*/*.sh"):
        if path.parent.name != "stages" and path.name not in ("run.sh", "cmd.sh", "path.sh"):
            assert len(path.read_text().splitlines()) <= 60
