"""Resample the recordings of data/<set> to one-channel FLAC files at --fs in dump/<set>/audio (stage 2).

Each job takes a block of the recordings and leaves part files; `audiolm merge --kind audio` makes the data directory of
them. Recordings that cannot be read go to rejected.tsv with the reason.
"""

import argparse

from audiolm.commands.arrays import add_array_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--fs", type=int, required=True, help="sample rate of the output in Hz")
    parser.add_argument("--source_fs", type=int, help="reject recordings of any other rate than this")
    parser.add_argument("--downmix", action="store_true", help="average channels that no table tells apart")
    parser.add_argument("--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in wav.scp")


def run(args: argparse.Namespace) -> None:
    """Convert this job's share of every set."""
    from audiolm.data.datadir import DataDir
    from audiolm.data.recordings import convert_share

    for name in args.sets:
        source = DataDir.read(args.dir / "data" / name, allow_pipes=args.allow_pipes)
        directory = args.dir / "dump" / name / "audio"
        convert_share(source, directory, args.fs, args.job, args.num_jobs, args.source_fs, args.downmix)
