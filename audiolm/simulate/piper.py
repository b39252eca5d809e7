"""Piper (piper-tts, GPL-3.0): a folder of voices, each ``<name>.onnx`` beside ``<name>.onnx.json``; no word times.

A file of several speakers has a voice for each, ``<name>+<speaker>``. Piper draws at random: the same text spoken again
sounds a little different, and so does a corpus that is cut into another number of jobs.
"""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np

from audiolm.errors import AudiolmError, first_line
from audiolm.simulate import onnx_voices
from audiolm.simulate.script import Speaker
from audiolm.simulate.voices import Speech

KEPT = 4  # models in memory: one takes seconds to load


class Piper:
    """The voices of a folder.

    Args:
        folder: of the weights.

    Raises:
        AudiolmError: it has no voices, or one without its config.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = sorted(folder.glob("*.onnx"))
        if not self.files:
            raise AudiolmError(f"{folder} holds no *.onnx, expected voices of Piper")
        self.configs = {file.stem: _config(file) for file in self.files}
        self.names = sorted(name for stem, config in self.configs.items() for name in _names(stem, config))
        self._models: OrderedDict[str, object] = OrderedDict()

    @property
    def key(self) -> str:
        """What the sound depends on, beside the script."""
        files = [each for file in self.files for each in (file, file.with_name(file.name + ".json"))]
        return f"piper {onnx_voices.content_key(files)}"

    def english(self) -> list[str]:
        """Names of English voices."""
        return [name for name in self.names if _language(self.configs[name.partition("+")[0]]).startswith("en")]

    def __call__(self, speaker: Speaker):
        """What speaks a text as ``speaker``: his rate is kept, his pitch cannot be.

        Raises:
            AudiolmError: there is no such voice.
        """
        name = onnx_voices.named(speaker.voice, self.names, self.folder)
        stem, _, who = name.partition("+")
        config = self.configs[stem]
        language = _language(config)
        voice = self._model(stem)
        settings = _package().SynthesisConfig(
            speaker_id=config.get("speaker_id_map", {})[who] if who else None,
            length_scale=voice.config.length_scale / speaker.rate,
        )

        def say(text: str) -> Speech:
            onnx_voices.check_letters(text, language)
            parts = [chunk.audio_float_array for chunk in voice.synthesize(text, settings)]
            if not parts:
                raise AudiolmError(f"voice '{name}' cannot say '{text}': nothing of it is sound")
            return Speech(np.concatenate(parts).astype(np.float32), int(voice.config.sample_rate))

        return say

    def _model(self, stem: str):
        if stem not in self._models:
            package = _package()
            config = package.PiperConfig.from_dict(self.configs[stem])
            session = onnx_voices.session(self.folder / f"{stem}.onnx")
            self._models[stem] = package.PiperVoice(session=session, config=config)
            if len(self._models) > KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(stem)
        return self._models[stem]


def load(folder: str | None) -> Piper:
    """The voices of a folder, or of ``$AUDIOLM_WEIGHTS/piper``.

    Raises:
        AudiolmError: the package or the weights are not there.
    """
    found = Piper(onnx_voices.weights_folder("piper", folder))
    _package()
    return found


def _package():
    try:
        import piper
    except ImportError as error:
        raise AudiolmError(
            f"--voices piper needs piper-tts ({error}), which is GPL-3.0: pip install piper-tts (or audiolm[piper])"
        ) from None
    return piper


def _config(file: Path) -> dict:
    path = file.with_name(file.name + ".json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        config["audio"]["sample_rate"], config["espeak"]["voice"], config["phoneme_id_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise AudiolmError(f"{path}: {what}; expected the config of Piper's voice {file.name}") from None
    return config


def _names(stem: str, config: dict) -> list[str]:
    speakers = config.get("speaker_id_map") or {}
    return [f"{stem}+{who}" for who in speakers] if len(speakers) > 1 else [stem]


def _language(config: dict) -> str:
    return config["espeak"]["voice"]
