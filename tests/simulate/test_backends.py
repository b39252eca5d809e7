"""Voices of one's own: what may be given, what is heard again, what is rejected, and who finds the words."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiolm.annotate.timed import Failure, TimedWord
from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.simulate.backends import Voices, voice_backend
from audiolm.simulate.corpus import collect, speak
from audiolm.simulate.script import Script, ScriptLine, Speaker, write_scripts
from audiolm.simulate.voices import Speech, SpokenWord

LINES = [ScriptLine("A", "one two", gap=0.1), ScriptLine("B", "three", gap=0.2)]
SCRIPT = Script("d1", {c: Speaker(f"voice{c}") for c in "AB"}, LINES)
FS = 8000
PLUGIN = """
import numpy as np
from audiolm.simulate.voices import Speech
from tones import LEVEL

def voice(speaker):
    def say(text):
        if text == BAD:
            raise RuntimeError("out of memory\\nat byte 3")
        return Speech(np.full(8000, LEVEL), 8000)
    return say

BAD = None
"""


def tone(text, start=0.0):
    """Half a second a word, after ``start`` seconds of silence."""
    words = text.split()
    wav = np.concatenate([np.zeros(round(start * FS)), np.full(FS // 2 * len(words), 0.1)])
    return Speech(wav, FS, [SpokenWord(w, start + n / 2, start + n / 2 + 0.4) for n, w in enumerate(words)])


class Halves:
    """An aligner to which every word takes half a second; the first begins in the silence before the sound."""

    def align(self, utterances):
        return [
            [
                TimedWord(word, each.start + n / 2 - 0.01 * (n == 0), each.start + n / 2 + 0.4)
                for n, word in enumerate(each.words)
            ]
            if each.words != ["three"]
            else Failure("does not fit")
            for each in utterances
        ]


def fields(folder: Path) -> dict:
    return json.loads((folder / "d1.json").read_text())


@pytest.fixture
def plugin(tmp_path, monkeypatch) -> Path:
    """my_tts.py, which takes its level from tones.py beside it; its folder is on the path."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "my_tts.py").write_text(PLUGIN)
    (folder / "tones.py").write_text("LEVEL = 0.1\n")
    monkeypatch.syspath_prepend(folder)
    for name in ("my_tts", "tones"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder / "my_tts.py"


def simulate(dir: Path, *steps: str) -> list[int]:
    write_scripts(dir / "data/local/scripts/dev.jsonl", [SCRIPT])
    options = {"speak": ["--voices", "my_tts:voice", "--fs", str(FS)], "tables": []}
    return [main(["simulate", step, "--dir", str(dir), "--sets", "dev", *options[step]]) for step in steps]


class Entered:
    """A context manager of a voice."""

    def __enter__(self):
        self.say = tone
        return self

    def __exit__(self, *_):
        del self.say


def test_functions_objects_and_context_managers_are_voices(tmp_path):
    plain = type("Plain", (), {"say": staticmethod(tone)})
    written = []
    for number, voice_of in enumerate((lambda speaker: tone, lambda speaker: plain(), lambda speaker: Entered())):
        speak(SCRIPT, Voices(voice_of, "x"), tmp_path / str(number), FS, seed=0)
        written.append(fields(tmp_path / str(number)))
    assert written[0] == written[1] == written[2] and "aligned" not in written[0]
    assert [word for each in written[0]["utterances"] for word, *_ in each["words"]] == ["one", "two", "three"]
    speak(SCRIPT, Voices(lambda speaker: 3, "x"), tmp_path, FS, seed=0)
    assert fields(tmp_path)["rejected"] == (
        "voice 'voiceA': --voices gave a int, expected a voice with say(text), or a function of the text"
    )


def test_silence_before_the_first_word_is_none_of_the_turn(tmp_path):
    for start in (0.0, 0.15):
        say = partial(tone, start=start)
        speak(SCRIPT, Voices(lambda speaker, say=say: say, "x"), tmp_path / str(start), FS, seed=0)
    first, second = (fields(tmp_path / str(start))["utterances"] for start in (0.0, 0.15))
    assert [each["start"] for each in second] == pytest.approx([0.15, first[1]["start"] + 0.05])
    assert [each["words"][0][1] for each in second] == pytest.approx([each["start"] for each in second])
    assert second[1]["start"] == pytest.approx(second[0]["end"] + 0.2)  # the gap is between words


def test_words_without_times_are_aligned(tmp_path):
    def voice(speaker):
        return tone if speaker.voice == "voiceA" else lambda text: Speech(tone(text).wav, FS)

    script = Script("d1", SCRIPT.speakers, [LINES[0], ScriptLine("B", "three four", gap=0.2)])
    speak(script, Voices(voice, "x", Halves(), "halves"), tmp_path, FS, seed=0)
    data, rejected = collect([script], tmp_path)
    assert data.others["reco2aligner"] == {"d1-B": "halves"} and not rejected
    by_word = {word.word: word for word in data.ctm}
    place = next(place for place in data.segments.values() if place.reco == "d1-B")
    assert by_word["three"].start == pytest.approx(place.start)
    assert by_word["four"].start - place.start == pytest.approx(0.5) and by_word["four"].duration == pytest.approx(0.4)
    data.write(tmp_path / "data")
    assert DataDir.read(tmp_path / "data").others["reco2aligner"] == {"d1-B": "halves"}
    speak(SCRIPT, Voices(voice, "y", Halves(), "halves"), tmp_path, FS, seed=0)
    assert fields(tmp_path)["rejected"] == "line 2 'three', word times by halves: does not fit"
    speak(SCRIPT, Voices(voice, "z"), tmp_path, FS, seed=0)
    assert "line 2 has no word times, and no aligner" in fields(tmp_path)["rejected"]


def test_the_words_of_a_real_voice_are_found(tmp_path):
    """espeak-ng's, its own times withheld: PocketSphinx finds them to 60 ms."""
    pytest.importorskip("espeakng_loader")
    script = Script("d1", {c: Speaker("us_m3") for c in "AB"}, [ScriptLine("A", "seven plus two makes nine", gap=0.1)])
    espeak = voice_backend("espeak")

    def untimed(speaker):
        with espeak.opened(speaker) as say:
            return {script.lines[0].text: say(script.lines[0].text)}

    starts = []
    for keep in (True, False):
        speaks = untimed(script.speakers["A"])
        if not keep:
            speaks = {text: Speech(each.wav, each.fs) for text, each in speaks.items()}
        voices = Voices(lambda speaker, said=speaks: said.get, "x", voice_backend("json:loads").aligner, "pocketsphinx")
        speak(script, voices, tmp_path / str(keep), FS, seed=0)
        starts.append([start for _, start, _ in fields(tmp_path / str(keep))["utterances"][0]["words"]])
    assert len(starts[1]) == 5 and starts[1] != starts[0]
    assert np.abs(np.subtract(*starts)).max() < 0.06


def test_a_changed_plugin_is_heard_and_a_forced_run_speaks_again(tmp_path, plugin, monkeypatch):
    times = []

    def spoken():
        assert simulate(tmp_path, "speak") == [0]
        times.append((tmp_path / "data/local/audio/dev/d1.flac").stat().st_mtime_ns)
        return times[-1]

    monkeypatch.setattr("audiolm.simulate.backends.make_aligner", lambda *_: Fits())
    first = spoken()
    assert spoken() == first
    plugin.with_name("tones.py").write_text("LEVEL = 0.2\n")  # beside the plugin, which imports it
    second = spoken()
    assert second > first and spoken() == second
    monkeypatch.setenv("AUDIOLM_RUN", "force-1")
    third = spoken()
    assert third > second and spoken() == third  # an interrupted forced run goes on
    monkeypatch.setenv("AUDIOLM_RUN", "another")
    assert spoken() == third


class Fits:
    def align(self, utterances):
        return [[TimedWord(word, 0.1, 0.5) for word in each.words] for each in utterances]


def test_an_error_of_the_plugin_is_a_rejection_that_is_tried_again(tmp_path, plugin, monkeypatch, capsys):
    monkeypatch.setattr("audiolm.simulate.backends.make_aligner", lambda *_: Fits())
    import my_tts

    monkeypatch.setattr(my_tts, "BAD", "three")
    assert simulate(tmp_path, "speak", "tables") == [0, 1]
    error = capsys.readouterr().err
    assert "Traceback" in error and "RuntimeError: out of memory" in error
    assert (tmp_path / "data/dev/rejected.tsv").read_text() == (
        "d1\tline 2 'three', voice 'voiceB': the voice raised RuntimeError: out of memory (the log has the traceback)\n"
    )
    monkeypatch.setattr(my_tts, "BAD", None)
    assert simulate(tmp_path, "speak", "tables") == [0, 0]
    assert soundfile.info(tmp_path / "data/local/audio/dev/d1.flac").channels == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("festival", "--voices festival: expected espeak, kokoro, piper, or module:function"),
        ("no_such_tts:voice", "cannot import no_such_tts .* is its folder on PYTHONPATH"),
        ("json:voice", "module json has no voice"),
        ("json:__name__", "found a str, expected a function of a Speaker"),
        ("broken_tts:voice", "importing broken_tts raised FileNotFoundError: .*weights"),
    ],
)
def test_a_backend_that_is_not_there(name, said, tmp_path, monkeypatch):
    (tmp_path / "broken_tts.py").write_text("open('/no/weights')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AudiolmError, match=said):
        voice_backend(name)
