"""Speak the scripts of a set, one recording at a time, and collect the recordings into a data directory.

Beside every ``<id>.flac`` lies an ``<id>.json`` with the utterances and their word times, written last: a recording
that has one for the same script is done, so an interrupted job goes on where it was.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import atomic
from audiolm.data.tables import Segment, Turn, Word
from audiolm.errors import AudiolmError
from audiolm.simulate.render import Recording, Utterance, render
from audiolm.simulate.script import CHANNELS, Script, Speaker, record
from audiolm.simulate.voices import SpokenWord, Voice

VoiceOf = Callable[[Speaker], AbstractContextManager[Voice]]


def speak(script: Script, voice_of: VoiceOf, folder: Path, fs: int, seed: int, voices: str = "espeak") -> None:
    """Write ``<folder>/<id>.flac`` and ``.json`` unless they are there for this script, rate, seed and ``voices``.

    A script that a voice cannot speak is put down as rejected, with the reason, in its ``.json``.
    """
    path = folder / f"{script.id}.json"
    digest = _digest(script, fs, seed, voices)
    if path.is_file() and json.loads(path.read_text(encoding="utf-8"))["digest"] == digest:
        return
    try:
        recording = perform(script, voice_of, fs, seed)
    except AudiolmError as error:
        fields = {"digest": digest, "rejected": str(error)}
    else:
        audio.write(path.with_suffix(".flac"), recording.wav, fs)
        fields = {
            "digest": digest,
            "duration": len(recording.wav) / fs,
            "speakers": {channel: script.speakers[channel].voice for channel in CHANNELS},
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
    with atomic(path) as file:
        json.dump(fields, file)


def perform(script: Script, voice_of: VoiceOf, fs: int, seed: int) -> Recording:
    """Speak every line of a script and mix the two channels."""
    speech = [None] * len(script.lines)
    for channel in CHANNELS:
        with voice_of(script.speakers[channel]) as voice:
            for index, line in enumerate(script.lines):
                if line.channel == channel:
                    speech[index] = voice.say(line.text)
    return render(script, speech, fs, seed)


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
