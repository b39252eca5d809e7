"""The actions of ``audiolm dedup``."""

import argparse
from pathlib import Path


def index(args: argparse.Namespace) -> None:
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


def add(args: argparse.Namespace) -> None:
    from audiolm.data.datadir import DataDir

    for path in args.dirs:
        data = DataDir.read(path)
        _write(args.index, str(path.absolute()).strip("/").replace("/", "_"), data, data.recos, f"{path}/")


def _write(folder: Path, name: str, data, recos: list[str], prefix: str) -> None:
    from audiolm.data.fingerprint_index import IndexWriter
    from audiolm.data.fingerprints import SAMPLE_RATE
    from audiolm.jobs.progress import progress

    with IndexWriter(folder, name) as writer:
        for reco in progress(recos, desc="fingerprints"):
            writer.add(prefix + reco, data.audio(reco, fs=SAMPLE_RATE), SAMPLE_RATE)


def search_sets(args: argparse.Namespace) -> None:
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


def drop(args: argparse.Namespace) -> None:
    from audiolm.data.drop_copies import drop_copies

    for name, dropped, count, segments in drop_copies(args.dir, args.sets, args.num_jobs):
        print(f"{name}: {dropped} of {count} recordings are copies; {segments} frequent segments")


def find(args: argparse.Namespace) -> None:
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
