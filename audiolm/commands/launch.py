"""Run a command as an array of jobs, in Kaldi's calling form.

audiolm launch [--backend local] [--max_jobs 4] [--gpu 1] [JOB=1:N] LOG COMMAND …

JOB is replaced by 1 … N in the log's name and in the command. A failed job prints the end of its log and stops no
other; the same command again redoes only the jobs that are missing.
"""

import argparse

from audiolm.jobs.backend import BACKENDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--backend", default="local", help=f"where jobs run: {', '.join(sorted(BACKENDS))}")
    parser.add_argument("--max_jobs", type=int, help="jobs at a time (default: one a core)")
    parser.add_argument("--gpu", type=int, help="GPUs for each job; 0 hides them (default: left as they are)")
    parser.add_argument("array", nargs=argparse.REMAINDER, help="[JOB=1:N] LOG COMMAND …", default=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the array; the exit status is 1 where a job failed."""
    from audiolm.jobs.backend import get_backend
    from audiolm.jobs.launch import launch, parse_array

    backend = get_backend(args.backend, args.max_jobs)
    return 1 if launch(parse_array(args.array), backend, args.gpu) else 0
