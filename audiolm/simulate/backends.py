"""Who speaks the scripts: espeak-ng, or a text-to-speech system of the user's own, and what it takes to use one."""

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


def voice_backend(name: str, aligner: str = "pocketsphinx", model: str | None = None) -> Voices:
    """The voices of a name: ``espeak``, or ``module:function`` of one's own.

    Args:
        aligner: one of ALIGNERS, for voices of one's own that give no times.
        model: what that aligner takes: a recogniser's directory (ctc), a CTC model (wav2vec2).

    Raises:
        AudiolmError: there is no such module, function or aligner.
    """
    if name == "espeak":
        from audiolm.simulate.espeak import espeak_voice

        return Voices(espeak_voice, name)
    module, _, function = name.partition(":")
    if not function:
        raise AudiolmError(f"--voices {name}: expected espeak, or module:function")
    voice_of = getattr(plugin(module, [function], f"--voices {name}"), function)
    if not callable(voice_of):
        raise AudiolmError(f"--voices {name}: found a {type(voice_of).__name__}, expected a function of a Speaker")
    model = model or None
    key = " ".join([name, plugins.digest(plugins.sources(name)), aligner, model or ""])
    return Voices(voice_of, key, make_aligner(aligner, model, model), aligner)


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
