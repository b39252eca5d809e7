"""Word error rates of what a listener would hear: originals, the codec's resynthesis, the model's speech."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.score import normalisers, vocabulary
from audiolm.score.asr_backends import AsrBackend
from audiolm.score.normalisers import Normaliser
from audiolm.score.record import Score
from audiolm.score.wer import WordErrorRate, word_error_rate
from audiolm.score.words import PLAIN, WordRules

MOST = 150  # utterances, spread over the set
MARGIN = 0.1  # seconds beside an utterance


def choose(data: DataDir, min_words: int = 1) -> list[str]:
    """Up to MOST transcribed utterances, spread over the set, of at least ``min_words`` words."""
    utts = [utt for utt in data.utts if len(data.text.get(utt, "").split()) >= min_words]
    if not utts:
        raise AudiolmError(
            f"{data.path}: no transcribed utterance of {min_words} words or more; without transcripts score with --asr "
            "and no name after it"
        )
    return [utts[i] for i in np.unique(np.linspace(0, len(utts) - 1, MOST).round().astype(int))]


def waves(data: DataDir, utts: Sequence[str], fs: int) -> list[np.ndarray]:
    """The utterances at ``fs`` Hz, with a margin where the recording has one."""
    result = []
    for utt in utts:
        place = data.place(utt)
        start, end = max(0.0, place.start - MARGIN), min(data.duration(place.reco), place.end + MARGIN)
        result.append(data.audio(place.reco, start, end - start, fs=fs))
    return result


class Judge:
    """A recogniser that remembers what it has heard: originals are the baseline of several metrics.

    Args:
        normaliser: what texts go through before their words are compared.
    """

    def __init__(self, backend: AsrBackend, normaliser: Normaliser = normalisers.PLAIN):
        self.backend, self.normaliser = backend, normaliser
        self._heard: dict[tuple[str, str, int], str] = {}

    def transcripts(self, data: DataDir, utts: Sequence[str], fs: int) -> dict[str, str]:
        """Utterance -> text, of ``data``'s audio at ``fs`` Hz."""
        new = [utt for utt in utts if (str(data.path), utt, fs) not in self._heard]
        voices = [data.utt2spk.get(utt, utt) for utt in new]
        for utt, text in zip(new, self.backend.transcribe(waves(data, new, fs), fs, voices), strict=True):
            self._heard[str(data.path), utt, fs] = text
        return {utt: self._heard[str(data.path), utt, fs] for utt in utts}

    def word_errors(
        self, references: Mapping[str, str], hypotheses: Mapping[str, str], rules: WordRules = PLAIN
    ) -> WordErrorRate:
        """Of texts by utterance, both through the normaliser; ``rules`` tell what counts as a word, and as wrong."""
        if self.normaliser != normalisers.PLAIN:
            rules = replace(rules, normaliser=self.normaliser.apply)
        return word_error_rate(references, hypotheses, rules)


def score_utterances(
    judges: Sequence[Judge],
    original: DataDir,
    copy: DataDir | None,
    fs: int,
    data: str,
    metric: str,
    rules: WordRules = PLAIN,
) -> list[Score]:
    """Word error rate of utterances in ``copy`` beside the same in ``original``, or of the originals alone.

    Args:
        metric: the start of the scores' names; the recogniser's key ends them.
        rules: what counts as a word, and as wrong.
    """
    utts = choose(original)
    texts = {utt: original.text[utt] for utt in utts}
    scores = []
    for judge in judges:
        backend = judge.backend
        of_original = judge.word_errors(texts, judge.transcripts(original, utts, fs), rules)
        rate = of_original if copy is None else judge.word_errors(texts, judge.transcripts(copy, utts, fs), rules)
        scores.append(
            Score(
                metric=f"{metric}_{backend.key}",
                value=rate.percent,
                unit="%",
                protocol=f"words wrong among {rate.words} of {rate.utterances} utterances at {fs} Hz, times known"
                + rules.told,
                backend=backend.name,
                checksum=backend.checksum,
                data=data,
                count=rate.words,
                ci=rate.ci,
                baseline=None if copy is None else of_original.percent,
                baseline_name="" if copy is None else "the originals, same recogniser",
                items=rate.items,
                details={**rate.details, **vocabulary.details(backend, texts.values())},
                normaliser=judge.normaliser.name,
            )
        )
    return scores


def score_speech(
    judges: Sequence[Judge],
    generated: str | Path,
    original: DataDir,
    fs: int,
    data: str,
    metric: str = "wer_tts",
    rules: WordRules = PLAIN,
) -> list[Score]:
    """Word error rate of generated speech (``audiolm generate``, mode tts) against the words it was to say.

    The baseline is the same recogniser on original utterances with as many words as those that were to be said.
    """
    spoken = DataDir.read(generated)
    with open(Path(generated) / "meta.jsonl", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    references = {item["id"]: item["text"] for item in items}
    if not references:
        raise AudiolmError(f"{generated}: nothing was spoken; run the stage 'generate' with mode tts")
    least = min(len(text.split()) for text in references.values())
    utts = [utt for utt in choose(original) if len(original.text[utt].split()) >= least]  # heard as originals already
    utts = utts or choose(original, least)
    scores = []
    sounds = [spoken.audio(reco, fs=fs) for reco in references]
    for judge in judges:
        backend = judge.backend
        said = dict(zip(references, backend.transcribe(sounds, fs), strict=True))
        rate = judge.word_errors(references, said, rules)
        base = judge.word_errors(
            {utt: original.text[utt] for utt in utts}, judge.transcripts(original, utts, fs), rules
        )
        scores.append(
            Score(
                metric=f"{metric}_{backend.key}",
                value=rate.percent,
                unit="%",
                protocol=f"words wrong among {rate.words} of {rate.utterances} generated utterances at {fs} Hz"
                + rules.told,
                backend=backend.name,
                checksum=backend.checksum,
                data=data,
                count=rate.words,
                ci=rate.ci,
                baseline=base.percent,
                baseline_name="original utterances, same recogniser",
                items=rate.items,
                details={**rate.details, **vocabulary.details(backend, references.values())},
                normaliser=judge.normaliser.name,
            )
        )
    return scores
