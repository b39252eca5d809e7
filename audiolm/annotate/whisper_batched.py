"""transformers' Whisper: stretches of at most 30 s in batches, each heard and timed as if it were alone.

The texts of a batch are decoded together, greedily; what cannot be believed (annotate/plausible.py) is decoded again at
rising temperatures, alone and with a seed of its own. Word times come from a pass of their own (annotate/attention.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audiolm.annotate.align import Failure, TimedWord
from audiolm.annotate.attention import FRAME, Reading, read_along, words_of
from audiolm.annotate.plausible import judge
from audiolm.annotate.whisper import SAMPLE_RATE, check_language, load_transformers

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # Radford et al. 2023, section 4.5
BATCH = 8  # stretches at once
REST = 1.0  # seconds: what is left where the model stopped early is heard by itself, if it is no shorter


class Part(NamedTuple):
    """What is to be heard of the stretch ``index``: from ``start`` (s), float32 [samples]."""

    index: int
    start: float
    wav: np.ndarray


class WhisperBatched:
    """A word's confidence is the mean probability of its tokens.

    Args:
        model: folder or hub id in transformers' layout.
        language: code such as ``en``; None: found in every stretch by itself.
        batch: stretches at once.
    """

    fs = SAMPLE_RATE

    def __init__(self, model: str, language: str | None = None, device: str = "cpu", batch: int = BATCH):
        from importlib.metadata import version

        check_language(language)
        self.name = f"Whisper of transformers {version('transformers')}, {model}"
        self.language, self.batch = language, batch
        self.model, self.processor = load_transformers(model, device)
        self.config = self.model.generation_config

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure]:
        found: list[list[TimedWord] | Failure] = [[] for _ in wavs]
        parts = [Part(index, 0.0, np.ascontiguousarray(wav, dtype=np.float32)) for index, wav in enumerate(wavs)]
        while parts:
            batch, parts = parts[: self.batch], parts[self.batch :]
            for part, (result, end) in zip(batch, self._hear([part.wav for part in batch]), strict=True):
                if isinstance(result, Failure) or isinstance(found[part.index], Failure):
                    found[part.index] = result if isinstance(result, Failure) else found[part.index]
                    continue
                found[part.index] += [
                    word._replace(start=part.start + word.start, end=part.start + word.end) for word in result
                ]
                rest = part.wav[round(end * self.fs) :]
                if len(rest) >= REST * self.fs:
                    parts.append(Part(part.index, part.start + end, rest))
        return found

    def _hear(self, wavs: Sequence[np.ndarray]) -> list[tuple[list[TimedWord] | Failure, float]]:
        """Words of each of at most ``batch`` stretches, and how far into it, in seconds, the model has listened."""
        import torch

        with torch.inference_mode():
            features = self.processor.feature_extractor(wavs, sampling_rate=self.fs, return_tensors="pt").input_features
            encoded = self.model.get_encoder()(features.to(self.model.device, self.model.dtype)).last_hidden_state
            no_speech, languages = self._first_look(encoded)
            texts = self._decode(encoded, languages, 0.0)
        rows = zip(wavs, encoded, texts, no_speech, languages, strict=True)
        return [self._row(len(wav) / self.fs, one[None], text, no, language) for wav, one, text, no, language in rows]

    def _first_look(self, encoded) -> tuple[list[float], list[str]]:
        """Of each row, the probability that nobody speaks, and the language's code."""
        import torch

        start = torch.full((len(encoded), 1), self.config.decoder_start_token_id, device=encoded.device)
        logits = self.model(encoder_outputs=(encoded,), decoder_input_ids=start, use_cache=False).logits[:, 0].float()
        no_speech = logits.softmax(-1)[:, self.config.no_timestamps_token_id - 1].tolist()
        if self.language or not getattr(self.config, "is_multilingual", True):
            return no_speech, [self.language or "en"] * len(encoded)
        codes, ids = zip(*self.config.lang_to_id.items(), strict=True)
        best = logits[:, list(ids)].argmax(-1).tolist()
        return no_speech, [codes[index].strip("<|>") for index in best]

    def _decode(self, encoded, languages: Sequence[str], temperature: float) -> list[list[int]]:
        """What the model writes for each row up to the text's end, with time stamps: these make it begin at the
        beginning, where without them it may leave out whole sentences.
        """
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        options = {"task": "transcribe", "language": list(languages)}
        if not getattr(self.config, "is_multilingual", True):
            options = {}  # an English-only model takes neither
        with torch.random.fork_rng([encoded.device] if encoded.is_cuda else []):
            torch.manual_seed(0)  # what is drawn depends on the stretch alone
            found = self.model.generate(
                encoder_outputs=BaseModelOutput(encoded),
                temperature=temperature,
                return_timestamps=True,
                force_unique_generate_call=True,  # else it goes on into the silence that fills the 30 s
                return_dict_in_generate=True,
                **options,
            )
        rows = found.sequences[:, len(self._prompt(languages[0])) - 1 :].tolist()
        return [row[: row.index(self.config.eos_token_id)] if self.config.eos_token_id in row else row for row in rows]

    def _row(
        self, seconds: float, encoded, heard: Sequence[int], no_speech: float, language: str
    ) -> tuple[list[TimedWord] | Failure, float]:
        """Words of one stretch and how far it was heard; other texts are tried where the first cannot be believed."""
        reasons = []
        for temperature in TEMPERATURES:
            if temperature:
                heard = self._decode(encoded, [language], temperature)[0]
            end = self._end(heard, seconds)
            text, frames = [token for token in heard if token < self.config.eos_token_id], max(1, int(end / FRAME))
            if not text:
                return [], seconds
            if len(text) >= frames:
                reasons.append(f"a loop: {len(text)} tokens of text in {end:.2f} s")
                continue
            reading = read_along(self.model, encoded, self._prompt(language), text, frames)
            verdict = judge(self.processor.tokenizer.decode(text), float(reading.logprobs.mean()), no_speech)
            if verdict.reason is None:
                return self._words(text, reading, language), end
            if verdict.silent:
                return Failure(*verdict), seconds
            reasons.append(verdict.reason)
        return Failure(reasons[0]), seconds

    def _end(self, heard: Sequence[int], seconds: float) -> float:
        """Where the model stopped: at its last time stamp if that is doubled, which says that something follows."""
        first = self.config.no_timestamps_token_id + 1
        if len(heard) > 2 and heard[-1] >= first and heard[-2] >= first:
            end = (heard[-1] - first) * FRAME
            return end if REST <= end < seconds else seconds  # each part is shorter than the last by REST at least
        return seconds

    def _prompt(self, language: str) -> list[int]:
        prompt = [self.config.decoder_start_token_id]
        if getattr(self.config, "is_multilingual", True):
            prompt += [self.config.lang_to_id[f"<|{language}|>"], self.config.task_to_id["transcribe"]]
        return [*prompt, self.config.no_timestamps_token_id]

    def _words(self, text: Sequence[int], reading: Reading, language: str) -> list[TimedWord]:
        return [
            TimedWord(
                word,
                float(reading.starts[first] * FRAME),
                float(reading.starts[last] * FRAME),
                float(np.exp(reading.logprobs[first:last]).mean()),
            )
            for word, first, last in words_of(self.processor.tokenizer, text, language)
        ]
