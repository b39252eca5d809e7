"""Words that a transcriber finds where nobody speaks, per hour of silence.

Silence is what lies further than COLLAR from every word (or, without words, every turn) of the reference, in each
channel by itself; a word of the hypothesis is made up if it lies in silence whole. Moshi's authors align each channel
of a call by itself (Défossez et al. 2024, section 4.2), where half of every recording is silence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from audiolm.annotate.turns import Region, union
from audiolm.data.datadir import DataDir
from audiolm.data.tables import channel_index, read_ctm
from audiolm.errors import AudiolmError
from audiolm.score.record import Score, bootstrap_ci

COLLAR = 0.25  # seconds around reference speech in which a word counts as part of it

Channel = tuple[str, int]


def score(data: DataDir, hypothesis_ctm: str | Path, name: str, backend: str, checksum: str = "") -> list[Score]:
    """Score a set (``made_up_words``); nothing where its channels hold no silence.

    Args:
        data: with a ``ctm`` or ``rttm`` of its own, which say where somebody speaks.
        name: of the data set, for the record.
        backend, checksum: what found the words.

    Raises:
        AudiolmError: the reference has neither words nor turns, or the hypothesis names another file.
    """
    reference = data.ctm or data.rttm
    if not reference:
        raise AudiolmError(f"{data.path} has neither ctm nor rttm: nothing says where its silence is")
    lengths = {}
    for reco in data.recos:
        file, channel = data.file_and_channel(reco)
        lengths[file, channel_index(channel)] = data.duration(reco)
    found = read_ctm(hypothesis_ctm)
    if strange := sorted({(w.file, channel_index(w.channel)) for w in found} - lengths.keys()):
        raise AudiolmError(f"{hypothesis_ctm} has words of {strange[0]}, which is no channel of {data.path}")
    quiet = silences(reference, lengths)
    counts = made_up(found, quiet)
    hours = {channel: sum(end - start for start, end in regions) / 3600 for channel, regions in quiet.items()}
    total = sum(hours.values())
    if total <= 0:
        return []
    order = sorted(hours)
    return [
        Score(
            metric="made_up_words",
            value=sum(counts.values()) / total,
            unit="words/h of silence",
            protocol=f"words that lie whole in silence, more than {COLLAR:g} s from speech of their channel, per hour "
            "of it; count is channels; interval by bootstrap over them",
            backend=backend,
            checksum=checksum,
            data=name,
            count=len(order),
            ci=bootstrap_ci([counts[channel] for channel in order], [hours[channel] for channel in order]),
            details={"words": sum(counts.values()), "silence_hours": total},
        )
    ]


def silences(reference: Iterable, lengths: Mapping[Channel, float]) -> dict[Channel, list[Region]]:
    """(File, channel) -> its silence, of entries with ``file``, ``channel``, ``start`` and ``end``."""
    speech = defaultdict(list)
    for entry in reference:
        speech[entry.file, channel_index(entry.channel)].append((entry.start - COLLAR, entry.end + COLLAR))
    quiet = {}
    for channel, length in lengths.items():
        edges = [0.0, *(time for region in union(speech[channel]) for time in region), length]
        edges = np.clip(edges, 0.0, length).reshape(-1, 2)
        quiet[channel] = [(start, end) for start, end in edges.tolist() if end > start]
    return quiet


def made_up(words: Iterable, quiet: Mapping[Channel, list[Region]]) -> dict[Channel, int]:
    """(File, channel) -> number of words that lie whole in its silence."""
    counts = dict.fromkeys(quiet, 0)
    for word in words:
        channel = word.file, channel_index(word.channel)
        counts[channel] += any(start <= word.start and word.end <= end for start, end in quiet[channel])
    return counts
