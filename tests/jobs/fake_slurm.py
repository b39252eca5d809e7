"""A Slurm that starts the members of an array as processes of this machine, for tests of what a launcher does."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field

from audiolm.jobs.slurm_client import NoAnswer, State


@dataclass
class FakeSlurm:
    """Stands in for ``audiolm.jobs.slurm_client``: the functions that talk to Slurm."""

    submissions: list[list[str]] = field(default_factory=list)  # arguments of sbatch
    members: dict[tuple[str, int], subprocess.Popen] = field(default_factory=dict)
    said: dict[tuple[str, int], str] = field(default_factory=dict)  # states that tests have set
    silent: int = 0  # that many calls of squeue get no answer

    def check(self):
        pass

    def submit(self, arguments):
        self.submissions.append(arguments)
        options = dict(word.removeprefix("--").partition("=")[::2] for word in arguments)
        name, number = options["job-name"], len(self.submissions)
        for index in numbers(options["array"]):
            slurm = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_NNODES": "1", "SLURM_JOB_ID": str(100 * number + index)}
            with open(options["output"].replace("%a", str(index)), "a") as output:
                self.members[name, index] = subprocess.Popen(
                    shlex.split(options["wrap"])[1:], env={**os.environ, **slurm}, stdout=output, stderr=output
                )
        return str(number)

    def queue(self, names):
        if self.silent:
            self.silent -= 1
            raise NoAnswer("squeue: Unable to contact slurm controller")
        names = set(names)
        return {key: State(f"1_{key[1]}", self.state(key), "None") for key in self.members if key[0] in names}

    def state(self, key):
        status = self.members[key].poll()
        return self.said.get(key) or {None: "RUNNING", 0: "COMPLETED"}.get(status, "FAILED")

    def cancel(self, what):
        for (name, index), member in self.members.items():
            if f"--name={name}" in what or f"1_{index}" in what:
                member.terminate()
                member.wait(timeout=20)

    def end(self):
        for member in self.members.values():
            member.kill()
            member.wait()


def numbers(array):
    """The job numbers of sbatch's --array."""
    for part in array.partition("%")[0].split(","):
        first, last = re.fullmatch(r"(\d+)(?:-(\d+))?", part).groups()
        yield from range(int(first), int(last or first) + 1)
