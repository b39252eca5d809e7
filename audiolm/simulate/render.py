"""From a script and voices to a two-channel recording with exact words and turns."""

from dataclasses import dataclass

import numpy as np
import soxr

from audiolm.simulate.script import CHANNELS, Script, Speaker
from audiolm.simulate.voices import Speech, SpokenWord

CLOSING_SILENCE = 0.4  # seconds after the last word
OWN_GAP = 0.08  # seconds at least between two utterances of one speaker
REFLECTIONS = 6


@dataclass(frozen=True)
class Utterance:
    """One line as it was spoken: times in seconds from the start of the recording."""

    channel: str
    text: str
    start: float
    end: float
    words: list[SpokenWord]


@dataclass(frozen=True)
class Recording:
    """``wav`` float32 [samples, 2] at ``fs`` Hz (columns: channels A, B) and its utterances in order of time."""

    wav: np.ndarray
    fs: int
    utterances: list[Utterance]


def render(script: Script, speech: list[Speech], fs: int, seed: int) -> Recording:
    """Put the spoken lines on a time line and mix them.

    Args:
        script: the dialogue.
        speech: one spoken utterance for each of ``script.lines``.
        fs: sample rate of the recording in Hz.
        seed: of the noise floor and the rooms; drawn anew for every dialogue id.
    """
    utterances = place(script, speech)
    total = max(utterance.end for utterance in utterances) + CLOSING_SILENCE
    tail = max(len(spoken.wav) / spoken.fs - spoken.words[-1].end for spoken in speech)
    samples = int(np.ceil((total + tail) * fs))
    rng = np.random.default_rng([seed, *script.id.encode()])
    wav = np.zeros((2, samples), dtype=np.float32)  # [channels, samples]
    for utterance, spoken in zip(utterances, speech, strict=True):
        sound = spoken.wav if spoken.fs == fs else soxr.resample(spoken.wav, spoken.fs, fs)
        at = round(utterance.start * fs)
        wav[CHANNELS.index(utterance.channel), at : at + len(sound)] += sound
    for index, channel in enumerate(CHANNELS):
        wav[index] = _level(wav[index], script.speakers[channel])
        if script.room:
            wav[index] += _early_reflections(wav[index], script.room, fs, rng)
    wav += rng.standard_normal(wav.shape, dtype=np.float32) * np.float32(10 ** (script.noise / 20))
    np.clip(wav, -1, 1, out=wav)
    return Recording(wav.T, fs, sorted(utterances, key=lambda utterance: (utterance.start, utterance.channel)))


def place(script: Script, speech: list[Speech]) -> list[Utterance]:
    """Give every line its start: turns follow each other, backchannels fall into the turn before, and nobody
    speaks over himself."""
    utterances: list[Utterance] = []
    free = dict.fromkeys(CHANNELS, 0.0)  # when each channel's last sound is over
    turn_start = turn_end = 0.0
    for line, spoken in zip(script.lines, speech, strict=True):
        lead, length = spoken.words[0].start, spoken.words[-1].end  # a voice may begin with silence
        if line.gap is not None:
            start = max(turn_end + line.gap - lead, free[line.channel], 0.0)
            turn_start, turn_end = start + lead, start + length
        else:
            start = max(turn_start + line.at * (turn_end - turn_start) - lead, free[line.channel])
        free[line.channel] = start + len(spoken.wav) / spoken.fs + OWN_GAP
        words = [SpokenWord(word, start + begin, start + end) for word, begin, end in spoken.words]
        utterances.append(Utterance(line.channel, line.text, start + lead, start + length, words))
    return utterances


def _level(wav: np.ndarray, speaker: Speaker) -> np.ndarray:
    """Scale [samples] so that its sounding part has the speaker's RMS level, or less where it would clip."""
    sounding = wav[wav != 0]
    if not len(sounding):
        return wav
    gain = 10 ** (speaker.level / 20) / np.sqrt(np.mean(sounding**2))
    return wav * np.float32(min(gain, 0.95 / np.abs(wav).max()))


def _early_reflections(wav: np.ndarray, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    """A few decaying copies of [samples], 3 to 40 ms late: the colour of a small room, without moving any word."""
    delays = (np.sort(rng.uniform(0.003, 0.040, REFLECTIONS)) * fs).astype(int)
    gains = strength * np.exp(-delays / (0.02 * fs)) * rng.choice([-1, 1], REFLECTIONS)
    reflected = np.zeros_like(wav)
    for delay, gain in zip(delays, gains, strict=True):
        reflected[delay:] += np.float32(gain) * wav[:-delay]
    return reflected
