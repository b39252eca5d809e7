"""What ``utils/stages.sh`` asks between stages: ``python -m audiolm.jobs.recipe ACTION``, with the plan on stdin.

Actions: ``list`` and ``dry_run`` print; ``next`` decides on the next stage and prints "NAME RUN AFTER" (nothing when
all is done; AFTER: digest of the runs it comes after); ``finish`` leaves the mark of the stage that has ended well;
``estimate`` says at the start how long a run will take; ``measured`` writes the table of costs.
"""

import argparse
import fcntl
import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.jobs.costs import Machine, between, read_machine, span, steady, total, write_table
from audiolm.jobs.estimate import cost_line, measure, notes, plan, scale, sentence, warnings, worth_measuring
from audiolm.jobs.progress import duration
from audiolm.jobs.stages import Stage, State, names, read_plan, select, write_json

MACHINE = ".stages/run/machine.json"  # in the working directory: its speed when the run began
EXPECTED = ".stages/run/expected.json"  # least and most seconds of each stage that was to run
LOCK_PATIENCE = 5.0  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Do one action and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("action", choices=list(ACTIONS))
    parser.add_argument("--dir", help="the recipe's working directory")
    parser.add_argument("--stage", default="")
    parser.add_argument("--stop_stage", default="")
    parser.add_argument("--force", default="false")
    parser.add_argument("--past", default="", help="the stage that was decided on last")
    parser.add_argument("--lock", type=int, help="open file descriptor to hold the directory's lock on")
    parser.add_argument("--measured", type=Path, help="table of costs: read by dry_run, written by measured")
    parser.add_argument("--probe", type="true".__eq__, default=False, help="true: measure this machine")
    parser.add_argument(
        "--record", type="true".__eq__, default=False, help="true: … in any case: it is timed for others"
    )
    parser.add_argument("--jobs", type=int, default=2, help="jobs of an array, which run side by side")
    parser.add_argument("--fs", default="", help="sample rate of the recipe's sound in Hz")
    parser.add_argument("--budget", default="")
    parser.add_argument("--given", type=str.split, default=[], help="the options of the recipe's command line")
    parser.add_argument("--times", type=Path, help="what bash says of processor time before and after the stage")
    parser.add_argument("--memory", type=Path, help="what the monitor of the finished stage has written")
    args = parser.parse_args(argv)
    try:
        stages = read_plan(sys.stdin.read())
        selected = select(stages, args.stage, args.stop_stage)
        return ACTIONS[args.action](args, stages, selected)
    except AudiolmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: cannot read or write {error.filename or args.dir}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


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
    mark = State(args.dir, stages).finish(stage, memory_mb, _processor_seconds(args.times))
    args.memory.unlink(missing_ok=True)
    memory = f", {memory_mb / 1e3:.2f} GB of memory" if memory_mb else ""
    _say(
        f"stage {stage.number} {stage.name}: done in {duration(mark['seconds'])}{memory}{_left(args, stage, selected)}"
    )
    return 0


def _left(args: argparse.Namespace, past: Stage, selected: list[Stage]) -> str:
    """Return "; about … left", by what the run has been told at its start; "" where nothing is known or left."""
    path = Path(args.dir) / EXPECTED
    expected = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    ends = [expected[stage.name] for stage in selected if stage.number > past.number and stage.name in expected]
    return f"; about {span(sum(low for low, _ in ends), sum(high for _, high in ends))} left" if ends else ""


def _processor_seconds(path: Path | None) -> float | None:
    """Return what the stage's processes took, from bash's ``times`` written before and after it; the file goes."""
    if path is None or not path.is_file():
        return None
    lines = path.read_text().replace(",", ".").splitlines()
    path.unlink()
    before, after = (
        sum(60 * float(minutes) + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", line))
        for line in (lines[1], lines[3])  # of the shell's children; the others are of the shell itself
    )
    return round(after - before, 1)


def _dry_run(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    """Print what would run, why, and what it is expected to cost: as measured here before, or by the given table."""
    rows, there = plan(State(args.dir, stages), selected, args.force == "true", args.measured)
    here, why_not = _machine(args, rows)
    costs = scale(rows, here, there)
    width = max(len(stage.name) for stage, _, _ in rows)
    for stage, what, cost in rows:
        print(f"{stage.number:>3}  {stage.name:<{width}}  {cost_line(cost):<44}  {what}")
    count = sum(cost is not None for _, _, cost in rows)
    known = f": {cost_line(total(costs)).strip()}" if costs else ""
    print(f"{count} stages would run in {args.dir}{known}")
    lines = [*notes(rows, here, there, args.given, args.budget), why_not, *warnings(total(costs), args.dir)]
    print("\n".join(line for line in lines if line), end="\n" if any(lines) else "")
    return 0


def _estimate(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    """Say at the start of a run how long it will take, where that was measured."""
    rows, there = plan(State(args.dir, stages), selected, args.force == "true", args.measured)
    count = sum(cost is not None for _, _, cost in rows)
    if not count or not (args.record or any(cost for _, _, cost in rows)):
        return 0
    if args.record or (args.probe and worth_measuring(rows)):
        _say("measuring this machine for some seconds, to tell how long this takes")
    here, why_not = _machine(args, rows)
    if here:
        write_json(Path(args.dir) / MACHINE, vars(here))
    if costs := scale(rows, here, there):
        _say(sentence(costs, count, args.fs))
    write_json(Path(args.dir) / EXPECTED, {stage.name: (cost["low"], cost["high"]) for stage, _, cost in rows if cost})
    for line in [*notes(rows, here, there, args.given, args.budget), why_not, *warnings(total(costs), args.dir)]:
        if line:
            _say(line)
    return 0


def _machine(args: argparse.Namespace, rows: list) -> tuple[Machine | None, str]:
    return measure(args.jobs) if args.record or (args.probe and worth_measuring(rows)) else (None, "")


def _measured(args: argparse.Namespace, stages: list[Stage], selected: list[Stage]) -> int:
    """Write the costs of every stage, from the marks of a complete run, for ``--dry_run`` and the start elsewhere."""
    state = State(args.dir, stages)
    needed = [stage for stage in stages if not stage.unless]
    if missing := [stage for stage in needed if stage.name not in state.marks]:
        raise AudiolmError(f"{args.measured}: not written, since {names(missing)} have not finished in {args.dir}")
    if parts := [stage for stage in needed if not state.marks[stage.name].get("whole")]:
        raise AudiolmError(
            f"{args.measured}: not written, since {names(parts)} did not run in one go; run them again with --force"
        )
    machine, why_not = measure(args.jobs)
    if machine is None:
        raise AudiolmError(f"{args.measured}: not written; {why_not}")
    record = Path(args.dir) / MACHINE
    if record.is_file():
        begun = read_machine(json.loads(record.read_text(encoding="utf-8")))
        if change := steady(begun, machine):
            _say(
                f"warning: this machine was not as fast all the time ({change}): run it again with nothing else running"
            )
        machine = between(begun, machine)
    write_table(args.measured, machine, {stage.name: state.marks[stage.name] for stage in needed})
    _say(f"wrote {args.measured}")
    return 0


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


ACTIONS = {
    "list": _list,
    "dry_run": _dry_run,
    "estimate": _estimate,
    "next": _next,
    "finish": _finish,
    "measured": _measured,
}

if __name__ == "__main__":
    sys.exit(main())
