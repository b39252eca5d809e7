"""The first lines of the page: what was trained, at which budget and for how many steps, and a warning where that is no
training."""

from collections.abc import Sequence
from html import escape

from audiolm.jobs.progress import duration
from audiolm.report.environment import Training, machine

LEARNS_NOTHING = 50  # steps: a run whose longest training has no more shows that the stages work, and nothing else


def lead(done: Sequence[Training], budget: str) -> str:
    """Budget, models with their steps, training time, and the machine; empty where nothing was trained."""
    if not done:
        return ""
    steps = ", ".join(f"{training.name} {training.steps:,}" for training in done)
    models = f"{len(done)} model{'s' if len(done) != 1 else ''}"
    told = f"Budget {budget}: " if budget else ""
    total = duration(sum(training.seconds for training in done))
    return escape(f"{told}{models} trained in {total}. Training steps: {steps}. {machine()}.")


def banner(done: Sequence[Training]) -> str:
    """A warning above the results of a run too short to learn anything; else empty."""
    longest = max((training.steps for training in done), default=0)
    if not 0 < longest <= LEARNS_NOTHING:
        return ""
    return (
        '<p class="banner"><b>Nothing has been learned in this run.</b> Its longest training has '
        f"{longest} step{'s' if longest != 1 else ''}, which shows that every stage works. No figure, sound or picture "
        "of a model below says anything about the recipe.</p>"
    )
