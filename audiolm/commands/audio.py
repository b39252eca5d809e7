"""Resample the recordings of data/<set> to one-channel FLAC files at --fs in dump/<set>/audio (stage 2).

Each job takes a block of the recordings and leaves part files; `audiolm merge --kind audio` makes the data directory of
them. Recordings that cannot be read go to rejected.tsv with the reason. With --mix, for several speakers of one
microphone, all this is in dump/<set>/mix; `audiolm diarize --streams` then parts the speakers into dump/<set>/audio.

With --longest, longer recordings are cut in their pauses into recordings of their own, <name>-<start>-<end> in ms, all
channels of a file at the same places. With limits on quality, what breaks one goes to rejected.tsv with its value
(raise --max_rejected of the stage accordingly); a file's channels stay and go together.
"""

import argparse

from audiolm.commands.arrays import add_array_options, job_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--fs", type=int, required=True, help="sample rate of the output in Hz")
    parser.add_argument("--source_fs", type=int, help="reject recordings of any other rate than this")
    parser.add_argument("--downmix", action="store_true", help="average channels that no table tells apart")
    parser.add_argument("--mix", action="store_true", help="several speakers share a microphone: diarize parts them")
    parser.add_argument("--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in wav.scp")
    parser.add_argument("--longest", type=float, help="cut recordings longer than this (s) in their pauses")
    parser.add_argument("--min_snr", type=float, help="least signal-to-noise ratio in dB, speech against its pauses")
    parser.add_argument("--max_clipping", type=float, help="largest share of clipped samples, such as 0.001")
    parser.add_argument("--min_bandwidth", type=float, help="least bandwidth in Hz: finds audio that was upsampled")
    parser.add_argument("--min_speech", type=float, help="least share of time with speech, such as 0.2: finds music")
    parser.add_argument("--min_dnsmos", type=float, help="least DNSMOS P.835 overall quality, 1 to 5 (speechmos)")
    parser.add_argument("--language", help="language that must be spoken, such as en (needs --language_model)")
    parser.add_argument("--language_model", help="multilingual Whisper model: size, folder, file or hub id")
    parser.add_argument("--min_language", type=float, default=0.5, help="least probability of --language")


def run(args: argparse.Namespace) -> None:
    """Convert this job's share of every set."""
    import shutil
    from dataclasses import fields

    from audiolm.annotate.screening import Limits, Screening
    from audiolm.data.recordings import convert_share, recorded
    from audiolm.data.shares import read_share

    limits = Limits(**{field.name: getattr(args, field.name) for field in fields(Limits)})
    for name in args.sets:
        source = read_share(args.dir / "data" / name, args.job, args.num_jobs, args.allow_pipes)
        screen = None
        if limits.judge or limits.longest is not None:
            screen = Screening(source, limits, device=job_device(args.job) if limits.language else "cpu")
        dump = args.dir / "dump" / name
        if args.mix:
            (dump / "mix").mkdir(parents=True, exist_ok=True)
        else:
            shutil.rmtree(dump / "mix", ignore_errors=True)  # of an earlier run with --mix
        convert_share(source, recorded(dump), args.fs, args.job, args.source_fs, args.downmix, screen)
