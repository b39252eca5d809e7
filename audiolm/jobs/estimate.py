"""How long a recipe will take here: what its stages cost where they were measured, and how fast this machine is now."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from audiolm.jobs.costs import Machine, compared, read_machine, read_table, seconds_here, span, total
from audiolm.jobs.stages import Stage, State, names

WORTH = 60.0  # seconds of work, by the table, below which this machine is not measured
PATIENCE = 180  # seconds
# Options that change nothing about how long a recipe takes, or that every run must name.
HARMLESS = (
    "stage stop_stage list dry_run force probe write_measured dir budget cmd train_cmd seed max_rejected corpus_dir"
).split()


def plan(
    state: State, selected: Sequence[Stage], force: bool, table: Path | None
) -> tuple[list[tuple[Stage, str, dict | None]], Machine | None]:
    """Return every stage with what would happen to it and its cost, and the machine of the table.

    The cost is None where the stage does not run, and empty where nothing was measured. A stage that has run here costs
    what it cost here.
    """
    there, measured = read_table(table)
    runs: set[str] = set()
    rows: list[tuple[Stage, str, dict | None]] = []
    for stage in selected:
        why = state.why(stage)
        upstream = [name for name in stage.after if name in runs]
        if stage.unless:
            rows.append((stage, f"not needed: {stage.unless}", None))
        elif why is None and not upstream and not force:
            rows.append((stage, "done", None))
        else:
            runs.add(stage.name)
            if why is None:
                why = f"after {', '.join(upstream)}" if upstream else "--force"
            mark = state.marks.get(stage.name)
            cost = {"training_seconds": 0.0, **mark, "here": True} if mark else {**measured.get(stage.name, {})}
            rows.append((stage, "runs" + (f": {why}" if why else ""), cost))
    return rows, there


def scale(rows: Sequence[tuple[Stage, str, dict | None]], here: Machine | None, there: Machine | None) -> list[dict]:
    """Give the costs that are known ``low`` and ``high``, seconds to expect here; return them."""
    known = []
    for _, _, cost in rows:
        if cost:
            machines = (None, None) if cost.get("here") else (here, there)
            cost["low"], cost["high"] = seconds_here(cost, *machines)
            known.append(cost)
    return known


def worth_measuring(rows: Sequence[tuple[Stage, str, dict | None]]) -> bool:
    """Whether enough work by the table is left for this machine's speed to matter."""
    return sum(cost["seconds"] for _, _, cost in rows if cost and not cost.get("here")) >= WORTH


def measure(jobs: int) -> tuple[Machine | None, str]:
    """Measure this machine as a training of the recipe finds it, under its launcher; None, and why, if that fails."""
    command = shlex.split(os.environ.get("train_cmd") or os.environ.get("cmd") or "audiolm launch")
    if "slurm" in command:
        return None, "jobs run on Slurm, whose machines are not measured here"
    if command[:2] == ["audiolm", "launch"]:  # as it is found by python, which need not be so on PATH
        command[:2] = [sys.executable, "-m", "audiolm.commands.main", "launch"]
    with tempfile.TemporaryDirectory(prefix="audiolm-machine-") as folder:
        log, out = Path(folder, "machine.log"), Path(folder, "machine.json")
        verb = [sys.executable, "-m", "audiolm.commands.main", "machine", "--jobs", str(jobs), "--out", str(out)]
        try:
            subprocess.run([*command, str(log), *verb], capture_output=True, timeout=PATIENCE, check=True)
            return read_machine(json.loads(out.read_text(encoding="utf-8"))), ""
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            said = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
            return None, f"this machine could not be measured: {said[-2] if len(said) > 1 else error}"


def cost_line(cost: dict | None) -> str:
    """Return a stage's cost in columns; "" where it does not run."""
    if not cost:
        return "" if cost is None else "not measured"
    memory, disk = (cost["memory_mb"] or 0) / 1e3, cost["disk_mb"] / 1e3
    return f"{span(cost['low'], cost['high']):>12} {memory:>6.2f} GB memory {disk:>6.2f} GB disk"


def notes(
    rows: Sequence[tuple[Stage, str, dict | None]],
    here: Machine | None,
    there: Machine | None,
    given: Sequence[str],
    budget: str,
) -> list[str]:
    """Return lines on what the figures are worth: where they were measured, what was not, what was given besides."""
    lines = []
    costs = [cost for _, _, cost in rows if cost]
    if there and any(not cost.get("here") for cost in costs):
        lines += compared(here, there).splitlines()
        if other := other_options(given):
            lines.append(f"measured without {other}")
    if unknown := [stage for stage, _, cost in rows if cost is not None and not cost]:
        lines.append(f"not measured: {names(unknown)}")
        file = Path(f"conf/budgets/{budget}.sh")
        if budget and file.is_file() and (said := _comment(file)):
            lines.append(f"{file}: {said}")
    return lines


def warnings(cost: dict, directory: str) -> list[str]:
    """Return what this machine has too little of for a total cost."""
    folder = Path(directory).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    lines = []
    if cost["disk_mb"] / 1e3 > free:
        lines.append(f"warning: {cost['disk_mb'] / 1e3:.1f} GB of disk are needed, and {free:.1f} are free in {folder}")
    if cost["memory_mb"] / 1e3 > memory:
        lines.append(
            f"warning: {cost['memory_mb'] / 1e3:.1f} GB of memory are needed, and this machine has {memory:.1f}"
        )
    return lines


def other_options(given: Sequence[str]) -> str:
    """Return the options of a command line that may change a stage's cost.

    >>> other_options(["--stage", "codec", "--codec.quantizer.n_q", "8", "--hours=2", "--dry_run"])
    '--codec.quantizer.n_q 8, --hours=2'
    """
    options: list[list[str]] = []
    for word in given:
        if word.startswith("--"):
            options.append([word])
        elif options:
            options[-1].append(word)
    return ", ".join(" ".join(o) for o in options if o[0][2:].partition("=")[0].replace("-", "_") not in HARMLESS)


def band(fs: str) -> str:
    """Return what a sample rate in Hz means to who listens.

    >>> band("8000"), band("24000")
    ('sound at 8 kHz (the band of a telephone)', 'sound at 24 kHz')
    """
    if not fs.isdigit():
        return ""
    return f"sound at {int(fs) / 1000:g} kHz" + (" (the band of a telephone)" if int(fs) == 8000 else "")


def sentence(costs: list[dict], count: int, fs: str) -> str:
    """Return the line that a run begins with."""
    whole = total(costs)
    stages = f"{count} stage{'s' if count != 1 else ''} to run"
    if len(costs) < count:
        stages += f", {len(costs)} of them measured"
    line = (
        f"{stages}: about {span(whole['low'], whole['high'])}, {whole['memory_mb'] / 1e3:.1f} GB of memory, "
        f"{whole['disk_mb'] / 1e3:.1f} GB of disk"
    )
    return f"{line}; {band(fs)}" if band(fs) else line


def _comment(file: Path) -> str:
    """Return what a budget's file says of itself at its top."""
    said = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# shellcheck"):
            said.append(line.lstrip("# "))
    return " ".join(said)
