"""Copies among the recordings of a recipe's sets are left out, by what the search for fingerprints has found."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import copies, frequent, read_matches, write_frequent
from audiolm.data.fingerprint_index import open_index
from audiolm.data.recordings import recorded
from audiolm.data.tools import rejections, select, write_rejected
from audiolm.errors import AudiolmError


def drop_copies(work: Path, sets: Sequence[str], num_jobs: int) -> Iterator[tuple[str, int, int, int]]:
    """Leave copies out of ``dump/<set>/audio`` (named in ``rejected.tsv``); list what is heard ten times and more.

    Of two copies the one in the set that is named last stays: what is tested on is not trained on.

    Args:
        work: the recipe's work directory.
        sets: names of the sets.
        num_jobs: of the search.

    Yields:
        (set, recordings that were copies, recordings before, frequent segments).

    Raises:
        AudiolmError: a job of the search has not finished; a set holds nothing but copies.
    """
    folder = work / "dump/fingerprints"
    parts = [folder / f"matches.{job}" for job in range(1, num_jobs + 1)]
    if missing := [part for part in parts if not part.is_file()]:
        raise AudiolmError(f"no {missing[0]}: its job of 'dedup search' has not finished; run the stage again")
    matches = [match for part in parts for match in read_matches(part)]
    durations = {reco: length for shard in open_index(folder / "index") for reco, length in shard.durations.items()}
    last_first = {name: -number for number, name in enumerate(sets)}
    order = sorted(durations, key=lambda reco: (last_first.get(reco.partition("/")[0], 1), -durations[reco], reco))
    found = copies(matches, durations, order)
    often = frequent(match for match in matches if match.reco not in found and match.other not in found)
    for name in sets:
        directory = recorded(work / "dump" / name)
        own = {reco.removeprefix(f"{name}/"): match for reco, match in found.items() if reco.startswith(f"{name}/")}
        reasons = {reco: f"a copy of '{m.other}' ({m.votes} fingerprints agree)" for reco, m in own.items()}
        # First the names, then the tables: whatever is interrupted, what is gone is named.
        before = rejections(directory / "rejected.tsv") if (directory / "rejected.tsv").is_file() else []
        write_rejected(
            directory / "rejected.tsv", [item for item in before if item[0] not in reasons] + sorted(reasons.items())
        )
        data = DataDir.read(directory)
        kept = [reco for reco in data.recos if reco not in own]
        if not kept:
            raise AudiolmError(f"every recording of '{name}' is a copy of one in a later set, expected some of its own")
        select(data, recos=kept).write(directory)
        segments = {reco: often[f"{name}/{reco}"] for reco in kept if f"{name}/{reco}" in often}
        write_frequent(directory, segments)
        count = sum(map(len, segments.values()))
        yield name, len(own), len(own) + len(kept), count
