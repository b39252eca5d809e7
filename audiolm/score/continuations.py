"""Continuations of dialogues, transcribed: how likely their words are to a text LM, and how many (Moshi, table 6).

A weak model falls silent or says what nobody would, so that both numbers judge it without a reference. The same
seconds of the original recordings are the baseline.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audiolm.annotate.turns import union
from audiolm.annotate.vad import SileroVad, VoiceActivity
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.lm.text_lm import TextLM
from audiolm.score.intelligibility import Judge
from audiolm.score.record import Score, bootstrap_ci
from audiolm.score.text_lm import document_losses
from audiolm.streams.text import turn_marks
from audiolm.text.normalize import normalize

PAUSE = 0.5  # seconds; a shorter one does not end a turn
NLL = (
    "cross entropy in nats a token of what is heard in {count} continuations of {prompt:g} s prompts, speech found by "
    "{vad}, by the text LM {lm}; both speakers' turns in order of time; interval over continuations"
)
LENGTH = "characters heard in a continuation of a {prompt:g} s prompt, {seconds:.1f} s long, both speakers'"

Turn = tuple[float, int, str]  # when it begins (s), channel (0: the main speaker's), what is heard


def score(
    judges: Sequence[Judge],
    lm: TextLM,
    generated: str | Path,
    original: DataDir,
    fs: int,
    data: str,
    lm_name: str,
    vad: VoiceActivity | None = None,
) -> list[Score]:
    """``transcript_nll_<recogniser>`` and ``transcript_length_<recogniser>`` for each judge.

    Where nobody is heard to say anything there is no likelihood, and a length of 0.

    Args:
        lm: judges the words.
        generated: what ``audiolm generate`` has written of its mode continue.
        original: the recordings whose beginnings were continued.
        fs: rate in Hz at which the judges hear.
        data: name of the set, for the record.
        lm_name: of the text LM, for the record.
        vad: finds speech in a channel; None = silero-vad.

    Raises:
        AudiolmError: nothing was continued.
    """
    vad = vad or SileroVad()
    items = _items(generated)
    real = [_after_prompt(original, item["source"], item, fs) for item in items]
    prompt, seconds = items[0]["prompt"], items[0]["seconds"] - items[0]["prompt"]
    what = {
        "count": len(items),
        "prompt": prompt,
        "seconds": seconds,
        "vad": vad.name,
        "lm": lm_name,
    }
    scores = []
    for judge in judges:
        turns, true_turns = heard(judge, generated, fs, vad), transcribe(judge, real, fs, vad)
        common = {"backend": judge.backend.name, "checksum": judge.backend.checksum, "data": data}
        nats, tokens = likelihoods(lm, turns)
        true_nats, true_tokens = likelihoods(lm, true_turns)
        if sum(tokens):
            scores.append(
                Score(
                    metric=f"transcript_nll_{judge.backend.key}",
                    value=sum(nats) / sum(tokens),
                    unit="nats",
                    protocol=NLL.format(**what),
                    **common,
                    count=sum(tokens),
                    ci=bootstrap_ci(nats, tokens),
                    baseline=sum(true_nats) / sum(true_tokens) if sum(true_tokens) else None,
                    baseline_name="the originals' same seconds" if sum(true_tokens) else "",
                )
            )
        lengths = [len(_text(conversation)) for conversation in turns]
        scores.append(
            Score(
                metric=f"transcript_length_{judge.backend.key}",
                value=float(np.mean(lengths)),
                unit="characters",
                protocol=LENGTH.format(**what),
                **common,
                count=len(lengths),
                ci=bootstrap_ci(lengths),
                baseline=float(np.mean([len(_text(conversation)) for conversation in true_turns])),
                baseline_name="the originals' same seconds",
                better="higher",
            )
        )
    return scores


def heard(judge: Judge, generated: str | Path, fs: int, vad: VoiceActivity | None = None) -> list[list[Turn]]:
    """What is said after the prompts of ``generated``, as of :func:`score`; its order is that of ``meta.jsonl``."""
    spoken = DataDir.read(generated)
    made = [_after_prompt(spoken, item["id"], item, fs) for item in _items(generated)]
    return transcribe(judge, made, fs, vad or SileroVad())


def transcribe(
    judge: Judge, conversations: Sequence[Sequence[np.ndarray]], fs: int, vad: VoiceActivity
) -> list[list[Turn]]:
    """What is said in each conversation, in order of time.

    Args:
        conversations: of each its channels, float32 [samples] at ``fs`` Hz, the main speaker's first.
    """
    places, waves = [], []
    for number, channels in enumerate(conversations):
        for channel, wave in enumerate(channels):
            for start, end in union(vad(wave, fs), PAUSE):
                places.append((number, start, channel))
                waves.append(wave[round(start * fs) : round(end * fs)])
    voices = [f"{number}-{channel}" for number, _, channel in places]
    found: list[list[Turn]] = [[] for _ in conversations]
    for (number, start, channel), text in zip(places, judge.backend.transcribe(waves, fs, voices), strict=True):
        if text := normalize(text):
            found[number].append((start, channel, text))
    return [sorted(turns) for turns in found]


def likelihoods(lm: TextLM, conversations: Sequence[Sequence[Turn]]) -> tuple[list[float], list[int]]:
    """Summed cross entropy in nats, and number of tokens, of each conversation's words."""
    sequences = [np.fromiter(_tokens(lm, turns), np.int64) for turns in conversations]
    return document_losses(lm, sequences), [len(sequence) - 1 for sequence in sequences]


def _tokens(lm: TextLM, turns: Sequence[Turn]) -> Iterator[int]:
    """As the text LM reads them: BOS and EOS at changes of speaker where it was trained so, else one document."""
    yield lm.backbone.text_head.out_features if lm.dialogues else lm.tokenizer.specials.bos
    marks = turn_marks([channel == 0 for _, channel, _ in turns], lm.tokenizer.specials) if lm.dialogues else {}
    for number, (_, _, text) in enumerate(turns):
        if number in marks:
            yield marks[number]
        for word in text.split():
            yield from lm.tokenizer.encode_word(word)


def _items(generated: str | Path) -> list[dict]:
    with open(Path(generated) / "meta.jsonl", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    if not items:
        raise AudiolmError(f"{generated}: nothing was continued; run the stage 'generate' with mode continue")
    return items


def _text(turns: Sequence[Turn]) -> str:
    return " ".join(text for _, _, text in turns)


def _after_prompt(data: DataDir, main: str, item: dict, fs: int) -> list[np.ndarray]:
    """Channels of a recording after its prompt: of ``main``, then of the others of its file."""
    recos = sorted(data.recos_of_files()[data.file_and_channel(main)[0]], key=lambda reco: reco != main)
    return [
        data.audio(reco, item["prompt"], min(item["seconds"], data.duration(reco)) - item["prompt"], fs=fs)
        for reco in recos
    ]
