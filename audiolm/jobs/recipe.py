"""What ``utils/stages.sh`` asks between stages: ``python -m audiolm.jobs.recipe ACTION``, with the plan on stdin.

Actions: ``list`` and ``dry_run`` print; ``next`` decides on the next stage and prints "NAME RUN AFTER" (nothing when
all is done; AFTER: digest of the runs it comes after); ``finish`` leaves the mark of the stage that has ended well;
``measured`` writes the table of costs.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.jobs.cores import available_cores
from audiolm.jobs.progress import duration
from audiolm.jobs.stages import Stage, State, names, read_plan, select

MEASURES = ("seconds", "memory_mb", "disk_mb")
LOCK_PATIENCE = 5.0  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Do one action and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("action", choices=["list", "dry_run", "next", "finish", "measured"])
    parser.add_argument("--dir", help="the recipe's working directory")
    parser.add_argument("--stage", default="")
    parser.add_argument("--stop_stage", default="")
    parser.add_argument("--force", default="false")
    parser.add_argument("--past", default="", help="the stage that was decided on last")
    parser.add_argument("--lock", type=int, help="open file descriptor to hold the directory's lock on")
    parser.add_argument("--measured", type=Path, help="table of costs: read by dry_run, written by measured")
    parser.add_argument("--memory", type=Path, help="what the monitor of the finished stage has written")
    args = parser.parse_args(argv)
    try:
        stages = read_plan(sys.stdin.read())
        selected = select(stages, args.stage, args.stop_stage)
        return {"list": _list, "dry_run": _dry_run, "next": _next, "finish": _finish, "measured": _measured}[
            args.action
        ](args, stages, selected)
    except AudiolmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot read or write {error.filename or args.dir}: {error.strerror}", file=sys.stderr)
        return 1


def _list(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    width = max(len(stage.name) for stage in stages)
    for stage in selected:
        print(f"{stage.number:>3}  {stage.name:<{width}}  {stage.title}")
    return 0


def _next(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    if args.lock is not None:
        _hold_lock(args.lock, args.dir)
    state = State(args.dir, stages)
    past = next((stage.number for stage in stages if stage.name == args.past), 0)
    done: list[Stage] = []
    chosen, why = None, None
    for stage in selected:
        if stage.number <= past or stage.unless:
            continue
        why = state.why(stage)
        if why is not None or args.force == "true":
            chosen = stage
            break
        done.append(stage)
    if done:
        _say(f"done before: {names(done)}")
    until = chosen.number if chosen else selected[-1].number
    for stage in stages[max(past, selected[0].number - 1) : until]:
        if stage.unless:
            _say(f"stage {stage.number} {stage.name}: not needed, {stage.unless}")
    if chosen is None:
        return 0
    _check_upstream(state, chosen, selected)
    because = f" (again: {why or '--force'})" if why or why is None else ""
    _say(f"stage {chosen.number} {chosen.name}: {chosen.title}{because}")
    run = state.begin(chosen, args.force == "true")
    after = json.dumps(state.running[chosen.name]["inputs"]["after"], sort_keys=True)
    print(chosen.name, run, hashlib.sha256(after.encode()).hexdigest())
    return 0


def _hold_lock(descriptor: int, directory: str) -> None:
    """Lock the working directory for as long as the calling shell, or a stage it started, has the file open.

    What an earlier run has left when it was killed gets some seconds to end (see :mod:`audiolm.jobs.monitor`).
    """
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise AudiolmError(
                    f"another run works in {directory} (it holds {directory}/.stages/lock); "
                    f"wait for it, end it, or give this one another --dir"
                ) from error
        time.sleep(0.1)


def _check_upstream(state: State, stage: Stage, selected: list[Stage]) -> None:
    by_name = {other.name: other for other in state.stages}
    for name in stage.after:
        if by_name[name].unless:
            continue
        if name not in state.marks:
            raise AudiolmError(
                f"stage {stage.name} needs stage {name}, which has not finished in {state.dir}: --stage {name}"
            )
        if by_name[name] not in selected and (why := state.why(by_name[name])):
            _say(
                f"warning: stage {name}, which {stage.name} builds on, is out of date ({why}); --stage {name} redoes it"
            )


def _finish(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    stage = next(stage for stage in stages if stage.name == args.past)
    memory_mb = float(args.memory.read_text()) if args.memory.is_file() else None
    mark = State(args.dir, stages).finish(stage, memory_mb)
    args.memory.unlink(missing_ok=True)
    memory = f", {memory_mb / 1e3:.2f} GB of memory" if memory_mb else ""
    _say(f"stage {stage.number} {stage.name}: done in {duration(mark['seconds'])}{memory}")
    return 0


def _dry_run(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    """Print what would run, why, and what it is expected to cost: as measured here before, or in the given table."""
    state = State(args.dir, stages)
    measured = _read_measured(args.measured)
    to_run: dict[str, dict] = {}
    rows = []
    for stage in selected:
        why = state.why(stage)
        upstream = [name for name in stage.after if name in to_run]
        if stage.unless:
            rows.append((stage, f"not needed: {stage.unless}", None))
        elif why is None and not upstream and args.force != "true":
            rows.append((stage, "done", None))
        else:
            to_run[stage.name] = cost = state.marks.get(stage.name) or measured.get(stage.name) or {}
            if why is None:
                why = f"after {', '.join(upstream)}" if upstream else "--force"
            rows.append((stage, "runs" + (f": {why}" if why else ""), cost))
    width = max(len(stage.name) for stage, _, _ in rows)
    for stage, what, cost in rows:
        print(f"{stage.number:>3}  {stage.name:<{width}}  {_cost(cost):<34}  {what}")
    total = {
        "seconds": sum(cost["seconds"] for cost in to_run.values() if cost),
        "memory_mb": max((cost["memory_mb"] or 0 for cost in to_run.values() if cost), default=0),
        "disk_mb": sum(cost["disk_mb"] for cost in to_run.values() if cost),
    }
    unknown = [name for name, cost in to_run.items() if not cost]
    print(f"{len(to_run)} stages would run in {args.dir}" + (f": {_cost(total)}" if len(unknown) < len(to_run) else ""))
    if unknown:
        print(f"not measured yet: {', '.join(unknown)}")
    elif to_run and args.measured and args.measured.is_file():
        print(args.measured.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    return 0


def _cost(cost: dict | None) -> str:
    if not cost:
        return "" if cost is None else "?"
    memory, disk = (cost["memory_mb"] or 0) / 1e3, cost["disk_mb"] / 1e3
    return f"{duration(cost['seconds']):>7} {memory:>6.2f} GB memory {disk:>6.2f} GB disk"


def _read_measured(path: Path | None) -> dict[str, dict]:
    if path is None or not path.is_file():
        return {}
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: dict(zip(MEASURES, map(float, values), strict=True)) for name, *values in rows}


def _measured(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    """Write the costs of every stage, from the marks of a complete run, for ``--dry_run`` elsewhere."""
    state = State(args.dir, stages)
    needed = [stage for stage in stages if not stage.unless]
    if missing := [stage for stage in needed if stage.name not in state.marks]:
        raise AudiolmError(f"{args.measured}: not written, since {names(missing)} have not finished in {args.dir}")
    lines = [f"# measured on {available_cores()} cores, {_processor()}, {time.strftime('%Y-%m-%d')}"]
    lines.append("# stage\t" + "\t".join(MEASURES))
    lines += [
        "\t".join([stage.name, *(f"{state.marks[stage.name][key] or 0:g}" for key in MEASURES)]) for stage in needed
    ]
    temporary = args.measured.with_name(args.measured.name + ".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(temporary, args.measured)
    _say(f"wrote {args.measured}")
    return 0


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
    ]
    return models[0] if models else platform.machine()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
