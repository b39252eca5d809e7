"""What a voice may give: samples and words that fit the text and each other."""

import numpy as np
import pytest

from audiolm.errors import AudiolmError
from audiolm.simulate.voices import Speech, SpokenWord, checked

FS = 8000
WAV = np.full(FS, 0.1)  # a second


def speech(*words, wav=WAV, fs=FS):
    return Speech(wav, fs, [SpokenWord(*word) for word in words])


def test_good_speech_passes():
    said = checked(speech(("well,", 0.0, 0.4), ("then", 0.4, 1.0005)), "well, then -")
    assert said.words == [("well,", 0.0, 0.4), ("then", 0.4, 1.0)]  # what rounding adds is cut, punctuation has no time
    assert said.wav.dtype == np.float32
    assert checked(Speech(WAV, FS), "well then").words is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((WAV, FS), "gave a tuple, expected an audiolm.simulate.voices.Speech"),
        (None, "gave a NoneType"),
        (Speech("wav", FS), "wav is <U3"),
        (Speech((WAV * 32767).astype(np.int16), FS), r"wav is int16 \[8000\], expected float32 \[samples\]"),
        (Speech(WAV[None], FS), r"float64 \[1, 8000\]"),
        (Speech(WAV[:0], FS), "0 samples has no sound"),
        (Speech(0 * WAV, FS), "no sound"),
        (Speech(WAV * np.nan, FS), "NaN or infinite"),
        (Speech(WAV, 8000.5), "fs is 8000.5, expected a whole number"),
        (speech(), "times for the words '', expected those of the text"),
        (speech(("one", 0, 0.4)), "times for the words 'one'"),
        (speech(("one two", 0, 0.4)), "times for the words 'one two'"),
        (speech(("two", 0, 0.4), ("one", 0.4, 0.9)), "times for the words 'two one'"),
        (Speech(WAV, FS, ["one", "two"]), "no triples of word, start and end"),
        (Speech(WAV, FS, [("one", None, 1), ("two", 0, 1)]), "no triples of word, start and end"),
        (speech(("one", 0, 0.4), ("two", 0.4, 1.2)), "'two' from 0.400 to 1.200 s, .* 1.000 s, the end of its sound"),
        (speech(("one", 0.5, 0.9), ("two", 0.4, 1)), "'two' from 0.400 to 1.000 s, expected times in order from 0.500"),
        (speech(("one", 0.5, 0.4), ("two", 0.5, 1)), "'one' from 0.500 to 0.400"),
        (speech(("one", -0.1, 0.4), ("two", 0.5, 1)), "'one' from -0.100"),
        (speech(("one", 0, 0.4), ("two", 0.5, float("nan"))), "'two' from 0.500 to nan"),
    ],
)
def test_other_speech_is_refused(given, reason):
    with pytest.raises(AudiolmError, match=reason) as error:
        checked(given, "one two")
    assert "\n" not in str(error.value)
