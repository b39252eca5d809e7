"""Turn codes into audio: what `audiolm encode` or `audiolm codes` has written, with the codec that made it.

  audiolm decode codes/talk.npy --codec exp/codec --out audio            audio/talk.flac
  audiolm decode codes --codec kyutai/mimi --out audio --format wav      all .npy files below the folder, names kept
  audiolm decode dump/test/codes --codec exp/codec --levels 1 --out audio    an archive; the first level alone

Recordings end with a whole frame, so they may be longer than they were by less than one.
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import named_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help=".npy file, folder of them or archive")
    parser.add_argument("--codec", required=True, metavar="NAME", help="experiment directory, folder, file or hub id")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--levels", type=int, help="decode the first levels only (default: all there are)")
    parser.add_argument("--format", choices=("flac", "wav"), default="flac", help="of the audio files, 16 bit")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one")


def run(args: argparse.Namespace) -> None:
    """Decode everything and say what was done."""
    import time

    from audiolm.codec.bulk import decode_each
    from audiolm.codec.files import Codes, inside
    from audiolm.codec.load import codec_checksum, load_codec
    from audiolm.data import audio

    codec = load_codec(args.codec, named_device(args.device))
    codes = Codes(args.inputs, codec, codec_checksum(args.codec), args.levels)
    start = time.perf_counter()
    for name, wav in decode_each(codec, codes.frames, codes.read):
        audio.write(inside(args.out, name, f".{args.format}"), wav, codec.sample_rate)
    seconds = sum(codes.frames.values()) / codec.frame_rate
    print(
        f"decoded {len(codes.frames)} recordings, {seconds:.1f} s of audio at {codec.sample_rate} Hz, in "
        f"{time.perf_counter() - start:.1f} s: {args.out}"
    )
