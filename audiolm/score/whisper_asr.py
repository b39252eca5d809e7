"""Whisper as the judge of what is said: it knows no grammar of the corpus, so it cannot guess what it does not hear.

Each utterance is heard by itself, its 30 s filled with silence, in batches; its words have no times here, which would
cost another pass. The text at temperature 0 counts, however improbable; where by its probability and by the model
nobody speaks, it is empty; a loop is heard again at rising temperatures, and is empty where it stays one
(annotate/plausible.py has the thresholds). The three judges are the backends of ``audiolm align`` of the same names.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from audiolm.annotate.plausible import COMPRESSION, LOGPROB, NO_SPEECH, compression
from audiolm.annotate.whisper import (
    LAYOUT,
    SAMPLE_RATE,
    check_knows,
    languages_of,
    load_openai,
    load_transformers,
    shown,
)
from audiolm.data.audio import resample
from audiolm.encoders.hub import find_weights
from audiolm.errors import AudiolmError

LONGEST = 30.0  # seconds that Whisper hears at once
EARLIEST = 20.0  # seconds: longer utterances are cut at the quietest place after them
QUIET = 0.1  # seconds over which that is looked for
RETRIES = (0.2, 0.4, 0.6, 0.8, 1.0)
BATCH = 16  # utterances


class Text(NamedTuple):
    """What is heard, the mean log probability of a token, and the probability that nobody speaks."""

    text: str
    logprob: float
    no_speech: float


class Ear(Protocol):
    """A Whisper of one package; ``file`` holds its weights."""

    name: str
    file: Path

    def hear(self, wavs: Sequence[np.ndarray], temperature: float = 0.0) -> list[Text]:
        """Texts of float32 [samples] at SAMPLE_RATE Hz, of at most LONGEST s each."""
        ...


class WhisperBackend:
    """A judge of ``audiolm score``.

    Args:
        key: one of EARS.
        model: folder, file, hub id or size, as the backend of ``audiolm align`` takes it.
        language: code of the speech; None: found in every utterance by itself, which short ones make uncertain.

    Raises:
        AudiolmError: the model cannot be had, is another's, or does not know the language.
    """

    def __init__(self, key: str, model: str, language: str | None = "en", device: str = "cpu"):
        self.key = key
        self.ear: Ear = EARS[key](model, language, device)
        self.name = f"{self.ear.name}, language {language or 'as found'}, no vocabulary"
        self.checksum = file_checksum(self.ear.file)

    def transcribe(self, waves: Sequence[np.ndarray], fs: int, voices: Sequence[str] | None = None) -> list[str]:
        pieces = [(n, part) for n, wave in enumerate(waves) for part in parts(resample(wave, fs, SAMPLE_RATE))]
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i][1]))  # those of a batch end at about one time
        heard = [""] * len(pieces)
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            for i, text in zip(batch, self.ear.hear([pieces[i][1] for i in batch]), strict=True):
                heard[i] = self._settled(pieces[i][1], text)
        texts = [""] * len(waves)
        for (n, _), text in zip(pieces, heard, strict=True):
            texts[n] = f"{texts[n]} {text.strip()}".strip()
        return texts

    def _settled(self, wav: np.ndarray, text: Text) -> str:
        for temperature in RETRIES:
            if text.logprob < LOGPROB and text.no_speech > NO_SPEECH:
                return ""
            if compression(text.text) <= COMPRESSION:
                return text.text
            [text] = self.ear.hear([wav], temperature)
        return text.text if compression(text.text) <= COMPRESSION else ""


def parts(wav: np.ndarray) -> list[np.ndarray]:
    """A waveform in parts of at most LONGEST s, cut where it is quiet; none where it is empty."""
    found, longest, width = [], round(LONGEST * SAMPLE_RATE), round(QUIET * SAMPLE_RATE)
    wav = np.asarray(wav, dtype=np.float32)
    while len(wav) > longest:
        first = round(EARLIEST * SAMPLE_RATE)
        energy = np.convolve(np.square(wav[first:longest]), np.ones(width), "valid")
        cut = first + int(energy.argmin()) + width // 2
        found.append(wav[:cut])
        wav = wav[cut:]
    return [*found, wav] if len(wav) else found


class CTranslate2Ear:
    """faster-whisper's, by beam search of five, its default."""

    def __init__(self, model: str, language: str | None, device: str):
        from audiolm.annotate.whisper_ct2 import WEIGHTS, FasterWhisper

        self.whisper = FasterWhisper(model, language, device, BATCH, timed=False)
        self.name, self.file = self.whisper.name, self.whisper.folder / WEIGHTS

    def hear(self, wavs: Sequence[np.ndarray], temperature: float = 0.0) -> list[Text]:
        if temperature:
            found = [self.whisper.hear_again(wav, [temperature], guesses=True) for wav in wavs]
        else:
            found = self.whisper.hear(wavs)
        return [Text(spoken.text, spoken.logprob, spoken.no_speech) for spoken in found]


