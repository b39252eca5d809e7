"""Join the parts that the jobs of an array verb left in dump/<set>/<kind>, and check that nothing was lost.

Every recording (of tokens: every document) must be in the result or in rejected.tsv; more rejected ones than
--max_rejected stop the stage. Where the stage is stopped and --log names the array's logs, the done marks of the jobs
that have rejected something are removed (of all jobs, where something else is wrong), so that the same launch does
these jobs again once the cause is mended.
"""

import argparse
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.jobs.backend import done_mark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as train dev test")
    parser.add_argument(
        "--kind",
        required=True,
        help="what to join: audio, diarize, align, text, codes, heard, tokens, or any other archive's name",
    )
    parser.add_argument("--num_jobs", type=int, required=True, help="number of jobs of the array")
    parser.add_argument("--max_rejected", default="1%", help="largest share of a set that may be rejected")
    parser.add_argument("--log", help="logs of the jobs, as given to audiolm launch: log/audio.JOB.log")


def run(args: argparse.Namespace) -> None:
    """Join every set and print what was rejected."""
    from audiolm.data import parts
    from audiolm.data.text_streams import describe_parts
    from audiolm.errors import did_you_mean

    if not all(parts.is_kind(args.dir, name, args.kind) for name in args.sets):
        raise AudiolmError(f"--kind {args.kind}: no array verb of that name{did_you_mean(args.kind, parts.KINDS)}")
    most = share_of(args.max_rejected)
    again = range(1, args.num_jobs + 1)  # jobs to be done again where the merge refuses
    try:
        for name in args.sets:
            directory = parts.folder(args.dir, name, args.kind)
            counts = parts.join(args.dir, name, args.kind, args.num_jobs)
            for count in counts:
                if count.rejected:
                    what = f"{count.rejected} of {count.inputs} {count.what} rejected"
                    print(f"{name}: {what}, see {directory}/rejected.tsv")
            if args.kind == "text" and (line := describe_parts(name, directory, args.num_jobs)):
                print(line)
            try:
                parts.check_rejected(counts, most, directory)
            except AudiolmError:
                again = parts.jobs_to_redo(args.dir, args.sets, args.kind, args.num_jobs)
                raise
    except AudiolmError:
        for job in again if args.log else ():
            done_mark(Path(args.log.replace("JOB", str(job)))).unlink(missing_ok=True)
        raise


def share_of(text: str) -> float:
    """Return ``1%`` or ``0.01`` as a number."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise AudiolmError(f"--max_rejected {text}: expected a share such as 1% or 0.01")
    return share
