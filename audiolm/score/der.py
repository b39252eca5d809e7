"""Diarization error rate of an ``rttm`` against a reference.

DER = (missed + false alarm + confused speaker time) / speaker time of the reference, where overlapped speech counts
once per speaker, the speakers of a file are matched one to one so that most time agrees, and a collar around the
reference's boundaries may go unscored (NIST, "The 2009 RT evaluation plan", section 6.1). Computed by
pyannote.metrics; NIST's md-eval gives the same numbers where no NON-LEX exclusions apply (tested).
"""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from audiolm.data.tables import Turn, number_of, read_rttm, rows
from audiolm.errors import AudiolmError
from audiolm.score.record import Score, bootstrap_ci

# pyannote.audio reports its use over the network unless told not to before it is imported.
os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")

Uem = Mapping[str, list[tuple[float, float]]]  # file -> evaluated stretches in seconds
COLLARS = {"der": 0.0, "der_collar": 0.25}  # score name -> seconds left out on each side of every reference boundary


@dataclass(frozen=True)
class SpeakerErrors:
    """Speaker time of one file in seconds: of the reference, missed, falsely found, given to the wrong speaker."""

    total: float
    missed: float
    false_alarm: float
    confusion: float

    @property
    def errors(self) -> float:
        return self.missed + self.false_alarm + self.confusion


def score(
    reference_rttm: str | Path,
    hypothesis_rttm: str | Path,
    data: str,
    backend: str,
    checksum: str = "",
    uem: str | Path | None = None,
) -> list[Score]:
    """Score a set: DER without a collar (``der``) and with 0.25 s (``der_collar``), overlaps included, files pooled.

    The channels of a file are taken together, so that a diarization of the mono mix compares with a reference of two
    channels. The baseline gives all the speech that the system found to one speaker: what detection alone achieves.

    Args:
        data: name of the data set, for the records.
        backend, checksum: what made the hypothesis.
        uem: NIST ``uem`` file of evaluated stretches (``file channel start end``); without it, from 0 to the last
            turn's end.

    Raises:
        AudiolmError: the hypothesis names a file that the reference lacks, or the reference holds no speech.
    """
    reference, hypothesis = by_file(read_rttm(reference_rttm)), by_file(read_rttm(hypothesis_rttm))
    strange = sorted(set(hypothesis) - set(reference))
    if strange:
        raise AudiolmError(
            f"{hypothesis_rttm} has turns of file '{strange[0]}', which {reference_rttm} lacks: "
            "score the sets that belong together"
        )
    evaluated = read_uem(uem) if uem else {}
    one_speaker = {file: [_relabel(turn, "one") for turn in turns] for file, turns in hypothesis.items()}
    scores = []
    for metric, collar in COLLARS.items():
        errors = diarization_errors(reference, hypothesis, collar, evaluated)
        baseline = diarization_errors(reference, one_speaker, collar, evaluated)
        total = sum(e.total for e in errors.values())
        if total <= 0:
            raise AudiolmError(f"{reference_rttm} holds no scored speech, expected at least one turn")
        percent = 100 / total
        scores.append(
            Score(
                metric=metric,
                value=percent * sum(e.errors for e in errors.values()),
                unit="%",
                protocol=f"diarization error rate, collar {collar:g} s a side, overlaps scored, "
                "channels of a file together; count is recordings",
                backend=backend,
                checksum=checksum,
                data=data,
                count=len(errors),
                ci=bootstrap_ci([100 * e.errors for e in errors.values()], [e.total for e in errors.values()]),
                baseline=percent * sum(e.errors for e in baseline.values()),
                baseline_name="all detected speech given to one speaker",
                details={
                    "missed": percent * sum(e.missed for e in errors.values()),
                    "false_alarm": percent * sum(e.false_alarm for e in errors.values()),
                    "confusion": percent * sum(e.confusion for e in errors.values()),
                    "speaker_seconds": total,
                },
            )
        )
    return scores


def diarization_errors(
    reference: Mapping[str, Iterable[Turn]],
    hypothesis: Mapping[str, Iterable[Turn]],
    collar: float = 0.0,
    uem: Uem | None = None,
) -> dict[str, SpeakerErrors]:
    """Errors of every file of ``reference``; a file without hypothesis is missed whole.

    Args:
        collar: seconds left out on *each* side of a reference boundary (md-eval's ``-c``; pyannote counts both sides).
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    errors = {}
    for file, turns in reference.items():
        truth, found = annotation_of(file, turns), annotation_of(file, hypothesis.get(file, ()))
        end = max((segment.end for annotation in (truth, found) for segment in annotation.itersegments()), default=0.0)
        stretches = (uem or {}).get(file, [(0.0, end)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty reference divides by zero in the rate, which is not used
            parts = metric.compute_components(truth, found, uem=Timeline([Segment(*s) for s in stretches], uri=file))
        errors[file] = SpeakerErrors(
            parts["total"], parts["missed detection"], parts["false alarm"], parts["confusion"]
        )
    return errors


def by_file(turns: Iterable[Turn]) -> dict[str, list[Turn]]:
    """File id -> its turns, of all channels."""
    table = defaultdict(list)
    for turn in turns:
        table[turn.file].append(turn)
    return dict(sorted(table.items()))


def read_uem(path: str | Path) -> dict[str, list[tuple[float, float]]]:
    """Read NIST's ``uem``: file id -> evaluated stretches in seconds; comments (``;;``) and empty lines are allowed."""
    table = defaultdict(list)
    expected = "<file> <channel> <start> <end>"
    for number, fields in rows(path, 0, 5, expected):
        if fields[0].startswith(";;"):
            continue
        if len(fields) < 4:
            raise AudiolmError(f"{path}:{number}: found '{' '.join(fields)}', expected '{expected}'")
        start, end = number_of(fields[2]), number_of(fields[3])
        if not 0 <= start < end:
            raise AudiolmError(f"{path}:{number}: found {' '.join(fields)}, expected 0 <= start < end in seconds")
        table[fields[0]].append((start, end))
    return dict(table)


def annotation_of(file: str, turns: Iterable[Turn]):
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri=file)
    for track, turn in enumerate(turns):
        if turn.duration > 0:
            annotation[Segment(turn.start, turn.end), track] = turn.speaker
    return annotation.support()  # a speaker's own overlapping turns are one


def _relabel(turn: Turn, speaker: str) -> Turn:
    return Turn(turn.file, turn.channel, turn.start, turn.duration, speaker)
