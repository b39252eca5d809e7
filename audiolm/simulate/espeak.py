"""espeak-ng through ctypes: audio and exact word times from its synthesis events.

The library keeps one global state (its pitch flutter and noise run on from one utterance to the next), so the
same sentence comes out slightly different the second time. An :class:`Espeak` therefore loads the library anew
and drops it at the end: what it says depends only on what it was asked before. One at a time in a process: the
library is not thread-safe.
"""

import _ctypes
import ctypes
from ctypes import POINTER, c_char_p, c_int, c_short, c_size_t, c_uint, c_void_p
from dataclasses import replace
from pathlib import Path

import numpy as np

from audiolm.errors import AudiolmError
from audiolm.simulate.script import Speaker
from audiolm.simulate.voices import EspeakVoice, Speech, SpokenWord, espeak_named

# Names and values of espeak-ng's public header speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS, INITIALIZE_DONT_EXIT = 0x0001, 0x8000
EVENT_LIST_TERMINATED, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
PARAMETER_RATE, PARAMETER_VOLUME, PARAMETER_PITCH = 1, 2, 3
VOLUME = 55  # of 200; some variants clip at the default of 100
CHARS_UTF8 = 1
POSITION_CHARACTER = 1
STATUS_OK = 0


class _Event(ctypes.Structure):
    """espeak_EVENT; ``audio_position`` is in ms, ``sample`` in samples; ``id`` is a union read by type."""

    _fields_ = [
        ("type", c_int),
        ("unique_identifier", c_uint),
        ("text_position", c_int),
        ("length", c_int),
        ("audio_position", c_int),
        ("sample", c_int),
        ("user_data", c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_SynthCallback = ctypes.CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))


class Espeak:
    """One voice of a freshly loaded espeak-ng; a context manager and a :class:`~audiolm.simulate.voices.Voice`.

    >>> with Espeak(EspeakVoice("en-us", "adam")) as voice:
    ...     voice.say("seven plus two").words[0].word
    'seven'
    """

    def __init__(self, voice: EspeakVoice):
        self.voice = voice

    def __enter__(self) -> "Espeak":
        try:
            import espeakng_loader
        except ImportError as error:
            raise AudiolmError(
                "no espeak-ng found; the simulated voices need it: pip install espeakng-loader (or audiolm[simulate])"
            ) from error
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = [
            c_char_p, c_size_t, c_uint, c_int, c_uint, c_uint, c_void_p, c_void_p,
        ]  # fmt: skip
        data = espeakng_loader.get_data_path()
        if not (Path(data) / "voices" / "!v" / self.voice.variant).is_file():  # the library would speak without it
            raise AudiolmError(f"espeak-ng has no variant '{self.voice.variant}' in {data}/voices/!v")
        self.fs = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), INITIALIZE_PHONEME_EVENTS | INITIALIZE_DONT_EXIT
        )
        if self.fs <= 0:
            raise AudiolmError(f"espeak-ng could not read its data at {data}; reinstall espeakng-loader")
        self._callback = _SynthCallback(self._collect)  # referenced here as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(0))
        ctypes.CDLL(None).srand(0)  # breathy variants draw from the C library's generator
        self._set_voice()
        return self

    def __exit__(self, *_) -> None:
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)  # the next one starts from the library's initial state
        del self._library

    def _collect(self, samples, count: int, events) -> int:
        if samples and count:
            self._audio.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == EVENT_WORD:
                self._words.append(event.sample)
            elif event.type == EVENT_PHONEME:
                self._phonemes.append((event.sample, event.id))
            index += 1
        return 0

    def _set_voice(self) -> None:
        name = f"{self.voice.language}+{self.voice.variant}"
        if self._library.espeak_SetVoiceByName(name.encode()) != STATUS_OK:
            raise AudiolmError(f"espeak-ng has no voice '{name}': is there a language '{self.voice.language}'?")
        self._library.espeak_SetParameter(PARAMETER_RATE, self.voice.rate, 0)
        self._library.espeak_SetParameter(PARAMETER_PITCH, self.voice.pitch, 0)
        self._library.espeak_SetParameter(PARAMETER_VOLUME, VOLUME, 0)

    def say(self, text: str) -> Speech:
        """Speak ``text``; a word ends where the next one starts, or where a pause or the end of the speech comes."""
        self._audio, self._words, self._phonemes = [], [], []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None)
        wav = np.frombuffer(b"".join(self._audio), np.int16).astype(np.float32) / 32768
        return Speech(wav, self.fs, self._timed(text, len(wav)))

    def _timed(self, text: str, num_samples: int) -> list[SpokenWord]:
        words = text.split()
        if len(self._words) != len(words):
            raise AudiolmError(
                f"espeak-ng gave {len(self._words)} word times for the {len(words)} words of '{text}'; "
                "it joins or splits some of them: reword the sentence"
            )
        starts = [*self._words, num_samples]
        pauses = [sample for sample, name in self._phonemes if name.startswith(b"_")]
        spoken = []
        for word, start, following in zip(words, starts, starts[1:], strict=False):
            end = min([sample for sample in pauses if start < sample < following], default=following)
            spoken.append(SpokenWord(word, start / self.fs, end / self.fs))
        return spoken


def espeak_voice(speaker: Speaker) -> Espeak:
    """The voice of a script's speaker, his pitch and rate for this dialogue applied.

    Raises:
        AudiolmError: no such voice.
    """
    voice = espeak_named(speaker.voice)
    pitch = min(max(voice.pitch + speaker.pitch, 0), 99)
    return Espeak(replace(voice, pitch=pitch, rate=round(voice.rate * speaker.rate)))
