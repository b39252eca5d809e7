"""What follows from matches of fingerprints: which recordings are copies of others, and what is heard again and again.

Matches of a job are a table of ``recording start end other offset votes`` (blank-separated, seconds). Frequent segments
(Moshi, Défossez et al. 2024, appendix B: those with ten matches or more; jingles, announcements, hold music) are a
table of ``recording start end matches``, ``frequent`` beside a set's ``wav.scp``; training leaves them out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audiolm.data.files import write_lines
from audiolm.data.fingerprint_index import Match
from audiolm.data.tables import number_of, rows, seconds
from audiolm.errors import AudiolmError

COVERED = 0.5  # of a recording: more in others makes it a copy
FREQUENT = 10  # matches
TABLE = "frequent"


def write_matches(path: Path, matches: Iterable[Match]) -> None:
    """Write matches atomically, in the order given."""
    write_lines(
        path,
        (f"{m.reco} {seconds(m.start)} {seconds(m.end)} {m.other} {m.offset:.3f} {m.votes}" for m in matches),
    )


def read_matches(path: Path) -> list[Match]:
    """Matches as ``write_matches`` leaves them."""
    matches = []
    for number, fields in rows(path, 6, 6, "<recording> <start> <end> <other> <offset> <votes>"):
        start, end, offset, votes = (number_of(fields[i]) for i in (1, 2, 4, 5))
        if not (0 <= start < end and abs(offset) >= 0 and votes > 0):
            raise AudiolmError(f"{path}:{number}: found '{' '.join(fields)}', which is no match: search again")
        matches.append(Match(fields[0], start, end, fields[3], offset, int(votes)))
    return matches


def copies(matches: Iterable[Match], durations: Mapping[str, float], order: Sequence[str]) -> dict[str, Match]:
    """Recordings of which more than COVERED is in others that are kept -> the match with the most votes.

    Args:
        durations: recording -> seconds.
        order: all recordings, those to keep rather than others first.
    """
    of = defaultdict(list)
    for match in matches:
        if match.other != match.reco:
            of[match.reco].append(match)
    kept: set[str] = set()
    found: dict[str, Match] = {}
    for reco in order:
        own = [match for match in of[reco] if match.other in kept]
        if sum(end - start for start, end, _ in _depths(own)) > COVERED * durations[reco]:
            found[reco] = max(own, key=lambda m: m.votes)
        else:
            kept.add(reco)
    return found


def frequent(matches: Iterable[Match], least: int = FREQUENT) -> dict[str, list[tuple[float, float, int]]]:
    """Recording -> its segments (start and end in seconds) with ``least`` matches or more, and how many at most."""
    of = defaultdict(list)
    for match in matches:
        of[match.reco].append(match)
    found = {}
    for reco, own in sorted(of.items()):
        segments: list[tuple[float, float, int]] = []
        for start, end, depth in _depths(own):
            if depth < least:
                continue
            if segments and segments[-1][1] == start:
                segments[-1] = (segments[-1][0], end, max(segments[-1][2], depth))
            else:
                segments.append((start, end, depth))
        if segments:
            found[reco] = segments
    return found


def _depths(matches: Sequence[Match]) -> list[tuple[float, float, int]]:
    """Stretches between the matches' edges with how many matches lie over each, where any do."""
    edges = sorted([(m.start, 1) for m in matches] + [(m.end, -1) for m in matches])
    parts, depth, at = [], 0, 0.0
    for time, change in edges:
        if depth and time > at:
            parts.append((at, time, depth))
        depth, at = depth + change, time
    return parts


def write_frequent(directory: Path, segments: Mapping[str, Sequence[tuple[float, float, int]]]) -> None:
    """Write the table into a data directory, or remove an earlier one if there are none."""
    if not segments:
        (directory / TABLE).unlink(missing_ok=True)
        return
    write_lines(
        directory / TABLE,
        (f"{reco} {seconds(s)} {seconds(e)} {count}" for reco in sorted(segments) for s, e, count in segments[reco]),
    )


def read_frequent(directory: Path) -> dict[str, list[tuple[float, float, int]]]:
    """Recording -> its segments as ``write_frequent`` leaves them; none where a data directory has no such table."""
    segments = defaultdict(list)
    path = directory / TABLE
    if path.is_file():
        for number, fields in rows(path, 4, 4, "<recording> <start> <end> <matches>"):
            start, end, count = map(number_of, fields[1:])
            if not (0 <= start < end and count > 0):
                raise AudiolmError(
                    f"{path}:{number}: found '{' '.join(fields)}', expected 0 <= start < end and matches: run the "
                    "stage that finds duplicates again"
                )
            segments[fields[0]].append((start, end, int(count)))
    return dict(segments)


class Frequent:
    """What training leaves out of a data directory: its frequent segments, if it has such a table."""

    def __init__(self, directory: str | Path):
        self.segments = read_frequent(Path(directory))

    def meets(self, reco: str, start: float, end: float) -> bool:
        """Whether a frequent segment reaches into ``start`` … ``end`` (s) of a recording."""
        return any(s < end and start < e for s, e, _ in self.segments.get(reco, ()))
