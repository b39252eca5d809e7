from itertools import pairwise

import numpy as np
import pytest

from audiolm.simulate.render import CLOSING_SILENCE, OWN_GAP, place, render
from audiolm.simulate.script import Script, ScriptLine, Speaker
from audiolm.simulate.voices import Speech, SpokenWord

FS = 1000


def tone(words: str, seconds_a_word: float = 0.2) -> Speech:
    """A speech of full scale, each word ``seconds_a_word`` long, with 50 ms after the last one."""
    names = words.split()
    wav = np.full(round((len(names) * seconds_a_word + 0.05) * FS), 0.5, dtype=np.float32)
    times = [SpokenWord(name, i * seconds_a_word, (i + 1) * seconds_a_word) for i, name in enumerate(names)]
    return Speech(wav, FS, times)


def script(*lines: ScriptLine, **fields) -> Script:
    return Script("x", {"A": Speaker("a", level=-20.0), "B": Speaker("b", level=-30.0)}, list(lines), **fields)


def test_turns_overlaps_and_backchannels_are_placed():
    lines = (
        ScriptLine("A", "one two three", gap=0.5),  # 0.5 … 1.1
        ScriptLine("B", "yes", at=0.5),  # in the middle: 0.8 … 1.0
        ScriptLine("B", "four", gap=-0.2),  # would be at 0.9, but B still speaks until 1.05
        ScriptLine("A", "five", gap=0.3),
    )
    got = place(script(*lines), [tone(line.text) for line in lines])
    starts = [utterance.start for utterance in got]
    after_own = 0.8 + 0.25 + OWN_GAP
    assert starts == pytest.approx([0.5, 0.8, after_own, after_own + 0.2 + 0.3])
    assert got[0].words[1] == ("two", pytest.approx(0.7), pytest.approx(0.9))


def test_levels_noise_and_silence():
    lines = (ScriptLine("A", "one two", gap=0.5), ScriptLine("B", "three", gap=0.5))
    recording = render(script(*lines, noise=-60.0), [tone(line.text) for line in lines], FS, seed=0)
    assert recording.wav.shape == (round((0.5 + 0.4 + 0.5 + 0.2 + CLOSING_SILENCE + 0.05) * FS), 2)

    def level(channel, start, end):
        return 20 * np.log10(np.sqrt(np.mean(recording.wav[round(start * FS) : round(end * FS), channel] ** 2)))

    assert level(0, 0.5, 0.95) == pytest.approx(-20, abs=0.1)
    assert level(1, 1.4, 1.65) == pytest.approx(-30, abs=0.1)
    assert level(0, 0, 0.5) == pytest.approx(-60, abs=1) and level(1, 0, 1.4) == pytest.approx(-60, abs=1)


def test_rooms_and_noise_follow_seed_and_id_only():
    lines = (ScriptLine("A", "one two", gap=0.1), ScriptLine("B", "three", gap=0.5))
    speech = [tone(line.text) for line in lines]
    first = render(script(*lines, room=0.3), speech, FS, seed=0)
    assert np.array_equal(first.wav, render(script(*lines, room=0.3), speech, FS, seed=0).wav)
    assert not np.array_equal(first.wav, render(script(*lines, room=0.3), speech, FS, seed=1).wav)
    assert first.utterances == render(script(*lines), speech, FS, seed=1).utterances, "a room moves no word"


def test_no_speaker_speaks_over_himself():
    rng = np.random.default_rng(0)
    for _ in range(50):
        lines = [ScriptLine("A", "one", gap=0.2)]
        for _ in range(12):
            channel = "AB"[int(rng.integers(2))]
            timing = {"gap": rng.uniform(-0.5, 0.5)} if rng.random() < 0.7 else {"at": rng.uniform(0, 1)}
            lines.append(ScriptLine(channel, "a " * int(rng.integers(1, 5)), **timing))
        got = place(script(*lines), [tone(line.text) for line in lines])
        for channel in "AB":
            own = [utterance for utterance in got if utterance.channel == channel]
            assert all(later.start >= earlier.end for earlier, later in pairwise(own))
