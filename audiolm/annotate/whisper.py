"""Whisper (Radford et al. 2023, "Robust speech recognition via large-scale weak supervision") with word times.

- ``whisper_timestamped``, here: whisper-timestamped (Louradour 2023; words by dynamic time warping over
  cross-attention), which Moshi's authors used, one stretch at a time. Takes a Whisper size (``medium``), an
  openai-whisper checkpoint (``.pt``), or a folder or hub id of transformers' layout.
- ``whisper``: transformers' model in batches (annotate/whisper_batched.py). Folder or hub id.
- ``faster_whisper``: CTranslate2's, in batches (annotate/whisper_ct2.py). Folder, hub id or size.

All hear stretches of at most 30 s, from which silence has been cut (annotate/transcribe.py).
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from audiolm.annotate.timed import Failure, TimedWord
from audiolm.encoders.hub import find_weights, reachable
from audiolm.errors import AudiolmError, first_line

SAMPLE_RATE = 16000
LAYOUT = ("*.safetensors", "*.bin")  # weights of transformers' layout


class WhisperTimestamped:
    """whisper-timestamped. ``language``: code such as ``en``; None: found in every stretch by itself."""

    fs, batch = SAMPLE_RATE, 1

    def __init__(self, model: str, language: str | None = None, device: str = "cpu"):
        from importlib.metadata import version

        check_language(language)
        from whisper.tokenizer import LANGUAGES

        self.name = f"whisper-timestamped {version('whisper-timestamped')}, {model}"
        self.language, self.model = language, load_openai(model, device)
        check_knows(language, LANGUAGES if self.model.is_multilingual else ("en",), model)

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure]:
        return [self._transcribe(wav) for wav in wavs]

    def _transcribe(self, wav: np.ndarray) -> list[TimedWord] | Failure:
        from whisper_timestamped import transcribe_timestamped

        try:
            found = transcribe_timestamped(
                self.model,
                np.ascontiguousarray(wav, dtype=np.float32),
                language=self.language,
                condition_on_previous_text=False,  # else one stretch's loop goes on in the next
                verbose=None,
            )
        except (AssertionError, IndexError, ValueError) as error:  # its checks of its own alignment are assertions
            return Failure(f"whisper-timestamped failed: {error or type(error).__name__}")
        words = [word for segment in found["segments"] for word in segment.get("words", ())]
        end = len(wav) / self.fs
        return within([TimedWord(word["text"], word["start"], word["end"], word["confidence"]) for word in words], end)


def within(words: Sequence[TimedWord], end: float) -> list[TimedWord]:
    """The words that begin before ``end``, cut off there: Whisper hears up to 30 s, of which silence fills the rest."""
    return [word._replace(end=max(word.start, min(word.end, end))) for word in words if word.start < end]


def load_openai(model: str, device: str = "cpu"):
    """A Whisper of openai-whisper's class, from any of the places that ``whisper_timestamped`` takes.

    Raises:
        AudiolmError: no such size, file, folder or hub id; not to be had; damaged.
    """
    if model.endswith(".pt"):
        if not Path(model).is_file():
            raise AudiolmError(f"no Whisper checkpoint {model}: expected a file of openai-whisper")
        source = model
    elif "/" in model:
        source = str(find_weights(model, "Whisper model", "config.json", LAYOUT))
    else:
        source = _size_or_folder(model)
    import whisper_timestamped  # takes seconds: what cannot be found is said before

    try:
        return whisper_timestamped.load_model(source, device=device)
    except Exception as error:  # whatever a damaged file provokes in torch's and whisper's loaders
        raise AudiolmError(
            f"cannot load Whisper model '{model}': {type(error).__name__}: {first_line(error)}"
        ) from None


def _size_or_folder(model: str) -> str:
    import whisper

    if model in whisper.available_models():
        _check_openai_cache(model, whisper._MODELS[model])
        return model
    if not Path(model).exists():
        sizes = ", ".join(whisper.available_models())
        raise AudiolmError(f"no Whisper model '{model}': expected {sizes}; a .pt file, a folder, or a hub id")
    return str(find_weights(model, "Whisper model", "config.json", LAYOUT))


def _check_openai_cache(model: str, url: str) -> None:
    """Refuse at once a size that is neither in openai-whisper's cache nor to be fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
    file = cache / url.rpartition("/")[2]
    if not file.is_file() and not reachable(url):
        raise AudiolmError(
            f"no weights of Whisper '{model}' in {cache}, and their server cannot be reached: fetch {url} where there "
            f"is a network, and put it at {file} or name it with --model"
        )


def load_transformers(model: str, device: str = "cpu"):
    """A Whisper of transformers' layout -> (model, processor).

    Raises:
        AudiolmError: no such folder or hub id; damaged; without the heads that word times need.
    """
    folder = find_weights(model, "Whisper model", "config.json", LAYOUT)
    import transformers

    options = {"dtype": "float32"} if device == "cpu" else {}  # half precision is slow on CPUs
    try:
        whisper = transformers.WhisperForConditionalGeneration.from_pretrained(folder, **options).to(device).eval()
        processor = transformers.WhisperProcessor.from_pretrained(folder)
    except Exception as error:  # whatever a damaged file provokes in the loaders of three packages
        raise AudiolmError(
            f"cannot load Whisper model '{model}': {type(error).__name__}: {first_line(error)}"
        ) from None
    if not getattr(whisper.generation_config, "alignment_heads", None):
        raise AudiolmError(
            f"{folder} names no alignment_heads in generation_config.json, which word times need: use one of "
            "openai's models, or --backend whisper_timestamped, which does without"
        )
    return whisper, processor


def check_language(language: str | None) -> None:
    """Refuse a code that is none of Whisper's."""
    from audiolm.errors import did_you_mean

    if language is not None:
        from whisper.tokenizer import LANGUAGES

        if language not in LANGUAGES:
            raise AudiolmError(f"--language {language} is none of Whisper's{did_you_mean(language, LANGUAGES)}")


def shown(model: str) -> str:
    """A model's name for records: of a path its last part, which says the same on every machine."""
    return Path(model).name if Path(model).exists() else model


def languages_of(config) -> list[str]:
    """Codes of the languages that a Whisper of transformers knows, from its generation config."""
    from whisper.tokenizer import LANGUAGES

    if not getattr(config, "is_multilingual", True):
        return ["en"]
    found = getattr(config, "lang_to_id", None)  # old exports lack it
    return list(LANGUAGES) if found is None else [code.strip("<|>") for code in found]


def check_knows(language: str | None, known: Collection[str], model: str) -> None:
    """Refuse a language that a model does not know: an English-only one would write English for what it hears."""
    from audiolm.errors import did_you_mean

    if language is None or language in known:
        return
    if len(known) == 1:
        raise AudiolmError(
            f"Whisper model '{model}' knows {', '.join(known)} only, and the language is to be '{language}': take "
            "multilingual weights, whose name does not end in .en"
        )
    raise AudiolmError(f"language '{language}' is none of those of '{model}'{did_you_mean(language, known)}")
