"""Find who speaks when in dump/<set>/audio; write dump/<set>/diarize/rttm (stage 3).

--backend channels takes every channel as one speaker's. embedded, resemblyzer (a tenth of the work, better on synthetic
voices) and pyannote (a pipeline of pyannote.audio, --model) find the speakers in the mix of a file's channels (one
microphone). given takes the corpus's own rttm. With --streams, recordings of one microphone, in dump/<set>/mix
(`audiolm audio --mix`), become two: channel A with one speaker, drawn at random, and B with everybody else, in
dump/<set>/audio, which all later verbs read. Each job takes a block of the files; `audiolm merge --kind diarize` joins
the parts. Recordings that cannot be read or in which nobody speaks go to rejected.tsv.
"""

import argparse
from functools import partial

from audiolm.commands.arrays import add_array_options, job_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_array_options(parser)
    parser.add_argument("--backend", default="embedded", help="channels, embedded, resemblyzer, pyannote, or given")
    parser.add_argument("--model", help="pipeline of pyannote.audio: its folder or hub id")
    parser.add_argument("--num_speakers", type=int, help="speakers of a file, if known; else they are counted")
    parser.add_argument(
        "--streams", action="store_true", help="part dump/<set>/mix into dump/<set>/audio: main speaker, everybody else"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw of main speakers")
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in the corpus's wav.scp"
    )


def run(args: argparse.Namespace) -> None:
    """Diarize this job's share of every set."""
    from audiolm.annotate.diarize import diarize_files, files_of, given_turns, make_diarizer
    from audiolm.annotate.separate import write_part
    from audiolm.annotate.sources import widest
    from audiolm.data.recordings import recorded
    from audiolm.data.shares import read_share
    from audiolm.data.tables import write_rttm
    from audiolm.data.tools import write_rejected
    from audiolm.errors import AudiolmError

    if args.streams and args.backend == "channels":
        raise AudiolmError(
            "--streams parts the speakers of a channel, and --backend channels takes a channel as one speaker's: "
            "expected embedded, resemblyzer, pyannote or given"
        )
    if args.backend == "given":
        find = given_turns
    else:
        diarizer = make_diarizer(args.backend, args.num_speakers, args.model, job_device(args.job))
        find = partial(diarize_files, diarizer=diarizer)
    for name in args.sets:
        dump = args.dir / "dump" / name
        source = recorded(dump)
        if args.streams != (source.name == "mix"):
            raise AudiolmError(
                f"--streams, and no {dump}/mix whose speakers it would part: run the audio stage with --mix"
                if args.streams
                else f"{source} holds several speakers a recording: diarize with --streams, or run the audio stage "
                "without --mix"
            )
        data = widest(args.dir, name, 16000, args.allow_pipes, args.job, args.num_jobs, source.name)
        files = list(files_of(data))
        turns, rejected = find(data, files)
        if args.streams:
            own = read_share(source, args.job, args.num_jobs)
            turns = write_part(own, files, turns, dump / "audio", args.seed, args.job)
        directory = dump / "diarize"
        write_rttm(directory / f"rttm.{args.job}", turns)
        write_rejected(directory / f"rejected.{args.job}.tsv", sorted(rejected))
