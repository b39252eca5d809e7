"""Whether a text that a model of Whisper's kind gives for a stretch of audio can be believed.

The checks and their thresholds are those of Radford et al. 2023, section 4.5 (openai-whisper's ``transcribe``): a loop
compresses too well; a guess is improbable; where the model also takes the audio for no speech, nobody speaks.
"""

import zlib
from typing import NamedTuple

COMPRESSION = 2.4  # bytes of the text by those of its zlib: above, it repeats itself
LOGPROB = -1.0  # mean log probability of a token: below, it is a guess
NO_SPEECH = 0.6  # probability that nobody speaks: above, a guess is dropped


class Verdict(NamedTuple):
    """``reason``: why the text is not to be believed, None where it is. ``silent``: nobody speaks, so that another try
    is of no use.
    """

    reason: str | None = None
    silent: bool = False


def judge(text: str, logprob: float, no_speech: float) -> Verdict:
    """Judge one stretch's text by its mean log probability a token and the probability that nobody speaks.

    >>> judge("Thank you for watching. " * 29, -0.1, 0.2).reason
    'a loop: the text compresses 19.3 to 1'
    """
    if logprob < LOGPROB and no_speech > NO_SPEECH:
        return Verdict(f"no speech (probability {no_speech:.2f})", True)
    ratio = compression(text)
    if ratio > COMPRESSION:
        return Verdict(f"a loop: the text compresses {ratio:.1f} to 1")
    if logprob < LOGPROB:
        return Verdict(f"a guess: {logprob:.2f} of mean log probability")
    return Verdict()


def compression(text: str) -> float:
    """Bytes of the text in UTF-8 by those of its zlib."""
    plain = text.strip().encode()
    return len(plain) / len(zlib.compress(plain)) if plain else 0.0
