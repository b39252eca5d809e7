"""The stages that a run would run, a name a line: ``python -m audiolm.jobs.pending``, with the plan on stdin."""

import argparse
import sys
from collections.abc import Sequence

from audiolm.errors import AudiolmError
from audiolm.jobs.stages import Stage, State, read_plan, select


def main(argv: Sequence[str] | None = None) -> int:
    """Print the names and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--dir", required=True, help="the recipe's working directory")
    parser.add_argument("--stage", default="")
    parser.add_argument("--stop_stage", default="")
    parser.add_argument("--force", default="false")
    args = parser.parse_args(argv)
    try:
        stages = read_plan(sys.stdin.read())
        selected = select(stages, args.stage, args.stop_stage)
        for stage in pending(State(args.dir, stages), selected, args.force == "true"):
            print(stage.name)
    except AudiolmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def pending(state: State, selected: Sequence[Stage], force: bool) -> list[Stage]:
    """Those of ``selected`` that must run, or come after one that must."""
    found: list[Stage] = []
    for stage in selected:
        upstream = any(other.name in stage.after for other in found)
        if not stage.unless and (force or upstream or state.why(stage) is not None):
            found.append(stage)
    return found


if __name__ == "__main__":
    sys.exit(main())
