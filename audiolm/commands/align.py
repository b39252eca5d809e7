"""Find the words of dump/<set>/audio and their times; write dump/<set>/align/ctm (stage 5).

The transcript is known: --backend pocketsphinx (English, nothing to download) and ctc (the recipe's recogniser) find
its times by forced alignment, given takes the corpus's own ctm. Each job takes a block of the recordings; `audiolm
merge --kind align` joins the parts. Utterances that cannot be aligned go to rejected.tsv with the reason.
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import add_array_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--backend", default="pocketsphinx", help="pocketsphinx, ctc or given")
    parser.add_argument("--recognizer", type=Path, help="experiment directory of a trained recogniser, for ctc")
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in the corpus's wav.scp"
    )


def run(args: argparse.Namespace) -> None:
    """Align this job's share of every set."""
    from audiolm.annotate.align import align_recordings, given_words, make_aligner
    from audiolm.annotate.sources import widest
    from audiolm.data.datadir import DataDir, share
    from audiolm.data.tables import write_ctm
    from audiolm.data.tools import write_rejected

    aligner = None if args.backend == "given" else make_aligner(args.backend, args.recognizer)
    for name in args.sets:
        if aligner is None:
            data = DataDir.read(args.dir / "dump" / name / "audio")
            words, rejected = given_words(data, share(data.recos, args.job, args.num_jobs))
        else:
            data = widest(args.dir, name, aligner.fs, args.allow_pipes)
            words, rejected = align_recordings(data, share(data.recos, args.job, args.num_jobs), aligner)
        directory = args.dir / "dump" / name / "align"
        write_ctm(directory / f"ctm.{args.job}", words)
        write_rejected(directory / f"rejected.{args.job}.tsv", sorted(rejected))
