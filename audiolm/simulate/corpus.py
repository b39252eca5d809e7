"""Speak the scripts of a set, one recording at a time, and collect the recordings into a data directory.

Beside every ``<id>.flac`` lies an ``<id>.json`` with the utterances and their word times, written last: a recording
that has one for the same script and voices is done, so an interrupted job goes on where it was.

Where a voice knows no word times an aligner finds them, and the set's table ``reco2aligner`` says so: by them, that
aligner must not be scored.
"""

import json
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from audiolm.annotate import align
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import atomic
from audiolm.data.readers import RECO2ALIGNER
from audiolm.data.tables import Segment, Turn, Word
from audiolm.errors import AudiolmError
from audiolm.simulate.backends import Unspoken, Voices, blamed
from audiolm.simulate.render import Recording, Utterance, render
from audiolm.simulate.script import CHANNELS, Script, record
from audiolm.simulate.voices import Speech, SpokenWord, checked


def speak(script: Script, voices: Voices, folder: Path, fs: int, seed: int, forced: str = "") -> None:
    """Write ``<folder>/<id>.flac`` and ``.json`` unless they are there for this script, rate, seed and ``voices``.

    A script that a voice cannot speak is put down as rejected, with the reason, in its ``.json``.

    Args:
        forced: names a run that is to speak everything, though it was spoken before.
    """
    path = folder / f"{script.id}.json"
    digest = _digest(script, fs, seed, voices.key)
    if path.is_file():
        was = json.loads(path.read_text(encoding="utf-8"))
        if was["digest"] == digest and not was.get("again") and (not forced or was.get("forced") == forced):
            return
    try:
        recording, aligned = perform(script, voices, fs, seed)
    except Unspoken as error:
        fields = {"digest": digest, "rejected": str(error)} | ({"again": True} if error.again else {})
    else:
        audio.write(path.with_suffix(".flac"), recording.wav, fs)
        fields = {
            "digest": digest,
            "duration": len(recording.wav) / fs,
            "speakers": {channel: script.speakers[channel].voice for channel in CHANNELS},
            **({"aligned": dict.fromkeys(aligned, voices.aligned_by)} if aligned else {}),
            "utterances": [
                {
                    "channel": utterance.channel,
                    "text": utterance.text,
                    "start": round(utterance.start, 6),
                    "end": round(utterance.end, 6),
                    "words": [[word, round(start, 6), round(end, 6)] for word, start, end in utterance.words],
                }
                for utterance in recording.utterances
            ],
        }
    if forced:
        fields["forced"] = forced
    with atomic(path) as file:
        json.dump(fields, file)


def perform(script: Script, voices: Voices, fs: int, seed: int) -> tuple[Recording, list[str]]:
    """Speak every line of a script and mix the two channels.

    Returns:
        The recording, and the channels on which the aligner has found the times of words.

    Raises:
        Unspoken: a voice cannot be opened, or a line not be spoken or aligned.
    """
    speech: list[Speech | None] = [None] * len(script.lines)
    for channel in CHANNELS:
        speaker = script.speakers[channel]
        with blamed(f"voice '{speaker.voice}'"), voices.opened(speaker) as say:
            for number, line in enumerate(script.lines, 1):
                if line.channel == channel:
                    with blamed(f"line {number} '{line.text}', voice '{speaker.voice}'"):
                        speech[number - 1] = checked(say(line.text), line.text)
    untimed = [index for index, spoken in enumerate(speech) if spoken.words is None]
    _align(script, voices, speech, untimed)
    return render(script, speech, fs, seed), sorted({script.lines[index].channel for index in untimed})


def _align(script: Script, voices: Voices, speech: list[Speech], untimed: list[int]) -> None:
    """Give the lines that ``untimed`` names their words' times."""
    if untimed and voices.aligner is None:
        raise Unspoken(f"line {untimed[0] + 1} has no word times, and no aligner is named to find them")
    utterances = []
    for index in untimed:
        wav, rate, text = speech[index].wav, speech[index].fs, script.lines[index].text
        silence = np.zeros(round(align.CONTEXT * rate), np.float32)  # voices begin and end at once; aligners fail there
        start, end = len(silence) / rate, (len(silence) + len(wav)) / rate
        padded = np.concatenate([silence, wav, silence])
        utterances.append(align.Utterance(f"{script.id}-{index + 1}", padded, rate, text.split(), start, end))
    if not utterances:
        return
    for index, utterance, found in zip(untimed, utterances, voices.aligner.align(utterances), strict=True):
        text = script.lines[index].text
        with blamed(f"line {index + 1} '{text}', word times by {voices.aligned_by}"):
            if isinstance(found, align.Failure):
                raise AudiolmError(found.reason)
            times = np.array([[word.start, word.end] for word in found])
            times = np.clip(times, utterance.start, utterance.end) - utterance.start
            words = [SpokenWord(word.word, *map(float, pair)) for word, pair in zip(found, times, strict=True)]
            speech[index] = checked(replace(speech[index], words=words), text)


def collect(scripts: list[Script], folder: Path) -> tuple[DataDir, dict[str, str]]:
    """The data directory of the recordings in ``folder``, and id -> reason of the scripts that were rejected.

    Raises:
        AudiolmError: a script was neither spoken nor rejected (an array job did not finish).
    """
    tables = DataDir(rttm=[], ctm=[])
    rejected: dict[str, str] = {}
    for script in scripts:
        path = folder / f"{script.id}.json"
        if not path.is_file():
            raise AudiolmError(f"'{script.id}' has not been spoken: no {path}; run `audiolm simulate speak` again")
        fields = json.loads(path.read_text(encoding="utf-8"))
        if "rejected" in fields:
            rejected[script.id] = fields["rejected"]
        else:
            _add(tables, script.id, fields, path.with_suffix(".flac"))
    return tables, rejected


def _add(tables: DataDir, id: str, fields: dict, path: Path) -> None:
    for channel in CHANNELS:
        tables.wav[f"{id}-{channel}"] = str(path)
        tables.reco2dur[f"{id}-{channel}"] = fields["duration"]
        tables.reco2file_and_channel[f"{id}-{channel}"] = (id, channel)
        if aligner := fields.get("aligned", {}).get(channel):
            tables.others.setdefault(RECO2ALIGNER, {})[f"{id}-{channel}"] = aligner
    for spoken in fields["utterances"]:
        words = [SpokenWord(*word) for word in spoken.pop("words")]
        utterance = Utterance(**spoken, words=words)
        channel, speaker = utterance.channel, fields["speakers"][utterance.channel]
        utt = f"{speaker}-{id}-{channel}-{round(utterance.start * 100):06d}"
        tables.segments[utt] = Segment(f"{id}-{channel}", utterance.start, utterance.end)
        tables.text[utt] = utterance.text
        tables.utt2spk[utt] = speaker
        number = str(CHANNELS.index(channel) + 1)
        tables.rttm.append(Turn(id, number, utterance.start, utterance.end - utterance.start, speaker))
        for word, start, end in words:
            tables.ctm.append(Word(id, channel, start, end - start, word))


def _digest(script: Script, fs: int, seed: int, voices: str) -> str:
    return blake2b(json.dumps([record(script), fs, seed, voices], sort_keys=True).encode(), digest_size=8).hexdigest()
