"""faster-whisper: Whisper by CTranslate2, 8-bit numbers on CPUs and half precision on GPUs, in batches.

The texts of a batch are decoded together and its words timed by faster-whisper from the cross-attention.
What cannot be believed (annotate/plausible.py) is heard once more by itself at rising temperatures. ``model`` is a
folder in CTranslate2's layout, a hub id of one, or one of faster-whisper's sizes.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiolm.annotate.attention import FRAME
from audiolm.annotate.plausible import COMPRESSION, LOGPROB, NO_SPEECH, judge
from audiolm.annotate.timed import Failure, TimedWord
from audiolm.annotate.whisper import SAMPLE_RATE, check_knows, shown
from audiolm.encoders.hub import find_weights
from audiolm.errors import AudiolmError, did_you_mean, first_line
from audiolm.jobs.cores import available_cores

WEIGHTS = "model.bin"
RETRIES = (0.2, 0.4, 0.6, 0.8, 1.0)  # Radford et al. 2023, section 4.5, after 0
BATCH = 8  # stretches at once
BEAM = 5  # hypotheses: 1 is wrong in 13.9 % instead of 11.4 % of the words (tiny.en, 24 utterances of test-other)
WINDOW = 30.0  # seconds that the model hears
SHORTEST = 0.1  # seconds: in less nobody says a word
LOWEST = -100.0  # mean log probability: nothing is less probable


class Spoken(NamedTuple):
    """What is heard in a stretch: words with times from its start, mean log probability of a token, probability that
    nobody speaks.
    """

    text: str
    words: tuple[TimedWord, ...]
    logprob: float
    no_speech: float


NOTHING = Spoken("", (), 0.0, 1.0)


class FasterWhisper:
    """A word's confidence is the mean probability of its tokens.

    Args:
        model: folder in CTranslate2's layout, hub id or size.
        language: code such as ``en``; None: found in every stretch by itself.
        batch: stretches at once.
        timed: whether words are wanted with their times, which cost another pass.
    """

    fs = SAMPLE_RATE

    def __init__(
        self,
        model: str,
        language: str | None = None,
        device: str = "cpu",
        batch: int = BATCH,
        timed: bool = True,
    ):
        from importlib.metadata import version

        self.folder, self.model = load_faster(model, device)
        check_knows(language, self.model.supported_languages, model)
        from faster_whisper import BatchedInferencePipeline

        self.name = f"faster-whisper {version('faster-whisper')}, {shown(model)}, {self.model.model.compute_type}"
        self.language, self.batch, self.timed = language, batch, timed
        self.pipeline = BatchedInferencePipeline(self.model)

    def transcribe(self, wavs: Sequence[np.ndarray]) -> list[list[TimedWord] | Failure]:
        return [self._believed(wav, spoken) for wav, spoken in zip(wavs, self.hear(wavs), strict=True)]

    def hear(self, wavs: Sequence[np.ndarray]) -> list[Spoken]:
        """What the model takes each stretch for at first, whether it can be believed or not."""
        found = [NOTHING] * len(wavs)
        long = [index for index, wav in enumerate(wavs) if len(wav) >= SHORTEST * self.fs]
        if not long:
            return found
        sounds = [self._filled(np.asarray(wavs[index], dtype=np.float32)) for index in long]
        edges = np.cumsum([0, *map(len, sounds)])
        # faster-whisper cuts at int(time × rate): a quarter of a sample keeps it from rounding down.
        clips = [
            {"start": (a + 0.25) / self.fs, "end": (b + 0.25) / self.fs} for a, b in zip(edges, edges[1:], strict=False)
        ]
        segments, _ = self.pipeline.transcribe(
            np.concatenate(sounds),
            clip_timestamps=clips,
            language=self.language or "en",
            multilingual=self.language is None and self.model.model.is_multilingual,  # language of each by itself
            beam_size=BEAM,
            batch_size=self.batch,
            word_timestamps=self.timed,
        )
        # A segment names its clip by the frame in which that begins.
        clip_of = {int(start / self.fs * self.model.frames_per_second): n for n, start in enumerate(edges[:-1])}
        parts: list[list] = [[] for _ in long]
        for segment in segments:
            parts[clip_of[segment.seek]].append(segment)
        for index, start, own in zip(long, edges, parts, strict=False):
            found[index] = self._joined(own, start / self.fs, len(wavs[index]) / self.fs)
        return found

    def _filled(self, wav: np.ndarray) -> np.ndarray:
        """A stretch with silence up to the 30 s, as Whisper was trained; faster-whisper fills with features of zero,
        which are no silence. Where words are timed they would spread into the fill, and it is left out.
        """
        missing = 0 if self.timed else round(WINDOW * self.fs) - len(wav)
        return np.pad(wav, (0, missing)) if missing > 0 else wav

    def hear_again(self, wav: np.ndarray, temperatures: Sequence[float] = RETRIES, guesses: bool = False) -> Spoken:
        """What a stretch is taken for at the first of ``temperatures`` at which it can be believed, else at the last.

        Args:
            guesses: whether an improbable text is believed too.
        """
        import ctranslate2

        ctranslate2.set_random_seed(0)  # what is drawn depends on the stretch alone
        segments, _ = self.model.transcribe(
            np.asarray(wav, dtype=np.float32),
            language=self.language,
            temperature=list(temperatures),
            best_of=1,
            compression_ratio_threshold=COMPRESSION,
            log_prob_threshold=LOWEST if guesses else LOGPROB,
            no_speech_threshold=NO_SPEECH,
            condition_on_previous_text=False,  # else one loop goes on in the next
            word_timestamps=self.timed,
        )
        return self._joined(list(segments), 0.0, len(wav) / self.fs)

    def _believed(self, wav: np.ndarray, spoken: Spoken) -> list[TimedWord] | Failure:
        first = judge(spoken.text, spoken.logprob, spoken.no_speech)
        if first.reason is None:
            return list(spoken.words)
        if first.silent:
            return Failure(*first)
        spoken = self.hear_again(wav)
        verdict = judge(spoken.text, spoken.logprob, spoken.no_speech)
        if verdict.reason is None:
            return list(spoken.words)
        return Failure(*verdict) if verdict.silent else Failure(first.reason)

    def _joined(self, segments: Sequence, start: float, seconds: float) -> Spoken:
        """Segments of a stretch that begins at ``start`` of what was heard."""
        if not segments:
            return NOTHING
        tokens = [max(1, len(segment.tokens)) for segment in segments]
        words = [
            TimedWord(word.word.strip(), float(word.start - start), float(word.end - start), float(word.probability))
            for segment in segments
            for word in segment.words or ()
        ]
        return Spoken(
            "".join(segment.text for segment in segments),
            tuple(lasting(words, seconds)),
            float(np.average([segment.avg_logprob for segment in segments], weights=tokens)),
            max(segment.no_speech_prob for segment in segments),
        )


def lasting(words: Sequence[TimedWord], seconds: float) -> list[TimedWord]:
    """The words with a frame each at least, one after another within ``seconds``: faster-whisper times some at an
    instant.

    >>> [(w.start, w.end) for w in lasting([TimedWord("a", 1.0, 1.0), TimedWord("b", 1.0, 2.5)], 2.0)]
    [(1.0, 1.02), (1.02, 2.0)]
    """
    times, before = [], 0.0
    for word in words:
        start = max(word.start, before)
        before = max(word.end, start + FRAME)
        times.append((start, before))
    after = seconds
    for number in range(len(times) - 1, -1, -1):
        end = min(times[number][1], after)
        after = max(0.0, min(times[number][0], end - FRAME))
        times[number] = (after, end)
    return [word._replace(start=start, end=end) for word, (start, end) in zip(words, times, strict=True)]


def load_faster(model: str, device: str = "cpu"):
    """A Whisper of CTranslate2's layout -> (its folder, faster-whisper's model).

    Raises:
        AudiolmError: faster-whisper is not installed; no such folder, size or hub id; the model is another or damaged.
    """
    try:
        import faster_whisper
    except ImportError as error:
        raise AudiolmError(
            f"faster-whisper cannot be imported ({first_line(error)}): pip install 'audiolm[whisper]', or take the "
            "backend whisper"
        ) from None
    folder = _folder(model)
    kind, _, number = device.partition(":")
    try:
        loaded = faster_whisper.WhisperModel(
            str(folder),
            device=kind,
            device_index=int(number or 0),
            compute_type="int8" if kind == "cpu" else "float16",
            cpu_threads=_threads(),
        )
    except Exception as error:  # whatever a damaged file provokes in the loaders of two packages
        raise AudiolmError(
            f"{folder} is no Whisper of CTranslate2 that can be loaded: {first_line(error)}; expected what "
            "ct2-transformers-converter makes of a Whisper, or faster-whisper's download of a size"
        ) from None
    return folder, loaded


def _folder(model: str) -> Path:
    from faster_whisper import available_models, utils

    what = "Whisper model of CTranslate2's layout"
    if model in available_models():
        return find_weights(utils._MODELS[model], what, "config.json", (WEIGHTS,))
    if "/" not in model and not Path(model).exists():
        hint = did_you_mean(model, available_models())
        raise AudiolmError(f"no {what} '{model}': expected a folder, a hub id or a size{hint}")
    if Path(model).is_dir() and not (Path(model) / WEIGHTS).is_file() and any(Path(model).glob("*.safetensors")):
        raise AudiolmError(
            f"{model} holds no {WEIGHTS} but weights of transformers' layout: take the backend whisper, or convert "
            f"them (ct2-transformers-converter --model {model} --output_dir FOLDER --copy_files tokenizer.json)"
        )
    folder = find_weights(model, what, "config.json", (WEIGHTS,))
    if not (folder / "tokenizer.json").is_file():
        raise AudiolmError(f"{folder} holds no tokenizer.json: copy that of the Whisper which it was converted from")
    return folder


def _threads() -> int:
    """Threads of a CPU that this process may keep busy; faster-whisper takes four where nothing says so."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else available_cores()
