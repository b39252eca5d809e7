"""Turn the recordings of dump/<set>/audio into codec tokens in dump/<set>/codes (stage 9).

Each job takes a block of the recordings and writes one part of the archive: for each recording [frames, levels], the
semantic level first. `audiolm merge --kind codes` joins the parts (with --heard: `--kind heard`). The archive names the
codec by a checksum. Recordings that cannot be read go to rejected.tsv with the reason.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from audiolm.commands.arrays import add_array_options

if TYPE_CHECKING:
    from audiolm.data.datadir import DataDir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument(
        "--heard",
        type=int,
        metavar="SEED",
        help="encode each speaker as the other would hear them on a call (gain, noise, echo) into dump/<set>/heard, "
        "from which data.heard takes the user's streams",
    )
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
        kind = "codes" if args.heard is None else "heard"
        directory = args.dir / "dump" / name / kind
        plain = nullcontext((data, []))
        with plain if args.heard is None else heard_by_others(args, name, data, codec.sample_rate) as (audio, unread):
            codes, rejected = encode_recordings(codec, audio, audio.recos)
        with TokenWriter(directory, kind, args.job, meta) as writer:
            for reco in sorted(codes):
                writer.write(reco, codes[reco])
        write_rejected(directory / f"rejected.{args.job}.tsv", sorted(rejected + unread))


@contextmanager
def heard_by_others(
    args: argparse.Namespace, name: str, data: "DataDir", fs: int
) -> Iterator[tuple["DataDir", list[tuple[str, str]]]]:
    """Give, inside the block, those of a share's recordings that another speaker hears, as they do (``as_heard``), and
    (recording, reason) of those that cannot be read."""
    from audiolm.data import audio
    from audiolm.data.augment import as_heard
    from audiolm.data.datadir import DataDir
    from audiolm.errors import AudiolmError
    from audiolm.train.randomness import Key

    whole = DataDir.read(args.dir / "dump" / name / "audio")
    others = whole.partners()
    with TemporaryDirectory() as folder:
        heard, unread = DataDir(), []
        for reco in (reco for reco in data.recos if reco in others):
            try:
                user, main = (whole.audio(which, fs=fs) for which in (reco, others[reco]))
            except AudiolmError as error:
                unread.append((reco, str(error)))
                continue
            length = min(len(user), len(main))
            user[:length] = as_heard(user[:length], main[:length], fs, Key(args.heard, 0).rng(f"heard {reco}"))
            heard.wav[reco] = f"{folder}/{len(heard.wav)}.wav"
            audio.write(heard.wav[reco], user, fs)
        yield heard, unread
