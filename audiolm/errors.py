"""The one error that users are meant to read, and the hint that goes with a misspelt name."""

from collections.abc import Iterable
from difflib import get_close_matches


class AudiolmError(RuntimeError):
    """A mistake in input, options or environment; its message is one line for the user.

    The message says what was found, where, what was expected and what to do. The command line prints it
    without a traceback and exits with status 1.
    """


def first_line(error: BaseException) -> str:
    """The first line of what a foreign library's error says; the name of its class where it says nothing.

    >>> first_line(ValueError("bad header\\nat byte 3")), first_line(KeyError())
    ('bad header', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the choice nearest to ``name``, or the list of choices.

    >>> did_you_mean("codex", ["codec", "align"])
    "; did you mean 'codec'?"
    """
    choices = list(choices)
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; choose from: {', '.join(choices)}" if choices else ""
