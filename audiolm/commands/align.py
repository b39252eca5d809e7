"""Find the words of dump/<set>/audio and their times; write dump/<set>/align/ctm (stage 5).

Where the transcript is known, --backend pocketsphinx (English, nothing to download), ctc (the recipe's recogniser) and
wav2vec2 (a pretrained CTC model) find its times by forced alignment, and given takes the corpus's own ctm. Where it is
not, whisper, faster_whisper, whisper_timestamped and pocketsphinx_transcribe find the words too, in what is not
silence. whisper hears stretches in batches, tries again where it leaves something out or cannot be believed, and leaves
out loops and guesses. faster_whisper hears by CTranslate2, 8-bit on CPUs, with weights in its layout or by a size (pip
install 'audiolm[whisper]'), and leaves out the same. whisper_timestamped is the reference that Moshi's authors used:
one stretch at a time, keeps what it hears, and takes openai-whisper's sizes and .pt files too. pocketsphinx_transcribe
is for a first look: English, nothing to download, many words wrong. Each job takes a block of the recordings; `audiolm
merge --kind align` joins the parts. Utterances that cannot be aligned, recordings without speech or words, and those of
whose speech whisper or faster_whisper cannot believe its text for more than 5 %, go to rejected.tsv with the reason. It
also names what is left out of the others, a line for each part with its place; these recordings do not count as
rejected.
"""

import argparse
import functools
from pathlib import Path

from audiolm.commands.arrays import add_array_options, job_device
from audiolm.commands.marks import add_marks_option, marks_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument(
        "--backend",
        default="pocketsphinx",
        help="pocketsphinx, ctc, wav2vec2 or given; without transcripts whisper_timestamped, whisper, "
        "faster_whisper or pocketsphinx_transcribe",
    )
    parser.add_argument("--recognizer", type=Path, help="experiment directory of a trained recogniser, for ctc")
    parser.add_argument("--model", help="of wav2vec2 or a Whisper: folder, file, hub id or name")
    parser.add_argument("--language", help="of the speech, for Whisper, such as en; else the model finds it")
    parser.add_argument(
        "--batch",
        type=int,
        help="stretches of up to 30 s that whisper and faster_whisper hear at once (8). Measured of whisper on a CPU: "
        "tiny.en 1.4 GB at 1, 1.7 GB at 8, 1.8 GB at 16; base 2.1 GB at 8",
    )
    add_marks_option(parser)
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in the corpus's wav.scp"
    )


def check(args: argparse.Namespace) -> None:
    """Refuse a backend that there is not, or that lacks its model.

    Raises:
        AudiolmError: what is missing, and how to name it.
    """
    from audiolm.annotate.backends import check_backend
    from audiolm.errors import AudiolmError

    check_backend(args.backend, args.recognizer, args.model)
    if args.batch is not None and args.batch < 1:
        raise AudiolmError(f"--batch {args.batch}: expected at least 1 stretch")
    marks_of(args)


def run(args: argparse.Namespace) -> None:
    """Align this job's share of every set."""
    check(args)
    from audiolm.annotate import align, transcribe
    from audiolm.annotate.sources import widest
    from audiolm.data.shares import read_share
    from audiolm.data.tables import write_ctm
    from audiolm.data.tools import write_rejected

    marks = marks_of(args)
    if args.backend == "given":
        worker, find = None, functools.partial(align.given_words, marks=marks)
    elif args.backend in transcribe.BACKENDS:
        worker = transcribe.make_transcriber(args.backend, args.model, args.language, job_device(args.job), args.batch)
        find = transcribe.transcribe_recordings
    else:
        worker = align.make_aligner(args.backend, args.recognizer, args.model, job_device(args.job))
        find = functools.partial(align.align_recordings, marks=marks)
    for name in args.sets:
        if worker is None:
            data = read_share(args.dir / "dump" / name / "audio", args.job, args.num_jobs)
            words, rejected = find(data, data.recos)
        else:
            data = widest(args.dir, name, worker.fs, args.allow_pipes, args.job, args.num_jobs)
            words, rejected = find(data, data.recos, worker)
        directory = args.dir / "dump" / name / "align"
        write_ctm(directory / f"ctm.{args.job}", words)
        write_rejected(directory / f"rejected.{args.job}.tsv", sorted(rejected))
