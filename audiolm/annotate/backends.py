"""Which backends find words, and what each of them needs, before any of them is loaded."""

from pathlib import Path

from audiolm.annotate import align, transcribe
from audiolm.errors import AudiolmError, did_you_mean

NEED_MODEL = {"wav2vec2": "CTC", "whisper_timestamped": "Whisper", "whisper": "Whisper", "faster_whisper": "Whisper"}


def check_backend(backend: str, recognizer: Path | None, model: str | None) -> None:
    """Refuse a backend that there is not, or that lacks its model.

    Raises:
        AudiolmError: what is missing, and how to name it.
    """
    known = (*align.BACKENDS, *transcribe.BACKENDS)
    if backend not in known:
        hint = did_you_mean(backend, known)
        choices = "" if "choose from" in hint else f"; choose from: {', '.join(known)}"
        raise AudiolmError(f"no aligner '{backend}'{hint}{choices}")
    if backend == "ctc" and recognizer is None:
        raise AudiolmError("--backend ctc needs a trained recogniser: name its directory with --recognizer")
    if backend in NEED_MODEL:
        if model is None:
            kind = NEED_MODEL[backend]
            raise AudiolmError(
                f"--backend {backend} needs a {kind} model: name its folder, file, hub id or name with --model "
                "(of a recipe: --align.model)"
            )
        if model.startswith(("/", "./", "../", "~")) and not Path(model).expanduser().exists():
            raise AudiolmError(f"--model {model}: there is no such file or folder")
