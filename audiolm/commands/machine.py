"""Measure this machine for some seconds, as it is now, with all that runs on it besides.

Prints, and writes to --out as JSON, how fast it trains a small model, multiplies matrices and runs processes of scalar
code. Recipes compare these with the machine on which their stages were timed.
"""

import argparse
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "--jobs", type=int, default=2, help="processes side by side, as the recipe's jobs (at most one a core)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Measure, print and write."""
    from audiolm.errors import AudiolmError
    from audiolm.jobs.cores import available_cores
    from audiolm.jobs.costs import Machine, processor
    from audiolm.jobs.speed import Others, side_by_side, work
    from audiolm.jobs.stages import write_json

    if args.jobs < 1:
        raise AudiolmError(f"--jobs {args.jobs}: expected at least 1")
    cores = available_cores()
    jobs = min(args.jobs, cores)
    with Others() as others:
        time.sleep(0.2)
        from audiolm.train.speed import product_speed, training_speed  # its import takes seconds of one core
    machine = Machine(
        processor=processor(),
        cores=cores,
        busy=others.cores,
        jobs=jobs,
        process=round(work(0.4), 1),
        processes=round(side_by_side(jobs, 0.6), 1),
        products=round(product_speed(0.4), 2),
        training=round(training_speed(2.2), 2),
        date=time.strftime("%Y-%m-%d"),
    )
    print(machine.told())
    print(
        f"{machine.training:g} training steps, {machine.products:g} GFLOP of products on one thread, "
        f"{machine.process:g} units of scalar code in one process and {machine.processes:g} in each of {jobs}, a second"
    )
    if args.out:
        write_json(args.out, vars(machine))
