"""What Whisper in batches does with what it hears of parts, without a model: nothing that was heard is lost."""

from types import SimpleNamespace

import numpy as np
import pytest

from audiolm.annotate.timed import NOTHING, Failure, Partial, TimedWord
from audiolm.annotate.whisper_batched import Heard, WhisperBatched, fuller, listened

FS = 16000
GUESS = Failure("a guess")


class Scripted(WhisperBatched):
    """Hears what ``script`` says of a part of that many seconds."""

    def __init__(self, script, batch=2):
        self.script, self.batch, self.heard = script, batch, []

    def _hear(self, wavs):
        self.heard += [len(wav) / FS for wav in wavs]
        return [self.script[len(wav) / FS] for wav in wavs]


def heard(end, *words, holes=(), tokens=1, missing=0.0):
    return Heard([TimedWord(*word) for word in words], end, tokens, list(holes), missing)


def wavs(*seconds):
    return [np.zeros(round(length * FS), dtype=np.float32) for length in seconds]


def test_a_rest_that_cannot_be_believed_costs_itself_alone():
    script = {20.0: heard(18.5, ("a", 1.0, 2.0)), 1.5: GUESS, 10.0: GUESS, 5.0: heard(5.0, ("b", 0.0, 1.0))}
    found = Scripted(script).transcribe(wavs(20, 10, 5))
    assert found == [
        Partial([TimedWord("a", 1.0, 2.0)], [(18.5, 20.0, GUESS)]),
        GUESS,  # nothing of it was heard
        [TimedWord("b", 0.0, 1.0)],
    ]


def test_words_of_a_rest_follow_those_before_and_a_short_rest_is_not_heard():
    model = Scripted({20.0: heard(15.0, ("a", 1.0, 2.0)), 5.0: heard(4.1, ("b", 0.5, 1.0))})
    assert model.transcribe(wavs(20)) == [[TimedWord("a", 1.0, 2.0), TimedWord("b", 15.5, 16.0)]]
    assert model.heard == [20.0, 5.0]


def test_parts_without_a_word_are_named():
    script = {20.0: heard(15.0, ("a", 1.0, 2.0), holes=[(4.0, 9.0)]), 5.0: heard(5.0, holes=[(0.0, 5.0)])}
    (found,) = Scripted(script).transcribe(wavs(20))
    assert found == Partial([TimedWord("a", 1.0, 2.0)], [(4.0, 9.0, NOTHING), (15.0, 20.0, NOTHING)])
    assert Scripted(script).transcribe(wavs(5)) == [NOTHING]


def test_where_nothing_begins_for_seconds_words_are_left_out():
    assert listened([0, 124, 130], 5.0) == (5.0, [])  # 2.48 s and 2.4 s
    assert listened([0, 125, 130, 300], 6.0) == (6.0, [(0.0, 2.5), (2.6, 6.0)])
    assert listened([0, 50, 100], 4.5) == (2.0, [])  # the rest is to be heard by itself,
    assert listened([0, 20, 40], 4.5) == (4.5, [(0.8, 4.5)])  # unless it is nearly all: that would not end


def test_another_text_is_taken_only_if_it_says_more_and_leaves_out_less():
    first = heard(18.0, tokens=50, missing=2.0)
    full, gappy, short = (heard(20.0, tokens=n, missing=s) for n, s in ((60, 0.0), (60, 2.0), (50, 0.0)))
    assert fuller(first, full) is full
    assert fuller(first, gappy) is fuller(first, short) is fuller(first, GUESS) is first


@pytest.mark.parametrize("plain, tries", [(heard(9.0, tokens=9), [(0.0, False)]), (GUESS, [(0.0, False), (0.2, True)])])
def test_what_cannot_be_believed_is_tried_without_stamps_before_it_is_drawn(plain, tries):
    drawn, made = heard(9.0, ("drawn", 0, 1)), []

    class Twice(Scripted):
        def _decode(self, encoded, languages, temperature, stamps=True):
            made.append((temperature, stamps))
            return [[temperature, stamps]]

        def _read(self, seconds, encoded, tokens, no_speech, language):
            return {"first": GUESS, (0.0, False): plain, (0.2, True): drawn}[
                tokens if tokens == "first" else tuple(tokens)
            ]

    assert Twice({})._row(9.0, None, "first", 0.1, "en") is (plain if plain is not GUESS else drawn)
    assert made == tries


def test_a_text_that_fills_every_place_is_a_loop():
    """As of noise: with the prompt it would not go into the decoder again, which finds the words' times."""
    model = Scripted({})
    config = SimpleNamespace(
        decoder_start_token_id=101, no_timestamps_token_id=103, eos_token_id=100, is_multilingual=False
    )
    model.config, model.model = config, SimpleNamespace(config=SimpleNamespace(max_target_positions=48))
    failure = model._read(30.0, None, [5] * 46, 0.1, "en")  # 2 tokens of prompt, 46 of text, no place for its end
    assert failure.reason == "a loop: 46 tokens of text in 30.00 s"
