"""Checks that dataclasses of options make of their own values."""

from typing import Any

from audiolm.errors import AudiolmError


def at_least(config: Any, least: float, *names: str) -> None:
    """Refuse fields below ``least``, and those that are no finite number; None passes.

    Raises:
        AudiolmError: one is; the message names the field.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value < float("inf"):  # NaN is neither
            raise AudiolmError(f"{name}: found {value}, expected a number of at least {least}")
