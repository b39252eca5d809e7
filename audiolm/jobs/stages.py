"""A recipe's stages: which of them are done, which must run (again) and why. ``utils/stages.sh`` asks, bash runs them.

A stage that has finished leaves a mark, ``<dir>/.stages/<name>.json``: its command line, the content of the files that
the command line names (of a word ``module:function`` those of the module), the runs of the stages it comes after, and
what it cost. The stage is done while all of these are as they were and its outputs are there. A stage that has begun
and not finished has ``<name>.running.json`` instead, with an id of the run; an interrupted run goes on under the same
id, so that arrays redo only their missing jobs.
"""

import glob
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs import plugins


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Attributes:
        number: from 1, in the order of the recipe.
        name, title: the word that users type, and what the stage does.
        command: command line; it names every option that changes the result (and no other: nj, say).
        function: source of the recipe's own shell function that the command calls, if it does.
        after: names of the stages whose outputs it reads.
        files: files it reads that are no words of the command.
        out: what it writes, as glob patterns under the recipe's working directory.
        unless: why it is not needed, where that is so (a trained model that the user named).
    """

    number: int
    name: str
    title: str
    command: tuple[str, ...]
    function: str = ""
    after: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    out: tuple[str, ...] = ()
    unless: str = ""


def read_plan(text: str) -> list[Stage]:
    """Parse what ``utils/stages.sh`` writes: for each stage NUL-ended fields, name, title, after, files, out, unless,
    function, number of words, words."""
    fields = iter(text.split("\0")[:-1])
    stages = []
    for name in fields:
        title, after, files, out, unless, function, count = (next(fields) for _ in range(7))
        words = tuple(next(fields) for _ in range(int(count)))
        stage = Stage(
            len(stages) + 1, name, title, words, function, *(tuple(f.split()) for f in (after, files, out)), unless
        )
        names = [earlier.name for earlier in stages]
        for needed in stage.after:
            if needed not in names:
                raise AudiolmError(
                    f"stage '{name}' comes after '{needed}', which is no earlier stage{did_you_mean(needed, names)}"
                )
        if name in names:
            raise AudiolmError(f"two stages are called '{name}'; give one another name")
        stages.append(stage)
    return stages


def select(stages: Sequence[Stage], first: str, last: str) -> list[Stage]:
    """Return the stages from ``first`` to ``last`` (names or numbers; empty: from the start, to the end)."""
    begin = _find(stages, first, "--stage").number if first else 1
    end = _find(stages, last, "--stop_stage").number if last else len(stages)
    if begin > end:
        raise AudiolmError(f"--stage {first} comes after --stop_stage {last}: no stage is left to run")
    return list(stages[begin - 1 : end])


def _find(stages: Sequence[Stage], key: str, option: str) -> Stage:
    if key.isdigit():
        if not 1 <= int(key) <= len(stages):
            raise AudiolmError(f"{option} {key}: stages are numbered 1 to {len(stages)} (--list prints them)")
        return stages[int(key) - 1]
    by_name = {stage.name: stage for stage in stages}
    if key not in by_name:
        raise AudiolmError(f"{option} {key}: there is no such stage{did_you_mean(key, by_name)}")
    return by_name[key]


@dataclass
class State:
    """What the working directory says about a recipe's stages."""

    dir_as_given: str
    stages: list[Stage]
    marks: dict[str, dict] = field(default_factory=dict)
    running: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dir = Path(self.dir_as_given)
        for stage in self.stages:
            for kind, suffix in ((self.marks, ".json"), (self.running, ".running.json")):
                file = self.dir / ".stages" / (stage.name + suffix)
                if file.is_file():
                    kind[stage.name] = json.loads(file.read_text(encoding="utf-8"))

    def inputs(self, stage: Stage) -> dict:
        """Return everything that the stage's result depends on, as plain JSON."""
        command = [relative(word, self.dir_as_given) for word in stage.command]
        files = {word: content(word) for word in (*command, *stage.files) if is_input(word)}
        files |= {str(file): content(str(file)) for word in command for file in plugins.sources(word)}
        after = {}
        for name in stage.after:
            upstream = next(other for other in self.stages if other.name == name)
            if not upstream.unless:
                after[name] = [self.marks.get(name, {}).get("run", ""), self._fingerprint(upstream)]
        return {"command": command, "function": stage.function, "files": files, "after": after}

    def why(self, stage: Stage) -> str | None:
        """Return why the stage must run: None where it need not, "" where it never has."""
        if stage.name in self.running:
            return "it had begun and not finished"
        if stage.name not in self.marks:
            return ""
        for pattern in stage.out:
            if not self._matches(pattern):
                return f"{pattern} is gone"
        was, now = self.marks[stage.name]["inputs"], self.inputs(stage)
        return None if was == now else _difference(was, now)

    def begin(self, stage: Stage, force: bool) -> str:
        """Note that the stage runs from now on, and return the id of this run."""
        inputs = self.inputs(stage)
        old = self.running.get(stage.name)
        goes_on = old is not None and old["inputs"] == inputs and not force
        run = old["run"] if goes_on else ("force-" if force else "") + secrets.token_hex(8)
        self.running[stage.name] = {"run": run, "inputs": inputs, "started": time.time(), "whole": not goes_on}
        write_json(self.dir / ".stages" / f"{stage.name}.running.json", self.running[stage.name])
        (self.dir / ".stages" / f"{stage.name}.json").unlink(missing_ok=True)
        self.marks.pop(stage.name, None)
        return run

    def finish(self, stage: Stage, memory_mb: float | None, cpu_seconds: float | None = None) -> dict:
        """Leave the stage's mark and return it. ``memory_mb`` is None for a stage too short to have been watched."""
        for pattern in stage.out:
            if not self._matches(pattern):
                raise AudiolmError(f"stage {stage.name} ended well, but has not written {self.dir / pattern}")
        running = self.running.pop(stage.name)
        mark = {
            "stage": stage.name,
            "digest": hashlib.sha256(json.dumps(running["inputs"], sort_keys=True).encode()).hexdigest(),
            **running,
            "seconds": round(time.time() - running["started"], 1),
            "cpu_seconds": cpu_seconds,
            "training_seconds": round(self._training(running["started"]), 1),
            "memory_mb": memory_mb,
            "disk_mb": round(self._size(stage) / 1e6, 1),
        }
        write_json(self.dir / ".stages" / f"{stage.name}.json", mark)
        (self.dir / ".stages" / f"{stage.name}.running.json").unlink()
        self.marks[stage.name] = mark
        return mark

    def _matches(self, pattern: str) -> list[Path]:
        return [self.dir / match for match in sorted(glob.glob(pattern, root_dir=self.dir))]

    def _fingerprint(self, stage: Stage) -> str:
        """Identify a stage's outputs by names, sizes and times: of files, and of what lies directly in folders."""
        lines = []
        for path in (path for pattern in stage.out for path in self._matches(pattern)):
            entries = sorted(os.scandir(path), key=lambda entry: entry.name) if path.is_dir() else [path]
            for entry in entries:
                status = os.stat(entry)
                if not os.path.isdir(entry):
                    name = os.path.relpath(entry, self.dir)
                    lines.append(f"{name} {status.st_size} {status.st_mtime_ns}\n")
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def _training(self, since: float) -> float:
        """Seconds in the loops of the trainings that have ended since: what their logs say last."""
        total = 0.0
        for log in self._matches("exp/*/metrics.jsonl"):
            if log.stat().st_mtime >= since:
                lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
                total += max((line["seconds"] for line in lines if "seconds" in line), default=0.0)
        return total

    def _size(self, stage: Stage) -> int:
        total = 0
        for path in (path for pattern in stage.out for path in self._matches(pattern)):
            folders = os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]
            total += sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in folders for name in names)
        return total


