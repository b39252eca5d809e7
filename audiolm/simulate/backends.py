"""Who speaks the scripts: espeak-ng, Kokoro, Piper, or a text-to-speech system of the user's own."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from audiolm.annotate.align import Aligner, make_aligner
from audiolm.data.files import CannotWrite
from audiolm.errors import AudiolmError, first_line
from audiolm.jobs import plugins
from audiolm.simulate.script import Speaker
from audiolm.simulate.voices import Speech, Voice

Say = Callable[[str], Speech]
VoiceOf = Callable[[Speaker], AbstractContextManager[Voice] | Voice | Say]
ALIGNERS = ("pocketsphinx", "ctc", "wav2vec2")
NATURAL = ("kokoro", "piper")  # modules of this room, whose ``load(folder)`` gives their voices
SHARES = {"train": (0, 1, 3, 4), "dev": (2,), "test": (5,)}  # of six voices in the order of their names


@dataclass(frozen=True)
class Voices:
    """Who speaks, and what finds the times of words where a voice knows none.

    Attributes:
        voice_of: gives the voice of a script's speaker: a Voice, a function of the text, or a context manager of one.
        key: what else than the script the sound depends on; recordings of another key are spoken again.
        aligner: None: every voice must give its words' times.
        aligned_by: the aligner's name.
    """

    voice_of: VoiceOf
    key: str
    aligner: Aligner | None = None
    aligned_by: str = ""

    @contextmanager
    def opened(self, speaker: Speaker) -> Iterator[Say]:
        """What speaks a text as ``speaker``."""
        voice = self.voice_of(speaker)
        with voice if hasattr(voice, "__enter__") else nullcontext(voice) as entered:
            say = getattr(entered, "say", entered)
            if not callable(say):
                raise AudiolmError(
                    f"--voices gave a {type(entered).__name__}, expected a voice with say(text), or a function of the "
                    "text"
                )
            yield say


class Unspoken(AudiolmError):
    """Why a dialogue cannot be spoken.

    Attributes:
        again: nothing says that it never can (the voice raised an error of its own): the next run tries again.
    """

    def __init__(self, message: str, again: bool = False):
        super().__init__(message)
        self.again = again


@contextmanager
def blamed(where: str) -> Iterator[None]:
    """Name the place of an error in one line; the traceback of one that is not ours goes to the log."""
    try:
        yield
    except (CannotWrite, Unspoken):
        raise
    except AudiolmError as error:
        raise Unspoken(f"{where}: {error}") from error
    except Exception as error:
        traceback.print_exc()
        raise Unspoken(
            f"{where}: the voice raised {type(error).__name__}: {first_line(error)} (the log has the traceback)", True
        ) from error


def voice_backend(
    name: str, aligner: str = "pocketsphinx", model: str | None = None, weights: str | None = None
) -> Voices:
    """The voices of a name: ``espeak``, ``kokoro``, ``piper``, or ``module:function`` of one's own.

    Args:
        aligner: one of ALIGNERS, for voices that give no times, as all but espeak's and one's own.
        model: what that aligner takes: a recogniser's directory (ctc), a CTC model (wav2vec2).
        weights: folder of Kokoro's or Piper's; None: ``$AUDIOLM_WEIGHTS/<name>``.

    Raises:
        AudiolmError: there is no such module, function or aligner, or weights or a package are not there.
    """
    model = model or None
    if name == "espeak":
        from audiolm.simulate.espeak import espeak_voice

        return Voices(espeak_voice, name)
    if name in NATURAL:
        found = natural_voices(name, weights)
        key = " ".join([found.key, aligner, model or ""])
        return Voices(found, key, make_aligner(aligner, model, model), aligner)
    module, _, function = name.partition(":")
    if not function:
        raise AudiolmError(f"--voices {name}: expected espeak, {', '.join(NATURAL)}, or module:function")
    voice_of = getattr(plugin(module, [function], f"--voices {name}"), function)
    if not callable(voice_of):
        raise AudiolmError(f"--voices {name}: found a {type(voice_of).__name__}, expected a function of a Speaker")
    key = " ".join([name, plugins.digest(plugins.sources(name)), aligner, model or ""])
    return Voices(voice_of, key, make_aligner(aligner, model, model), aligner)


def natural_voices(name: str, weights: str | None = None):
    """The voices of one of NATURAL.

    Raises:
        AudiolmError: its weights or its package are not there.
    """
    return import_module(f"audiolm.simulate.{name}").load(weights or None)


def natural_shares(name: str, weights: str | None = None) -> dict[str, list[str]]:
    """Set -> names of English voices: none is in two sets, where there are twelve or more; all are in all, of fewer.

    Raises:
        AudiolmError: there are fewer than two, which a dialogue takes.
    """
    voices = natural_voices(name, weights).english()
    if len(voices) < 2:
        raise AudiolmError(f"--voices {name}: {len(voices)} English voices, expected two or more for a dialogue")
    if len(voices) < 12:
        return dict.fromkeys(SHARES, voices)
    return {split: [voice for i, voice in enumerate(voices) if i % 6 in share] for split, share in SHARES.items()}


def plugin(module: str, names: Sequence[str], option: str) -> ModuleType:
    """A module of the user's, which must have ``names``.

    Args:
        option: that names it, for the message.

    Raises:
        AudiolmError: it cannot be imported, or lacks one; the traceback of an error of its own goes to the log.
    """
    try:
        found = import_module(module)
    except ImportError as error:
        raise AudiolmError(f"{option}: cannot import {module} ({error}); is its folder on PYTHONPATH?") from None
    except Exception as error:  # whatever a module does when it is read
        traceback.print_exc()
        what = f"{type(error).__name__}: {first_line(error)}"
        raise AudiolmError(f"{option}: importing {module} raised {what}") from error
    lacking = [name for name in names if not hasattr(found, name)]
    if lacking:
        raise AudiolmError(f"{option}: module {module} has no {', '.join(lacking)}")
    return found
