"""A peer or one of ours in a process of its own, timed on request: side by side, by turns, a busy machine hits all."""

import json
import os
import subprocess
import tempfile
from pathlib import Path


class Racer:
    """A worker process: answers each request, a JSON line, with a JSON line.

    Args:
        python: of the environment that the worker needs.
        worker: a script of this folder.
        threads: that it may use.
        options: of the script.
    """

    def __init__(self, python: str, worker: str, threads: int, *options: str):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        if level := os.environ.get("ATEN_CPU_CAPABILITY"):  # what moshi compiled for wider vectors crashes there
            environment["TORCHINDUCTOR_CACHE_DIR"] = f"{tempfile.gettempdir()}/torchinductor_{level}"
        script = Path(__file__).with_name(worker)
        command = [python, str(script), *options, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.ready = self._read()

    def ask(self, **request) -> dict:
        """The worker's answer."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args)} ended; its message is above")
        return json.loads(line)