def relative(word: str, directory: str) -> str:
    """Return a word of a command line with ``$dir`` for the working directory: a folder that moves stays done."""
    return re.sub(rf"(^|[=:,]){re.escape(directory)}(?=/|$)", r"\1$dir", word)


def is_input(word: str) -> bool:
    """Whether a word of a command line names a file, or the directory of a trained model."""
    return os.path.isfile(word) or os.path.isfile(os.path.join(word, "model.safetensors"))


def content(path: str) -> str:
    """Identify a file by its content; one over 16 MB, or a trained model, by size and time."""
    model = os.path.join(path, "model.safetensors")
    status = os.stat(model if os.path.isdir(path) else path)
    if os.path.isdir(path) or status.st_size > 16e6:
        return f"{status.st_size} bytes, {status.st_mtime_ns}"
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _difference(was: dict, now: dict) -> str:
    """Say in a few words what changed between two results of :meth:`State.inputs`."""
    if was["command"] != now["command"]:
        return _command_difference(was["command"], now["command"])
    for name, content in now["files"].items():
        if was["files"].get(name) != content:
            return f"{name} changed"
    for name, (run, _) in now["after"].items():
        if name not in was["after"]:
            return f"it now comes after stage {name}"
        if was["after"][name][0] != run:
            return f"stage {name}, which it builds on, was redone"
        if was["after"][name] != now["after"][name]:
            return f"what stage {name} wrote was changed since"
    return "what the recipe does in it changed"


def _command_difference(was: Sequence[str], now: Sequence[str]) -> str:
    old, new = _options(was), _options(now)
    for option, value in new.items():
        if option not in old:
            return f"{option} {value} was added".replace("  ", " ")
        if old[option] != value:
            return f"{option} changed from '{old[option]}' to '{value}'"
    for option, value in old.items():
        if option not in new:
            return f"{option} {value} was taken away".replace("  ", " ")
    return "the order of its options changed"


def _options(words: Sequence[str]) -> dict[str, str]:
    """Group a command line as {option: its values}; what comes before the first option is 'the command'."""
    options: dict[str, str] = {}
    option = "the command"
    for word in words:
        if word.startswith("--"):
            option, _, value = word.partition("=")
            options[option] = value  # of an option given twice, the last counts
        else:
            options[option] = f"{options.get(option, '')} {word}".strip()
    return options


def write_json(path: Path, values: dict) -> None:
    """Write a JSON file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def names(stages: Iterable[Stage]) -> str:
    """Return stage names in one string.

    >>> names([Stage(1, "corpus", "", ()), Stage(2, "audio", "", ())])
    'corpus, audio'
    """
    return ", ".join(stage.name for stage in stages)
