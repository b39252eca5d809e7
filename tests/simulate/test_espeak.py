import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from audiolm.errors import AudiolmError
from audiolm.simulate.espeak import Espeak, espeak_voice
from audiolm.simulate.script import Speaker
from audiolm.simulate.voices import ESPEAK_VOICES, EspeakVoice, espeak_voices

ADAM = EspeakVoice("en-us", "adam")


def test_words_come_with_their_times():
    with Espeak(ADAM) as voice:
        speech = voice.say("okay bus seven is green")
    assert [word.word for word in speech.words] == "okay bus seven is green".split()
    assert speech.words[0].start == 0
    for earlier, later in zip(speech.words, speech.words[1:], strict=False):
        assert earlier.start < earlier.end <= later.start
    end = speech.words[-1].end
    assert 0.9 * len(speech.wav) / speech.fs < end <= len(speech.wav) / speech.fs


def test_a_word_ends_where_a_pause_begins():
    with Espeak(ADAM) as voice:
        first, second = voice.say("seven, two").words
    assert second.start - first.end > 0.15


def test_word_starts_are_where_the_sound_is():
    with Espeak(ADAM) as voice:
        speech = voice.say("yes, no")
    pause = slice(round(speech.words[0].end * speech.fs) + 800, round(speech.words[1].start * speech.fs))
    assert np.abs(speech.wav[pause]).max() < 0.02 < np.abs(speech.wav[pause.stop :]).max()


@pytest.mark.parametrize("name", ["us_adam", "us_reed", "gb_victor", "us_caleb"])
def test_a_voice_says_the_same_every_time(name):
    heard = []
    for warm_up in ("", "say it again please"):
        with espeak_voice(Speaker(name)) as voice:
            if warm_up:  # another process, so to say: this changes the library's state, not the next voice's
                voice.say(warm_up)
        with espeak_voice(Speaker(name)) as voice:
            heard.append(voice.say("what is your house number").wav)
    assert np.array_equal(*heard)


def test_all_voices_exist_and_sets_share_no_variant():
    variants = {split: {voice.variant for voice in voices.values()} for split, voices in ESPEAK_VOICES.items()}
    assert len(variants["train"]) >= 24 and len(variants["dev"]) >= 4 and len(variants["test"]) >= 6
    assert not (variants["train"] & variants["test"] or variants["train"] & variants["dev"])
    assert not variants["dev"] & variants["test"]
    for voices in ESPEAK_VOICES.values():
        for name in voices:
            with espeak_voice(Speaker(name)) as voice:
                wav = voice.say("yes").wav
            assert np.isfinite(wav).all() and 0.01 < np.abs(wav).max() < 0.99, f"{name} is silent or clips"


def test_joined_words_and_unknown_voices_are_refused():
    with Espeak(ADAM) as voice, pytest.raises(AudiolmError, match="2 word times for the 3 words of 'that one zero'"):
        voice.say("that one zero")
    with pytest.raises(AudiolmError, match="no variant 'nobody'"), Espeak(EspeakVoice("en-us", "nobody")):
        pass
    with pytest.raises(AudiolmError, match="no voice 'xx\\+m1'"), Espeak(EspeakVoice("xx", "m1")):
        pass
    with pytest.raises(AudiolmError, match="unknown voice 'us_adm'; did you mean 'us_adam'"):
        espeak_voice(Speaker("us_adm"))


def test_the_variants_speak_other_languages():
    with espeak_voice(Speaker("de+adam")) as german, espeak_voice(Speaker("us_adam")) as english:
        assert (german.voice.pitch, german.voice.rate) == (english.voice.pitch, english.voice.rate)
    with espeak_voice(Speaker("de+adam")) as voice:
        words = voice.say("fünf grüne züge").words
    assert [word.word for word in words] == ["fünf", "grüne", "züge"]
    names = {name for split in ("train", "dev", "test") for name in espeak_voices(split, "de")}
    assert len(names) == 40 and "de+adam" in names
