"""Dialogue scripts: what is said, by which voice, and when, as JSON lines.

A script fixes every random choice but the noise, so that a script file (ours or a user's own) is all that the
speaking stage needs. One line of the file is one dialogue::

    {"id": "dev0001", "speakers": {"A": {"voice": "us_adam", "pitch": 3, "rate": 0.97, "level": -24.1}, "B": …},
     "noise": -63.0, "room": 0.2,
     "lines": [{"channel": "A", "text": "hello", "gap": 0.3}, {"channel": "B", "text": "yes", "at": 0.7}]}

``gap`` is in seconds from the end of the turn before (negative: overlap); ``at`` makes the line a backchannel that
starts at this share of the turn before. ``pitch`` is added to the voice's own, ``rate`` multiplies it, ``level`` is
the speech's RMS in dBFS, ``noise`` the noise floor's; ``room`` (0…1) is the strength of early reflections.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from audiolm.data.files import lines_of, write_lines
from audiolm.errors import AudiolmError
from audiolm.simulate import grammar as english

CHANNELS = ("A", "B")
SECONDS_PER_WORD = 0.297  # of the voices in audiolm.simulate.voices, measured
MEDIAN_GAP = 0.25


@dataclass(frozen=True)
class Speaker:
    """Who speaks on a channel, and how (see the module's text for the units)."""

    voice: str
    pitch: int = 0
    rate: float = 1.0
    level: float = -24.0


@dataclass(frozen=True)
class ScriptLine:
    """One utterance: a turn (``gap`` given) or a backchannel (``at`` given)."""

    channel: str
    text: str
    gap: float | None = None
    at: float | None = None


@dataclass(frozen=True)
class Script:
    """One dialogue of two speakers, "A" and "B"."""

    id: str
    speakers: dict[str, Speaker]
    lines: list[ScriptLine]
    noise: float = -65.0
    room: float = 0.0

    @property
    def expected_duration(self) -> float:
        """A guess in seconds, from the number of words and the gaps."""
        turns = [line for line in self.lines if line.gap is not None]
        return sum(len(line.text.split()) * SECONDS_PER_WORD + line.gap for line in turns) + 0.5


def compose(id: str, split: str, voices: list[str], rng: np.random.Generator, grammar: ModuleType = english) -> Script:
    """Draw one dialogue of about 20 to 30 s between two different voices of ``voices``."""
    draw = english.Draw(rng, split)
    weights = np.array([weight for _, weight in grammar.TOPICS])
    pair = [voices[index] for index in rng.choice(len(voices), 2, replace=False)]
    speakers = {
        channel: Speaker(
            voice,
            pitch=int(rng.integers(-6, 7)),
            rate=round(float(rng.uniform(0.92, 1.08)), 3),
            level=round(float(rng.uniform(-29, -21)), 1),
        )
        for channel, voice in zip(CHANNELS, pair, strict=True)
    }
    lines: list[ScriptLine] = []
    asked: set[tuple[int, int]] = set()
    script = Script(
        id, speakers, lines, noise=round(float(rng.uniform(-72, -60)), 1), room=round(max(0, rng.uniform(-0.3, 0.3)), 2)
    )
    _append(lines, draw, grammar.opening(draw), draw.digit(0, 1), grammar.BACKCHANNELS)
    wanted = rng.uniform(19, 26)
    while script.expected_duration < wanted and len(asked) < 2 * len(grammar.TOPICS):
        topic, asker = rng.choice(len(weights), p=weights / weights.sum()), draw.digit(0, 1)
        if (topic, asker) in asked:  # asked twice, a question could get two answers
            continue
        asked.add((topic, asker))
        _append(lines, draw, grammar.TOPICS[topic][0](draw), asker, grammar.BACKCHANNELS)
    if draw.chance(0.7):
        _append(lines, draw, grammar.closing(draw), draw.digit(0, 1), grammar.BACKCHANNELS)
    return script


def _append(
    lines: list[ScriptLine], draw: english.Draw, exchange: list[english.Line], asker: int, backchannels: Sequence[str]
) -> None:
    for line in exchange:
        channel = CHANNELS[line.speaker ^ asker]
        lines.append(ScriptLine(channel, line.text, gap=round(_gap(draw, lines, channel), 3)))
        if len(line.text.split()) >= 5 and draw.chance(0.15):
            text = draw.one(*backchannels)
            other = CHANNELS[1 - CHANNELS.index(channel)]
            lines.append(ScriptLine(other, text, at=round(float(draw.rng.uniform(0.4, 0.9)), 2)))


def _gap(draw: english.Draw, lines: list[ScriptLine], channel: str) -> float:
    """Seconds since the last turn: a pause within a speaker's turns, else a gap, or one time in eight an overlap."""
    last = next((line for line in reversed(lines) if line.gap is not None), None)
    if last is None:
        return draw.rng.uniform(0.2, 0.8)
    if last.channel == channel:
        return draw.rng.uniform(0.3, 0.7)
    if draw.chance(0.125) and len(last.text.split()) > 1:
        return -draw.rng.uniform(0.05, 0.35)
    return min(MEDIAN_GAP * float(np.exp(0.5 * draw.rng.standard_normal())), 1.0)


def compose_set(
    name: str, split: str, seconds: float, voices: list[str], seed: int, grammar: ModuleType = english
) -> list[Script]:
    """Draw dialogues named ``<name>0001`` … until they are expected to last ``seconds``; no two say the same.

    Args:
        grammar: TOPICS, opening, closing and BACKCHANNELS as in :mod:`audiolm.simulate.grammar`.
    """
    scripts: list[Script] = []
    said: set[tuple[str, ...]] = set()
    total, draws = 0.0, 0
    while total < seconds:
        rng = np.random.default_rng([seed, *name.encode(), draws])
        draws += 1
        script = compose(f"{name}{len(scripts) + 1:04d}", split, voices, rng, grammar)
        words = tuple(line.text for line in script.lines)
        if words in said:
            continue
        said.add(words)
        scripts.append(script)
        total += script.expected_duration
    return scripts


def as_text(script: Script) -> str:
    """What is said, each line after its speaker: ``A: hello B: hi how are you``."""
    return " ".join(f"{line.channel}: {line.text}" for line in script.lines)


def write_scripts(path: Path, scripts: Iterable[Script]) -> None:
    """Write JSON lines, atomically."""
    write_lines(path, (json.dumps(record(script), ensure_ascii=False) for script in scripts))


def record(script: Script) -> dict:
    """The script as it is written, fields without a value left out."""
    fields = asdict(script)
    fields["lines"] = [{key: value for key, value in line.items() if value is not None} for line in fields["lines"]]
    return fields


def read_scripts(path: Path) -> list[Script]:
    """Read JSON lines. Raises AudiolmError that names the line of the file and what is wrong there."""
    if not path.is_file():
        raise AudiolmError(f"no dialogue scripts at {path}; write them with: audiolm simulate scripts")
    scripts = []
    for number, text in enumerate(lines_of(path.read_text(encoding="utf-8")), start=1):
        try:
            fields = json.loads(text)
            fields["speakers"] = {channel: Speaker(**fields["speakers"][channel]) for channel in CHANNELS}
            fields["lines"] = [ScriptLine(**line) for line in fields["lines"]]
            script = Script(**fields)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise AudiolmError(
                f"{path}:{number}: not a dialogue script ({error}); see audiolm/simulate/script.py"
            ) from error
        _check(script, f"{path}:{number}")
        scripts.append(script)
    return scripts


def _check(script: Script, where: str) -> None:
    if not script.lines or script.lines[0].gap is None:
        raise AudiolmError(f"{where}: dialogue '{script.id}' has no first turn; its first line needs 'gap'")
    for line in script.lines:
        if line.channel not in CHANNELS or not line.text.split():
            raise AudiolmError(f"{where}: '{line}' needs channel A or B and some text")
        if (line.gap is None) == (line.at is None):
            raise AudiolmError(f"{where}: '{line.text}' needs either 'gap' (a turn) or 'at' (a backchannel)")
