"""Turn the recordings of dump/<set>/audio into codec tokens in dump/<set>/codes (stage 9).

Each job takes a block of the recordings and writes one part of the archive: for each recording [frames, levels], the
semantic level first. `audiolm merge --kind codes` joins the parts. The archive names the codec by a checksum.
Recordings that cannot be read go to rejected.tsv with the reason.
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import add_array_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--codec", type=Path, required=True, help="experiment directory of a trained codec")


def run(args: argparse.Namespace) -> None:
    """Encode this job's share of every set."""
    import torch

    from audiolm.codec.bulk import encode_recordings
    from audiolm.codec.load import load_codec
    from audiolm.data.shares import read_share
    from audiolm.data.tokens import Meta, TokenWriter
    from audiolm.data.tools import write_rejected
    from audiolm.train.checkpoint import checksum

    codec = load_codec(args.codec, "cuda" if torch.cuda.is_available() else "cpu")
    meta = Meta(codec.frame_rate, tuple(codec.codebook_sizes), checksum(args.codec))
    for name in args.sets:
        data = read_share(args.dir / "dump" / name / "audio", args.job, args.num_jobs)
        codes, rejected = encode_recordings(codec, data, data.recos)
        directory = args.dir / "dump" / name / "codes"
        with TokenWriter(directory, "codes", args.job, meta) as writer:
            for reco in sorted(codes):
                writer.write(reco, codes[reco])
        write_rejected(directory / f"rejected.{args.job}.tsv", rejected)
