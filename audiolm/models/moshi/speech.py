"""``audiolm say`` and ``transcribe`` with a dialogue model: words to sound, and sound to words."""

from dataclasses import replace

import numpy as np

from audiolm.codec.bulk import decode_each, encode_batch, encode_recordings
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.models.actions import Speech, Transcripts
from audiolm.models.moshi.listen import Listener
from audiolm.models.moshi.modes import recognise, speak, voice
from audiolm.models.moshi.options import Listen, Say, Transcribe
from audiolm.models.moshi.output import read_words
from audiolm.models.moshi.parts import Parts
from audiolm.models.moshi.session import drawing_of, pacing_of
from audiolm.streams.grid import build_grid
from audiolm.streams.text import turn_marks, with_marks
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import Tokenizer


def say(parts: Parts, texts: list[str], options: Say) -> Speech:
    """Speak texts, one after another by one speaker, or turn by turn by two.

    Raises:
        AudiolmError: the model has no such levels or task, learnt no turns, or the voice does not suit.
    """
    layout, rate = parts.layout, parts.codec.frame_rate
    if options.levels is not None and options.levels > layout.levels:
        raise AudiolmError(f"--levels {options.levels}: expected 1 to {layout.levels}, the levels of the model")
    if options.turns and parts.turns is False:
        raise AudiolmError(
            "--turns: this model was trained on one speaker's words at a time; train one with a recipe's run.sh "
            "--text.turns --phases 'conf/turns/*.yaml', or leave --turns out"
        )
    parts.model.config.task_index(options.task)
    words = _words(texts, parts.tokenizer, options.turns)
    voices = None if options.voice is None else [_voice(options.voice, parts, options.turns)]
    drawing = drawing_of(
        options, options.temperature, options.text_temperature, options.acoustic_temperature, options.seed
    )
    pacing = pacing_of(options, rate)
    (grid,) = speak(parts.model, [words], drawing, pacing, task=options.task, voices=voices, both=options.turns)
    codes = {name: grid[streams].T[:, : options.levels] for name, streams in (("A", layout.main), ("B", layout.user))}
    if not options.turns:
        del codes["B"]
    waves = dict(decode_each(parts.codec, dict.fromkeys(codes, grid.shape[1]), lambda name, a, b: codes[name][a:b]))
    said = read_words(grid[0], parts.word_initial, parts.tokenizer, rate, options.turns)
    return Speech(np.stack([waves[name] for name in codes], axis=1), parts.codec.sample_rate, said)


def transcribe(parts: Parts, data: DataDir, options: Transcribe) -> Transcripts:
    """The words of every recording of a data directory."""
    parts.model.config.task_index(options.task)
    codes, unread = encode_recordings(parts.codec, data, data.recos)
    levels = parts.layout.levels
    users = data.partners(codes) if options.user == "given" and parts.layout.speakers == 2 else {}
    grids = [
        build_grid(parts.layout, None, own[:, :levels], codes[users[reco]][:, :levels] if reco in users else None)
        for reco, own in codes.items()
    ]
    rate, words = parts.codec.frame_rate, {}
    for reco, text in zip(codes, recognise(parts.model, grids, options.batch, options.task), strict=True):
        file, channel = data.file_and_channel(reco)
        said = read_words(text, parts.word_initial, parts.tokenizer, rate)
        words[reco] = [replace(word, file=file, channel=channel) for word in said]
    return Transcripts(words, unread, sum(map(len, codes.values())) / rate)


def listen(parts: Parts, options: Listen) -> Listener:
    """What hears live sound."""
    return Listener(parts, options.task)


def _words(turns: list[str], tokenizer: Tokenizer, marked: bool) -> list[list[int]]:
    """Pieces of each word; the first of a turn begins with its speaker's token where turns are ``marked``."""
    said = [(number % 2 == 0, word) for number, turn in enumerate(turns) for word in tidy(turn).split()]
    marks = turn_marks([is_main for is_main, _ in said], tokenizer.specials) if marked else {}
    return with_marks([tokenizer.encode_word(word) for _, word in said], marks)


def _voice(path: str, parts: Parts, both: bool) -> np.ndarray:
    """The grid of a recording in whose voice to speak: the mean of its channels; two speakers have one each."""
    wav, _ = audio.read_channels(path, fs=parts.codec.sample_rate)
    if both and wav.shape[1] != 2:
        raise AudiolmError(
            f"--voice {path} has {wav.shape[1]} channels, two speakers need a recording of 2; give one with the first "
            "speaker's voice on the first, or leave --voice out"
        )
    channels = list(wav.T.copy()) if both else [wav.mean(axis=1)]
    return voice(parts.model, *(codes[:, : parts.layout.levels] for codes in encode_batch(parts.codec, channels)))
