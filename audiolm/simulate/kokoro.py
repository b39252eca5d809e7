"""Kokoro-82M (Apache-2.0) by kokoro-onnx (MIT; its phonemizer and espeak-ng are GPL-3.0): 24 kHz, no word times.

A folder holds one ``*.onnx`` and one ``voices*.npz`` or ``voices*.bin``. A voice's first letter is its language.
"""

from pathlib import Path

import numpy as np

from audiolm.errors import AudiolmError, first_line
from audiolm.simulate import onnx_voices
from audiolm.simulate.script import Speaker
from audiolm.simulate.voices import Speech

# Japanese and Chinese are left out: espeak-ng, which the package takes the sounds from, cannot read them.
LANGUAGES = {"a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "p": "pt-br"}
SPEEDS = (0.5, 2.0)  # that the package takes


class Kokoro:
    """The voices of one model; loaded when the first of them speaks.

    Args:
        folder: of the weights.

    Raises:
        AudiolmError: the weights or the package are not there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.model_file = _only(folder, "*.onnx")
        self.voices_file = _only(folder, "voices*.npz", "voices*.bin")
        try:
            with np.load(self.voices_file) as voices:
                self.names = [name for name in voices.files if name[0] in LANGUAGES]
        except (OSError, ValueError) as error:
            raise AudiolmError(f"{self.voices_file} holds no Kokoro voices: {first_line(error)}") from None
        self._kokoro = None

    @property
    def key(self) -> str:
        """What the sound depends on, beside the script."""
        return f"kokoro {onnx_voices.content_key([self.model_file, self.voices_file])}"

    def english(self) -> list[str]:
        """Names of American and British voices."""
        return sorted(name for name in self.names if name[0] in "ab")

    def __call__(self, speaker: Speaker):
        """What speaks a text as ``speaker``: his rate is kept, his pitch cannot be.

        Raises:
            AudiolmError: there is no such voice.
        """
        name = onnx_voices.named(speaker.voice, self.names, self.voices_file)
        language, speed = LANGUAGES[name[0]], float(np.clip(speaker.rate, *SPEEDS))
        model = self._model()

        def say(text: str) -> Speech:
            onnx_voices.check_letters(text, language)
            try:
                wav, fs = model.create(text, voice=name, speed=speed, lang=language)
            except ValueError as error:  # what the package says where nothing of the text is sound
                raise AudiolmError(f"voice '{name}' cannot say '{text}': {first_line(error)}") from None
            return Speech(wav.astype(np.float32), int(fs))

        return say

    def _model(self):
        if self._kokoro is None:
            session = onnx_voices.session(self.model_file)
            self._kokoro = _package().Kokoro.from_session(session, str(self.voices_file))
        return self._kokoro


def load(folder: str | None) -> Kokoro:
    """The voices of a folder, or of ``$AUDIOLM_WEIGHTS/kokoro``.

    Raises:
        AudiolmError: the package or the weights are not there.
    """
    found = Kokoro(onnx_voices.weights_folder("kokoro", folder))
    _package()
    return found


def _package():
    try:
        import kokoro_onnx
    except ImportError as error:
        raise AudiolmError(
            f"--voices kokoro needs kokoro-onnx ({error}): pip install kokoro-onnx (or audiolm[kokoro])"
        ) from None
    return kokoro_onnx


def _only(folder: Path, *patterns: str) -> Path:
    found = sorted(file for pattern in patterns for file in folder.glob(pattern))
    if len(found) != 1:
        many = f"{len(found)} files" if found else "no file"
        raise AudiolmError(f"{folder} holds {many} {' or '.join(patterns)}, expected one, of Kokoro")
    return found[0]
