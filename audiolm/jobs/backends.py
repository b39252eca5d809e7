"""Where jobs run, by name."""

from collections.abc import Callable

from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs.backend import Backend, Place
from audiolm.jobs.local import LocalBackend
from audiolm.jobs.slurm import SlurmBackend


def local(place: Place, max_jobs: int | None) -> Backend:
    """Processes of this machine; they take what they need of it, so that of ``place`` only the machines count."""
    if place.nodes > 1:
        raise AudiolmError(f"--nodes {place.nodes}: --backend local is one machine; --backend slurm knows more")
    return LocalBackend(max_jobs)


def slurm(place: Place, max_jobs: int | None) -> Backend:
    """Jobs of a Slurm cluster."""
    return SlurmBackend(place, max_jobs)


BACKENDS: dict[str, Callable[[Place, int | None], Backend]] = {"local": local, "slurm": slurm}


def get_backend(name: str, max_jobs: int | None, place: Place = Place()) -> Backend:  # noqa: B008 - it is frozen
    """Return the backend of that name, with at most ``max_jobs`` jobs at a time (None: the backend's own choice)."""
    if name not in BACKENDS:
        raise AudiolmError(f"--backend {name}: there is no such backend{did_you_mean(name, BACKENDS)}")
    if max_jobs is not None and max_jobs < 1:
        raise AudiolmError(f"--max_jobs {max_jobs}: at least one job must run at a time")
    return BACKENDS[name](place, max_jobs)
