"""What text-to-speech models in ONNX files share: where their weights are, one thread, texts that they can say."""

import hashlib
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from audiolm.errors import AudiolmError, did_you_mean

WEIGHTS = "AUDIOLM_WEIGHTS"  # names a folder with one of each backend's name
# Languages that are written in Latin letters: with others, espeak-ng's phonemes are names of letters.
LATIN = frozenset("ca cs da de en es et fi fr hu id is it lt lv ms nb nl no pl pt ro sk sl sv sw tr vi".split())

SCRIPTS = ("LATIN ", "MODIFIER LETTER ", "FEMININE ", "MASCULINE ")  # in Unicode's names; the last two are º and ª


def weights_folder(backend: str, named: str | None) -> Path:
    """The folder of a backend's weights: the named one, or ``$AUDIOLM_WEIGHTS/<backend>``.

    Raises:
        AudiolmError: none is named, or there is none.
    """
    base = os.environ.get(WEIGHTS)
    if not named and not base:
        raise AudiolmError(
            f"--voices {backend}: its weights are nowhere: name their folder (--voices_model DIR), or one that holds "
            f"'{backend}' in {WEIGHTS}"
        )
    folder = Path(named) if named else Path(base) / backend
    if not folder.is_dir():
        raise AudiolmError(
            f"--voices {backend}: no folder {folder}, expected one with its weights (--voices_model DIR)"
        )
    return folder


def content_key(files: Sequence[Path]) -> str:
    """16 hexadecimal digits of files' contents: other weights are other voices, wherever they lie."""
    total = hashlib.blake2b(digest_size=8)
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def session(file: Path):
    """An ONNX model on one thread, for a job has many beside it, with its draws from seed 0.

    Raises:
        AudiolmError: the file is no model.
    """
    import onnxruntime

    onnxruntime.set_seed(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the package's own classes
        raise AudiolmError(f"{file} is no ONNX model: {str(error).strip().splitlines()[0]}") from None


def named(voice: str, names: Sequence[str], where: Path) -> str:
    """The voice, if it is one of ``names``.

    Raises:
        AudiolmError: it is none.
    """
    if voice in names:
        return voice
    hint = did_you_mean(voice, names) or f"; it has {', '.join(sorted(names)[:8])}{' …' if len(names) > 8 else ''}"
    raise AudiolmError(f"there is no such voice in {where}{hint}")


def check_letters(text: str, language: str) -> None:
    """Refuse what a language that is written in Latin letters would spell out instead of speaking.

    Raises:
        AudiolmError: a letter of another script.
    """
    if language.partition("-")[0].lower() not in LATIN:
        return
    for letter in text:
        if letter.isalpha() and not unicodedata.name(letter, "").startswith(SCRIPTS):
            raise AudiolmError(f"a voice of language {language} cannot say '{letter}' of the text '{text}'")
