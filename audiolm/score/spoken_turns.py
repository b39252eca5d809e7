"""Conversations spoken by one model in two voices: whether each channel says its own speaker's words."""

import json
from collections.abc import Sequence
from pathlib import Path

from audiolm.annotate.vad import SileroVad, VoiceActivity
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.score import vocabulary
from audiolm.score.continuations import transcribe
from audiolm.score.intelligibility import Judge
from audiolm.score.record import Score
from audiolm.score.words import PLAIN, WordRules


def score(
    judges: Sequence[Judge],
    generated: str | Path,
    fs: int,
    data: str,
    vad: VoiceActivity | None = None,
    rules: WordRules = PLAIN,
) -> list[Score]:
    """Word error rate of each channel of generated conversations (``audiolm generate``, mode turns).

    The baseline is that of the same sounds against the other speaker's words: a model that keeps the speakers apart is
    far below it.

    Args:
        judges: the recognisers.
        generated: the mode's folder.
        fs: of the recognisers' input (Hz).
        data: name of the set.
        vad: finds what is transcribed; None = silero-vad.
        rules: what counts as a word, and as wrong.

    Raises:
        AudiolmError: nothing was generated.
    """
    spoken = DataDir.read(generated)
    with open(Path(generated) / "meta.jsonl", encoding="utf-8") as file:
        asked = [json.loads(line)["texts"] for line in file]
    if not asked:
        raise AudiolmError(f"{generated}: nothing was spoken; run the stage 'generate' with mode turns")
    own = {reco: text for texts in asked for reco, text in texts.items()}
    others = {reco: own[other] for reco, other in spoken.partners(own).items()}
    vad = vad or SileroVad()
    conversations = [[spoken.audio(reco, fs=fs) for reco in texts] for texts in asked]
    scores = []
    for judge in judges:
        heard = {}
        for texts, turns in zip(asked, transcribe(judge, conversations, fs, vad), strict=True):
            for number, reco in enumerate(texts):
                heard[reco] = " ".join(text for _, channel, text in turns if channel == number)
        rate = judge.word_errors(own, heard, rules)
        scores.append(
            Score(
                metric=f"wer_turns_{judge.backend.key}",
                value=rate.percent,
                unit="%",
                protocol=f"words wrong among {rate.words} of {rate.utterances} channels of {len(asked)} generated "
                f"conversations at {fs} Hz, each against its own speaker's words, speech found by {vad.name}"
                + rules.told,
                backend=judge.backend.name,
                checksum=judge.backend.checksum,
                data=data,
                count=rate.words,
                ci=rate.ci,
                baseline=judge.word_errors(others, heard, rules).percent,
                baseline_name="the other speaker's words",
                items=rate.items,
                details={**rate.details, **vocabulary.details(judge.backend, own.values())},
                normaliser=judge.normaliser.name,
            )
        )
    return scores
