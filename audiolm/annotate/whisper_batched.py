"""transformers' Whisper: stretches of at most 30 s in batches, each heard and timed as if it were alone.

The texts of a batch are decoded together, greedily and with time stamps. Where a text leaves out a part of its audio or
cannot be believed (annotate/plausible.py), the stretch is decoded without time stamps too, and what cannot be believed
then either at rising temperatures, alone and with a seed of its own. Word times come from a pass of their own
(annotate/attention.py), and so do the parts left out: a token does not last seconds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audiolm.annotate.attention import FRAME, Reading, read_along, words_of
from audiolm.annotate.plausible import judge
from audiolm.annotate.timed import NOTHING, Failure, Partial, TimedWord
from audiolm.annotate.turns import Region
from audiolm.annotate.whisper import SAMPLE_RATE, check_knows, check_language, languages_of, load_transformers

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # Radford et al. 2023, section 4.5
BATCH = 8  # stretches at once
REST = 1.0  # seconds: what is left where the model stopped early is heard by itself, if it is no shorter
HOLE = 2.5  # seconds: where nothing begins for so long, words were left out; pauses over 1 s are cut before


class Part(NamedTuple):
    """What is to be heard of the stretch ``index``: from ``start`` (s), float32 [samples]."""

    index: int
    start: float
    wav: np.ndarray


class Heard(NamedTuple):
    """A text that can be believed.

    Attributes:
        words: with times from the start of the part.
        end: seconds that the model has listened to.
        tokens: of text.
        holes: before ``end``, in which no word is heard.
        missing: seconds of the part without words: its holes, and what is after ``end``.
    """

    words: list[TimedWord]
    end: float
    tokens: int
    holes: list[Region]
    missing: float


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
        check_knows(language, languages_of(self.config), model)

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure | Partial]:
        found: list[Partial] = [Partial([], []) for _ in wavs]
        parts = [Part(index, 0.0, np.ascontiguousarray(wav, dtype=np.float32)) for index, wav in enumerate(wavs)]
        while parts:
            batch, parts = parts[: self.batch], parts[self.batch :]
            for part, heard in zip(batch, self._hear([part.wav for part in batch]), strict=True):
                words, lost = found[part.index]
                if isinstance(heard, Failure):
                    lost.append((part.start, part.start + len(part.wav) / self.fs, heard))
                    continue
                words += [
                    word._replace(start=part.start + word.start, end=part.start + word.end) for word in heard.words
                ]
                lost += [(part.start + start, part.start + end, NOTHING) for start, end in heard.holes]
                rest = part.wav[round(heard.end * self.fs) :]
                if len(rest) >= REST * self.fs:
                    parts.append(Part(part.index, part.start + heard.end, rest))
        return [_result(*own) for own in found]

    def _hear(self, wavs: Sequence[np.ndarray]) -> list[Heard | Failure]:
        """What is heard in each of at most ``batch`` stretches."""
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

    def _decode(self, encoded, languages: Sequence[str], temperature: float, stamps: bool = True) -> list[list[int]]:
        """What the model writes for each row up to the text's end. Time stamps make it begin at the beginning, where
        without them it leaves out whole sentences more often; but with them it stops early more often.
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
                return_timestamps=stamps,
                force_unique_generate_call=True,  # else it goes on into the silence that fills the 30 s
                return_dict_in_generate=True,
                **options,
            )
        prompt = self._prompt(languages[0])  # which ends in the token that forbids stamps
        rows = found.sequences[:, len(prompt) - stamps :].tolist()
        return [row[: row.index(self.config.eos_token_id)] if self.config.eos_token_id in row else row for row in rows]

    def _row(self, seconds: float, encoded, heard: Sequence[int], no_speech: float, language: str) -> Heard | Failure:
        """What is heard in one stretch; other texts are tried where the first leaves some out or is not believed."""

        def again(temperature: float, stamps: bool = True) -> Heard | Failure:
            return self._read(
                seconds, encoded, self._decode(encoded, [language], temperature, stamps)[0], no_speech, language
            )

        first = self._read(seconds, encoded, heard, no_speech, language)
        if first.silent if isinstance(first, Failure) else not first.missing:
            return first
        plain = again(0.0, stamps=False)
        if isinstance(first, Heard):
            return fuller(first, plain)
        if isinstance(plain, Heard):
            return plain
        for temperature in TEMPERATURES[1:]:
            found = again(temperature)
            if isinstance(found, Heard) or found.silent:
                return found
        return first

    def _read(self, seconds: float, encoded, heard: Sequence[int], no_speech: float, language: str) -> Heard | Failure:
        """The words of a decoded text with their times, or why it cannot be believed."""
        end = self._end(heard, seconds)
        text, frames = [token for token in heard if token < self.config.eos_token_id], max(1, int(end / FRAME))
        if not text:  # it is left at that: where nobody speaks, another try would make words up
            return Heard([], seconds, 0, [(0.0, seconds)], 0.0)
        places = self.model.config.max_target_positions - len(self._prompt(language)) - 1  # for text, before its end
        if len(text) >= frames or len(text) > places:
            return Failure(f"a loop: {len(text)} tokens of text in {end:.2f} s")
        reading = read_along(self.model, encoded, self._prompt(language), text, frames)
        verdict = judge(self.processor.tokenizer.decode(text), float(reading.logprobs.mean()), no_speech)
        if verdict.reason is not None:
            return Failure(*verdict)
        end, holes = listened(reading.starts, end)
        rest = seconds - end
        missing = sum(stop - start for start, stop in holes) + (rest if rest >= REST else 0.0)
        return Heard(self._words(text, reading, language), end, len(text), holes, missing)

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


def listened(starts: Sequence[int], end: float) -> tuple[float, list[Region]]:
    """How far a text goes, and its holes before that: where a token lasts HOLE s or more.

    Args:
        starts: frames in which the tokens begin, then that in which the last one ends.
        end: seconds; where the text ends HOLE s before, what is after it was left out.

    >>> listened([0, 10, 160, 170], 4.0)
    (4.0, [(0.2, 3.2)])
    >>> listened([0, 100, 170], 10.0)
    (3.4, [])
    """
    edges = [round(frame * FRAME, 2) for frame in np.asarray(starts).tolist()]
    holes = [(start, stop) for start, stop in zip(edges, edges[1:], strict=False) if stop - start >= HOLE]
    if end - edges[-1] < HOLE:
        return end, holes
    return (edges[-1], holes) if edges[-1] >= REST else (end, [*holes, (edges[-1], end)])


def fuller(first: Heard, other: Heard | Failure) -> Heard:
    """The other text if it says more and leaves out less: a text without time stamps may leave out other sentences."""
    if isinstance(other, Failure) or other.tokens <= first.tokens or other.missing >= first.missing:
        return first
    return other


def _result(words: list[TimedWord], lost: list[tuple[float, float, Failure]]) -> list[TimedWord] | Failure | Partial:
    """What is known of a stretch; the parts of one come in order, so that what failed from 0 s on is all of it."""
    if not lost:
        return words
    start, _, why = lost[0]
    return why if start == 0 and not words else Partial(words, lost)
