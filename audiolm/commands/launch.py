"""Run a command as an array of jobs, in Kaldi's calling form.

audiolm launch [--backend local] [--max_jobs 4] [--gpu 1] [JOB=1:N] LOG COMMAND …
audiolm launch --backend slurm --partition gpu --cpus 8 --mem 32G --time 4:00:00 [--gpu 1] [JOB=1:N] LOG COMMAND …

JOB is replaced by 1 … N in the log's name and in the command. A failed job prints the end of its log and stops no
other; the same command again redoes only the jobs that are missing. On Slurm they are an array job; the launcher waits
for it, cancels it when it is interrupted, and finds it again when it was killed itself.
"""

import argparse
from dataclasses import fields

from audiolm.jobs.backends import BACKENDS

# The attributes of audiolm.jobs.backend.Place as options.
PLACE: dict[str, dict] = {
    "--cpus": {"type": int, "help": "cores for each process"},
    "--mem": {"dest": "memory", "help": "memory on each of its machines: 8G"},
    "--time": {"help": "time limit: 4:00:00, or 2-0 for two days"},
    "--partition": {"help": "where it queues"},
    "--account": {"help": "on whose behalf"},
    "--qos": {"help": "quality of service"},
    "--nodes": {"type": int, "help": "machines for each job (default: 1); --gpu and --mem are for each of them"},
    "--tasks": {"type": int, "help": "processes of its command on each machine, as training wants them (default: 1)"},
    "--sbatch": {"dest": "extra", "action": "append", "help": "another argument of sbatch: --sbatch=--exclude=node7"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--backend", default="local", help=f"where jobs run: {', '.join(sorted(BACKENDS))}")
    parser.add_argument("--max_jobs", type=int, help="jobs at a time (default: one a core; on Slurm no limit)")
    parser.add_argument("--retries", type=int, default=0, help="how often jobs that failed run again")
    parser.add_argument("--gpu", type=int, help="GPUs for each job; 0 hides them (default: left as they are)")
    slurm = parser.add_argument_group("on Slurm", "what each job is given (default: as the cluster has it)")
    for option, settings in PLACE.items():
        slurm.add_argument(option, default=argparse.SUPPRESS, **settings)
    parser.add_argument("array", nargs=argparse.REMAINDER, help="[JOB=1:N] LOG COMMAND …", default=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the array; the exit status is 1 where a job failed."""
    from audiolm.jobs.backend import Place
    from audiolm.jobs.backends import get_backend
    from audiolm.jobs.launch import launch, parse_array

    given = {field.name: vars(args)[field.name] for field in fields(Place) if field.name in args}
    backend = get_backend(args.backend, args.max_jobs, Place(**given))
    return 1 if launch(parse_array(args.array), backend, args.gpu, args.retries) else 0