class OpenaiEar:
    """openai-whisper's, which whisper-timestamped loads; greedy."""

    def __init__(self, model: str, language: str | None, device: str):
        self.model, self.language = load_openai(model, device), language
        from whisper.tokenizer import LANGUAGES

        check_knows(language, LANGUAGES if self.model.is_multilingual else ("en",), model)
        self.name = f"openai-whisper {version('openai-whisper')}, {shown(model)}, greedy"
        self.file = _openai_file(model)

    def hear(self, wavs: Sequence[np.ndarray], temperature: float = 0.0) -> list[Text]:
        import torch
        import whisper

        options = whisper.DecodingOptions(
            language=self.language, temperature=temperature, fp16=self.model.device.type == "cuda"
        )
        mels = [whisper.log_mel_spectrogram(whisper.pad_or_trim(wav), self.model.dims.n_mels) for wav in wavs]
        with _seeded(self.model.device):
            found = whisper.decode(self.model, torch.stack(mels).to(self.model.device), options)
        return [Text(one.text, one.avg_logprob, one.no_speech_prob) for one in found]


class TransformersEar:
    """transformers', greedy."""

    def __init__(self, model: str, language: str | None, device: str):
        self.model, self.processor = load_transformers(model, device)
        self.config = self.model.generation_config
        self.multilingual = getattr(self.config, "is_multilingual", True)
        check_knows(language, languages_of(self.config), model)
        self.language = language
        self.name = f"Whisper of transformers {version('transformers')}, {shown(model)}, greedy"
        self.file = _weights(find_weights(model, "Whisper model", "config.json", LAYOUT), LAYOUT)

    def hear(self, wavs: Sequence[np.ndarray], temperature: float = 0.0) -> list[Text]:
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        options = {"task": "transcribe", "language": self.language} if self.multilingual else {}
        with torch.inference_mode(), _seeded(self.model.device):
            features = self.processor.feature_extractor(list(wavs), sampling_rate=SAMPLE_RATE, return_tensors="pt")
            encoded = self.model.get_encoder()(features.input_features.to(self.model.device, self.model.dtype))
            encoded = encoded.last_hidden_state
            found = self.model.generate(
                encoder_outputs=BaseModelOutput(encoded),
                temperature=temperature,
                return_timestamps=True,
                force_unique_generate_call=True,  # else it goes on into the silence that fills the 30 s
                return_dict_in_generate=True,
                output_scores=True,
                **options,
            )
            start = torch.full((len(encoded), 1), self.config.decoder_start_token_id, device=encoded.device)
            first = self.model(encoder_outputs=(encoded,), decoder_input_ids=start, use_cache=False).logits[:, 0]
        silent = first.float().softmax(-1)[:, self.config.no_timestamps_token_id - 1].tolist()
        tokens = found.sequences[:, -len(found.scores) :]
        logprobs = torch.stack(found.scores, 1).float().log_softmax(-1).gather(2, tokens[..., None])[..., 0]
        ended = (tokens == self.config.eos_token_id).long().cumsum(1)
        counted = (ended == 0) | ((ended == 1) & (tokens == self.config.eos_token_id))  # the end, and nothing after it
        means = (logprobs.masked_fill(~counted, 0.0).sum(1) / counted.sum(1)).tolist()
        texts = [
            self.processor.tokenizer.decode([token for token in row if token < self.config.eos_token_id])
            for row in tokens.tolist()
        ]
        return [Text(*one) for one in zip(texts, means, silent, strict=True)]


EARS = {"whisper": TransformersEar, "whisper_timestamped": OpenaiEar, "faster_whisper": CTranslate2Ear}


@contextmanager
def _seeded(device) -> Iterator[None]:
    """What is drawn depends on the utterance alone."""
    import torch

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield


def _weights(folder: Path, patterns: Sequence[str]) -> Path:
    return next(file for pattern in patterns for file in sorted(folder.glob(pattern)))


def _openai_file(model: str) -> Path:
    """Where openai-whisper has a model's weights."""
    if model.endswith(".pt"):
        return Path(model)
    import whisper

    if model in whisper.available_models():
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
        return cache / whisper._MODELS[model].rpartition("/")[2]
    return _weights(find_weights(model, "Whisper model", "config.json", LAYOUT), LAYOUT)


def file_checksum(path: Path) -> str:
    """First 16 hexadecimal digits of a file's SHA-256.

    Raises:
        AudiolmError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise AudiolmError(f"cannot read the weights {path}: {error.strerror}") from None
    return digest.hexdigest()[:16]
