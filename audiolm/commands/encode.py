"""Turn audio files, folders of them or data directories into codes, with a codec trained here or a released one.

  audiolm encode talk.wav --codec exp/codec --out codes                  codes/talk.npy: [frames, levels], integers
  audiolm encode speech/ music/ --codec kyutai/mimi --levels 8 --out codes   all audio below the folders, names kept
  audiolm encode data/test --codec exp/codec --out codes --archive       a Kaldi archive, as dump/<set>/codes is one

--codec is an experiment directory, a folder of transformers' Mimi, EnCodec or DAC, moshi's Mimi file, or a hub id.
Audio of another rate is resampled. What cannot be read goes to rejected.tsv in --out with the reason. `audiolm decode`
is the way back.
"""

import argparse
from pathlib import Path

from audiolm.commands.arrays import named_device
from audiolm.errors import AudiolmError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="audio file, folder or data directory")
    parser.add_argument("--codec", required=True, metavar="NAME", help="experiment directory, folder, file or hub id")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--levels", type=int, help="keep the first levels only (default: all)")
    parser.add_argument("--channel", type=int, help="of files with several channels, from 1 (default: each, as _ch1 …)")
    parser.add_argument("--archive", action="store_true", help="write a token archive instead of a file a recording")
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in data directories' wav.scp"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one")


def run(args: argparse.Namespace) -> None:
    """Encode everything and say what was done."""
    import time

    from audiolm.codec.bulk import encode_each
    from audiolm.codec.files import codes_writer, find_recordings
    from audiolm.codec.load import codec_checksum, load_codec
    from audiolm.data.tokens import Meta
    from audiolm.data.tools import write_rejected

    if args.channel is not None and args.channel < 1:
        raise AudiolmError(f"--channel {args.channel}: expected a number from 1 on")
    found = find_recordings(args.inputs, args.channel, args.allow_pipes)
    codec = load_codec(args.codec, named_device(args.device))
    levels = codec.n_q if args.levels is None else args.levels
    if not 1 <= levels <= codec.n_q:
        raise AudiolmError(f"--levels {levels}: expected 1 to {codec.n_q}, the levels of {args.codec}")
    if others := [f"{count} of {rate} Hz" for rate, count in sorted(found.rates.items()) if rate != codec.sample_rate]:
        print(f"resampled to {codec.sample_rate} Hz: {', '.join(others)}")
    meta = Meta(codec.frame_rate, tuple(codec.codebook_sizes[:levels]), codec_checksum(args.codec))
    start, done, frames = time.perf_counter(), 0, 0
    with codes_writer(args.out, meta, args.archive) as writer:
        for name, codes in encode_each(codec, found.data, found.data.recos):
            if isinstance(codes, AudiolmError):
                found.rejected.append((name, str(codes)))
            else:
                writer.write(name, codes[:, :levels])
                done, frames = done + 1, frames + len(codes)
    write_rejected(args.out / "rejected.tsv", sorted(found.rejected))
    if not done:
        raise AudiolmError(f"every recording was rejected; the first: {': '.join(min(found.rejected))}")
    rejected = f"; {len(found.rejected)} rejected: {args.out / 'rejected.tsv'}" if found.rejected else ""
    seconds = time.perf_counter() - start
    print(
        f"encoded {done} recordings, {frames / codec.frame_rate:.1f} s of audio, in {seconds:.1f} s: "
        f"{args.out} ({levels} levels of {codec.codebook_sizes[0]} at {codec.frame_rate:g} Hz){rejected}"
    )
