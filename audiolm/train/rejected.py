"""What a training cannot read: named once, and too much of it ends the run."""

import fcntl
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.train.logs import logger

TABLE = "rejected.tsv"


class Rejected:
    """Names of what cannot be used, in ``rejected.tsv`` of an experiment: one line each, ``<name><TAB><reason>``.

    All processes of a run (ranks, readers) share the file, so each name is there once, and counts once.

    Args:
        exp_dir: where the file is; None: nothing may be rejected.
        total: number of things that could be.
        most: largest share of them that may be; one always may.
    """

    def __init__(self, exp_dir: Path | None, total: int, most: float):
        self.path = exp_dir / TABLE if exp_dir else None
        self.total = total
        self.most = most
        self.known: set[str] = set()

    def add(self, name: str, error: Exception) -> None:
        """Note that ``name`` cannot be used.

        Raises:
            AudiolmError: now there are too many.
        """
        if self.path is None:
            raise error
        if name in self.known:
            return
        self.known.add(name)
        with open(self.path, "a+", encoding="utf-8") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)  # until the file is closed
            file.seek(0)
            names = {line.partition("\t")[0] for line in file}
            if name in names:
                return
            file.write(f"{name}\t{' '.join(str(error).split())}\n")
        logger.warning("%s cannot be used: %s", name, error)
        if len(names) + 1 > max(1, self.most * self.total):
            raise AudiolmError(
                f"{len(names) + 1} of {self.total} recordings cannot be used, at most {self.most:.1%} may be; the last:"
                f" {error}; all are in {self.path}: mend them and remove that file, or raise max_rejected"
            )
