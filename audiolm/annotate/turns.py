"""Speaker turns of one recording, and what conversation analysis counts in them.

Terms (Nguyen et al. 2023, "Generative spoken dialogue language modeling", section 4.3; the same in Moshi's table of
dialogue statistics): an *inter-pausal unit* (IPU) is speech of one speaker without a silence of 0.2 s; silence of
everybody is a *pause* if the same speaker goes on after it, else a *gap*; *overlap* is time in which several speak.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Region = tuple[float, float]  # start and end in seconds

IPU_PAUSE = 0.2  # seconds of silence that end an inter-pausal unit
TURN_PAUSE = 0.3  # seconds: a shorter pause does not end a turn (NIST, "The 2009 RT evaluation plan", section 6.1)


class SpeakerTurn(NamedTuple):
    """Seconds from the start of the recording, and a name that is the same in all turns of a speaker."""

    start: float
    end: float
    speaker: str


def join_turns(turns: Iterable[SpeakerTurn], shortest_pause: float = TURN_PAUSE) -> list[SpeakerTurn]:
    """Join turns of one speaker that overlap, or between which are less than ``shortest_pause`` s of nobody's speech.

    >>> a, b = SpeakerTurn(0.0, 1.0, "a"), SpeakerTurn(1.2, 2.0, "a")
    >>> join_turns([a, b])
    [SpeakerTurn(start=0.0, end=2.0, speaker='a')]
    >>> join_turns([a, b, SpeakerTurn(1.1, 1.15, "b")])[0]
    SpeakerTurn(start=0.0, end=1.0, speaker='a')
    """
    turns = sorted(turns)
    joined = []
    for speaker in {turn.speaker for turn in turns}:
        others = union((turn.start, turn.end) for turn in turns if turn.speaker != speaker)
        current = None
        for turn in (turn for turn in turns if turn.speaker == speaker):
            if current is not None and (
                turn.start <= current.end
                or (turn.start - current.end < shortest_pause and not _meets(others, current.end, turn.start))
            ):
                current = SpeakerTurn(current.start, max(current.end, turn.end), speaker)
                joined[-1] = current
            else:
                current = turn
                joined.append(current)
    return sorted(joined)


def union(regions: Iterable[Region], shortest_pause: float = 0.0) -> list[Region]:
    """Disjoint regions in order: those that overlap, touch or are less than ``shortest_pause`` s apart become one.

    >>> union([(3.0, 4.0), (0.0, 1.0), (0.5, 2.0)])
    [(0.0, 2.0), (3.0, 4.0)]
    """
    joined: list[Region] = []
    for start, end in sorted(regions):
        if joined and (start <= joined[-1][1] or start - joined[-1][1] < shortest_pause):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _meets(regions: Sequence[Region], start: float, end: float) -> bool:
    """Whether disjoint, ordered ``regions`` have a part within start … end."""
    first = bisect_right(regions, start, key=lambda region: region[1])
    return first < len(regions) and regions[first][0] < end


@dataclass(frozen=True)
class Events:
    """How many there are of one kind, and how long they last together."""

    count: int
    seconds: float

    def per_minute(self, duration: float) -> "Events":
        """The same per minute of a recording of ``duration`` s; counts become rates."""
        return Events(60 * self.count / duration, 60 * self.seconds / duration)


@dataclass(frozen=True)
class TurnStatistics:
    """Counts and total seconds of one recording."""

    ipu: Events
    pause: Events
    gap: Events
    overlap: Events


def turn_statistics(turns: Iterable[SpeakerTurn]) -> TurnStatistics:
    """Count IPUs, pauses, gaps and overlaps.

    Silence before the first and after the last word is neither pause nor gap. Where several speakers fall silent or
    begin at the same time, the silence is a pause if one of them is on both sides.
    """
    ipus = [unit for units in _ipus(turns).values() for unit in units]
    speech: list[Region] = []  # of anybody
    pauses, gaps = [], []
    last_speakers: set[str] = set()
    for unit in sorted(ipus):
        if not speech:
            speech.append(unit[:2])
            last_speakers = {unit.speaker}
            continue
        start, end = speech[-1]
        if unit.start > end:
            starters = {other.speaker for other in ipus if other.start == unit.start}
            (pauses if starters & last_speakers else gaps).append(unit.start - end)
            speech.append(unit[:2])
            last_speakers = {unit.speaker}
        elif unit.end >= end:
            last_speakers = last_speakers | {unit.speaker} if unit.end == end else {unit.speaker}
            speech[-1] = (start, unit.end)
    overlaps = _overlaps(ipus)
    return TurnStatistics(
        ipu=Events(len(ipus), sum(unit.end - unit.start for unit in ipus)),
        pause=Events(len(pauses), sum(pauses)),
        gap=Events(len(gaps), sum(gaps)),
        overlap=Events(len(overlaps), sum(end - start for start, end in overlaps)),
    )


def _ipus(turns: Iterable[SpeakerTurn]) -> dict[str, list[SpeakerTurn]]:
    """Speaker -> inter-pausal units."""
    by_speaker = defaultdict(list)
    for turn in turns:
        by_speaker[turn.speaker].append(turn)
    return {speaker: join_turns(own, IPU_PAUSE) for speaker, own in by_speaker.items()}


def _overlaps(units: Sequence[SpeakerTurn]) -> list[Region]:
    """Stretches in which two or more speak."""
    # At equal times ends come first: units that only touch do not overlap.
    edges = sorted([(unit.start, 1) for unit in units] + [(unit.end, -1) for unit in units])
    overlaps, active, began = [], 0, 0.0
    for time, change in edges:
        if active == 1 and change == 1:
            began = time
        if active == 2 and change == -1 and time > began:
            overlaps.append((began, time))
        active += change
    return overlaps
