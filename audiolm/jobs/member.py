"""What Slurm starts for each job of an array: ``python -m audiolm.jobs.member SPOOL SUBMISSION``.

It runs the command that the launcher has ordered (:mod:`audiolm.jobs.spool`), with its output in the job's own log, and
leaves a mark with the exit status. A job of several tasks runs its command through ``srun``. When Slurm ends the job (a
time limit, preemption, ``scancel``), the command is ended and no mark is left: Slurm's word counts then.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.jobs import process
from audiolm.jobs.spool import Order, Spool

SIGNALLED = 0.2  # seconds after which a signal to all processes of a job has reached this one too


def main(argv: Sequence[str]) -> int:
    """Run the job that SLURM_ARRAY_TASK_ID numbers; return its exit status (128 + n: killed by signal n)."""
    folder, submission = argv
    spool = Spool(Path(folder))
    index = int(os.environ["SLURM_ARRAY_TASK_ID"])
    order = spool.read(index)
    if order is None or order.submission != submission:
        print(f"job {index} of {submission} was replaced or taken back; there is nothing to do")
        return 0
    if (status := spool.status(index, submission)) is None:  # Slurm may start a job again that has ended
        status = run(spool, order)
    return status if status >= 0 else 128 - status


def run(spool: Spool, order: Order) -> int:
    """Run the order's command to its end, mark it, and return the status (-n: killed by signal n)."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    job = replace(order.job, command=parallel(order.job.command, os.environ))
    try:
        one = process.start(job, environment(os.environ))
    except AudiolmError as error:
        with open(job.log, "a", encoding="utf-8") as log:
            log.write(f"{error}\n")
        spool.end(order, 127)
        return 127
    while one.process.poll() is None and not stopped:
        time.sleep(process.POLL)
    if one.process.returncode is not None and one.process.returncode != 0 and not stopped:
        time.sleep(SIGNALLED)
    if stopped:
        process.end([one])
        return -stopped[0]
    status = process.finish(one)
    spool.end(order, status)
    return status


def parallel(command: Sequence[str], slurm: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command, under ``srun`` where the job has several tasks; one that fails ends the others."""
    nodes, per_node = _tasks(slurm)
    if nodes * per_node == 1:
        return tuple(command)
    words = ["srun", f"--nodes={nodes}", f"--ntasks={nodes * per_node}", f"--ntasks-per-node={per_node}"]
    if "SLURM_CPUS_PER_TASK" in slurm:  # from Slurm 22.05 on, srun does not take it from the job by itself
        words.append(f"--cpus-per-task={slurm['SLURM_CPUS_PER_TASK']}")
    return (*words, "--kill-on-bad-exit=1", *command)


def environment(slurm: Mapping[str, str]) -> dict[str, str]:
    """Return the command's environment: as many threads as it has cores, and where its tasks meet if it has several.

    MASTER_ADDR and MASTER_PORT are what torch and Lightning Fabric look for; ranks they read from Slurm's variables.
    """
    variables = dict(slurm)
    nodes, per_node = _tasks(slurm)
    cores = slurm.get("SLURM_CPUS_PER_TASK") or int(slurm.get("SLURM_CPUS_ON_NODE", per_node)) // per_node
    for name in process.THREAD_VARIABLES:
        variables.setdefault(name, str(cores))
    if nodes * per_node > 1:
        variables["MASTER_ADDR"] = os.uname().nodename  # the job's first machine, where its batch script runs
        variables["MASTER_PORT"] = str(15000 + int(slurm["SLURM_JOB_ID"]) % 10000)
    return variables


def _tasks(slurm: Mapping[str, str]) -> tuple[int, int]:
    """Return the job's number of machines, and of tasks on each."""
    return int(slurm["SLURM_NNODES"]), int(slurm.get("SLURM_NTASKS_PER_NODE", 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
