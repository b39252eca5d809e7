"""Find copies among recordings by acoustic fingerprints, leave them out, and say what generated audio repeats.

Over a recipe's sets, as arrays of jobs where named:
  index   fingerprint dump/<set>/audio into dump/fingerprints (an array of jobs)
  search  look every recording up among all sets (an array of jobs, after all of index)
  drop    leave copies out of dump/<set>/audio (named in rejected.tsv), and list what is heard ten times or more in
          dump/<set>/audio/frequent, which training then leaves out. Of two copies the one in the set that is named
          last stays: what is tested on is not trained on.
  (dump/<set>/mix in place of dump/<set>/audio, where `audiolm audio --mix` has written that)
Over any audio, such as what a model has generated:
  add     index the recordings of data directories
  find    say which indexed recordings are heard in audio files
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import add_array_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand an action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in ("index", "search"):
        add_array_options(_action(actions, name))
    drop = _action(actions, "drop")
    drop.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    drop.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    drop.add_argument("--num_jobs", type=int, default=1, help="number of jobs of search")
    add = _action(actions, "add")
    add.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    add.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="data directories")
    find = _action(actions, "find")
    find.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    find.add_argument("files", type=Path, nargs="+", metavar="FILE", help="audio files")


def run(args: argparse.Namespace) -> None:
    """Do the action."""
    {"index": _index, "search": _search, "drop": _drop, "add": _add, "find": _find}[args.action](args)


def _index(args: argparse.Namespace) -> None:
    import shutil

    from audiolm.data.recordings import recorded
    from audiolm.data.shares import read_share

    folder = args.dir / "dump/fingerprints/index"
    for name in args.sets:
        for shard in folder.glob(f"{name}.*.*"):  # those of an earlier, wider array
            job = shard.name.removeprefix(f"{name}.").partition(".")[0]
            if job.isdigit() and int(job) > args.num_jobs:
                shutil.rmtree(shard, ignore_errors=True)
        data = read_share(recorded(args.dir / "dump" / name), args.job, args.num_jobs)
        _write(folder, f"{name}.{args.job}", data, data.recos, f"{name}/")


def _add(args: argparse.Namespace) -> None:
    from audiolm.data.datadir import DataDir

    for path in args.dirs:
        data = DataDir.read(path)
        _write(args.index, str(path.absolute()).strip("/").replace("/", "_"), data, data.recos, f"{path}/")


def _write(folder: Path, name: str, data, recos: list[str], prefix: str) -> None:
    from audiolm.data.fingerprint_index import IndexWriter
    from audiolm.data.fingerprints import SAMPLE_RATE
    from audiolm.jobs.progress import progress

    with IndexWriter(folder, name) as index:
        for reco in progress(recos, desc="fingerprints"):
            index.add(prefix + reco, data.audio(reco, fs=SAMPLE_RATE), SAMPLE_RATE)


def _search(args: argparse.Namespace) -> None:
    from audiolm.data.duplicates import write_matches
    from audiolm.data.fingerprint_index import open_index, search
    from audiolm.data.fingerprints import SAMPLE_RATE
    from audiolm.data.recordings import recorded
    from audiolm.data.shares import read_share
    from audiolm.jobs.progress import progress

    folder = args.dir / "dump/fingerprints"
    shards = open_index(folder / "index")
    matches = []
    for name in args.sets:
        data = read_share(recorded(args.dir / "dump" / name), args.job, args.num_jobs)
        for reco in progress(data.recos, desc="search"):
            matches += search(shards, f"{name}/{reco}", data.audio(reco, fs=SAMPLE_RATE), SAMPLE_RATE)
    write_matches(folder / f"matches.{args.job}", matches)


def _drop(args: argparse.Namespace) -> None:
    from audiolm.data.datadir import DataDir
    from audiolm.data.duplicates import copies, frequent, read_matches, write_frequent
    from audiolm.data.fingerprint_index import open_index
    from audiolm.data.recordings import recorded
    from audiolm.data.tools import rejections, select, write_rejected
    from audiolm.errors import AudiolmError

    folder = args.dir / "dump/fingerprints"
    parts = [folder / f"matches.{job}" for job in range(1, args.num_jobs + 1)]
    if missing := [part for part in parts if not part.is_file()]:
        raise AudiolmError(f"no {missing[0]}: its job of 'dedup search' has not finished; run the stage again")
    matches = [match for part in parts for match in read_matches(part)]
    durations = {reco: length for shard in open_index(folder / "index") for reco, length in shard.durations.items()}
    last_first = {name: -number for number, name in enumerate(args.sets)}
    order = sorted(durations, key=lambda reco: (last_first.get(reco.partition("/")[0], 1), -durations[reco], reco))
    found = copies(matches, durations, order)
    often = frequent(match for match in matches if match.reco not in found and match.other not in found)
    for name in args.sets:
        directory = recorded(args.dir / "dump" / name)
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
        print(f"{name}: {len(own)} of {len(own) + len(kept)} recordings are copies; {count} frequent segments")


def _find(args: argparse.Namespace) -> None:
    from audiolm.data import audio
    from audiolm.data.fingerprint_index import open_index, search
    from audiolm.data.fingerprints import SAMPLE_RATE
    from audiolm.data.tables import seconds

    shards = open_index(args.index)
    for path in args.files:
        wav = audio.read(path, fs=SAMPLE_RATE, channel="mix")
        for match in search(shards, str(path), wav, SAMPLE_RATE):
            print(
                f"{path}\t{seconds(match.start)}\t{seconds(match.end)}\t{match.other}\t{match.offset:.3f}\t{match.votes}"
            )


def _action(actions: argparse._SubParsersAction, name: str) -> argparse.ArgumentParser:
    (text,) = (line.split(None, 1)[1] for line in __doc__.splitlines() if line.startswith(f"  {name} "))
    return actions.add_parser(name, help=text, description=text, allow_abbrev=False)
