"""Kill a recipe at random moments, rerun it, and compare its files with those of an uninterrupted run.

    python tests/recipes/kill_and_rerun.py --recipe egs/mini/dialogue1 --kills 10 -- --budget smoke --stop_stage lm

What must be equal: data directories, archives, weights, scores. Not logs, TensorBoard files and fields of time.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

# Files of which two equal runs may have different ones.
APART = ("log", "tensorboard", "train.log", "metrics.jsonl", "report.html")
TIMES = {"seconds", "time", "date", "started", "finished", "wall_seconds", "frames_per_second", "real_time_factor"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run, kill, rerun, compare; the exit status is the number of differing files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="folder of run.sh")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--work", type=Path, default=Path("work/kill_and_rerun"), help="where both runs work")
    parser.add_argument("options", nargs="*", help="options of run.sh")
    args = parser.parse_args(argv)
    recipe = args.recipe.resolve()
    differences = kill_and_rerun(recipe, args.options, args.work.resolve(), args.kills, random.Random(args.seed))
    print("\n".join(differences) or "every file is the same")
    return min(len(differences), 100)


def kill_and_rerun(recipe: Path, options: Sequence[str], work: Path, kills: int, moments: random.Random) -> list[str]:
    """Return the differences between an uninterrupted run and one killed ``kills`` times, all over its stages."""
    shutil.rmtree(work, ignore_errors=True)
    reference, killed = work / "reference", work / "killed"
    if _start(recipe, options, reference).wait() != 0:
        raise RuntimeError(f"the uninterrupted run fails, see {reference}.log")
    marks = [json.loads(path.read_text()) for path in (reference / ".stages").glob("*.json")]
    marks.sort(key=lambda mark: mark["started"])
    # Any stage is as likely as any other: drawn over the whole time, all kills would fall into the longest one.
    where = sorted((moments.randrange(len(marks)), moments.random()) for _ in range(kills))
    for number, (index, share) in enumerate(where, 1):
        process = _start(recipe, options, killed)
        mark = marks[index]
        place = _wait_for(process, killed / ".stages", mark["stage"], share * mark["seconds"])
        if process.poll():
            raise RuntimeError(f"kill {number} was to come {place}, but the run has failed, see {killed}.log")
        _kill(process.pid)
        process.wait()
        print(f"kill {number}: {place}", file=sys.stderr)
    if _start(recipe, options, killed).wait() != 0:
        raise RuntimeError(f"the killed run does not end well, see {killed}.log")
    return compare(reference, killed)


def _wait_for(process: subprocess.Popen, marks: Path, stage: str, seconds: float) -> str:
    """Wait until a stage has run for some seconds in this process, or is done; return where the run is."""
    begun = time.time()
    running = marks / f"{stage}.running.json"
    while process.poll() is None and not (marks / f"{stage}.json").exists():
        with suppress(FileNotFoundError):  # not begun, or just done
            started = running.stat().st_mtime
            if started > begun and time.time() - started >= seconds:
                return f"in stage {stage} after {seconds:.1f} s"
        time.sleep(0.02)
    return f"after stage {stage}"


def _start(recipe: Path, options: Sequence[str], folder: Path) -> subprocess.Popen:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.log", "a") as log:
        return subprocess.Popen(
            [recipe / "run.sh", *options, "--dir", folder], stdout=log, stderr=log, start_new_session=True
        )


def _kill(shell: int) -> None:
    """SIGKILL to the shell and everything below it, as when a machine goes down: again until nothing is left."""
    from audiolm.jobs.monitor import descendants, table

    below: set[int] = set()
    while True:
        processes = table()
        below = (below | descendants(processes, shell) | _session(shell, processes)) & processes.keys()
        for pid in {shell, *below}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended, or went down with its parent
        if not below - {shell}:
            return
        time.sleep(0.02)


def _session(leader: int, processes: Iterable[int]) -> set[int]:
    """The processes of a session, also those whose parent is gone."""
    found = set()
    for pid in processes:
        try:
            if os.getsid(pid) == leader:
                found.add(pid)
        except ProcessLookupError:
            pass  # it has ended
    return found


def compare(one: Path, other: Path) -> list[str]:
    """Return a line for each file that is only in one of two working directories, or differs."""
    files = [set(_files(folder)) for folder in (one, other)]
    lines = [f"{name}: only in {one}" for name in sorted(files[0] - files[1])]
    lines += [f"{name}: only in {other}" for name in sorted(files[1] - files[0])]
    for name in sorted(files[0] & files[1]):
        if _content(one, name) != _content(other, name):
            lines.append(f"{name}: differs between {one} and {other}")
    return lines


def _files(folder: Path) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in APART and not name.startswith(".")]
        for name in names:
            if name not in APART and not name.startswith("."):
                yield os.path.relpath(os.path.join(at, name), folder)


def _content(folder: Path, name: str) -> object:
    raw = (folder / name).read_bytes()
    if name.endswith((".flac", ".wav", ".ark", ".safetensors", ".npz", ".npy", ".model")):
        return raw
    text = raw.decode("utf-8").replace(str(folder), "$dir")
    return _without_times(json.loads(text)) if name.endswith(".json") else text


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
