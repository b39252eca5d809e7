"""PocketSphinx's forced alignment of real and synthetic speech, and what it refuses."""

import numpy as np
import pytest

from audiolm.annotate.align import align_recordings
from audiolm.annotate.pocketsphinx import PocketSphinxAligner, PocketSphinxPhones
from audiolm.annotate.timed import Failure, Utterance
from audiolm.annotate.transcribe import make_transcriber, transcribe_recordings
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import read_ctm
from audiolm.score.wer import word_error_rate
from audiolm.score.word_times import start_errors
from audiolm.text.normalize import normalize


@pytest.fixture(scope="module")
def aligner():
    return PocketSphinxAligner()


@pytest.fixture(scope="module")
def sentence(shared_data):
    data = DataDir.read(shared_data / "aligned_misc")
    return data.audio("pypar", fs=16000), data.text["pypar"].split()


def utterance(wav, words, fs=16000):
    return Utterance("u", wav, fs, words, 0.0, len(wav) / fs)


@pytest.mark.parametrize(
    "folder, lost, mean, p95",
    [
        ("aligned_misc", [], 35, 90),
        pytest.param("mfa_aligned", ["cold_corpus"], 60, 200, marks=pytest.mark.slow),
    ],
)
def test_real_speech_against_labels(aligner, shared_data, folder, lost, mean, p95):
    """Labels by phoneticians and by another aligner. One voice of the second corpus has a cold, fillers and pauses of
    many seconds: it is named, with the reason."""
    data = DataDir.read(shared_data / folder)
    words, rejected = align_recordings(data, data.recos, aligner)
    assert [name for name, _ in rejected] == lost
    assert all("does not fit the audio" in reason for _, reason in rejected)
    errors = 1000 * np.abs(
        np.concatenate(list(start_errors(read_ctm(shared_data / folder / "ctm.words"), words).values()))
    )
    kept = [text for utt, text in data.text.items() if data.place(utt).reco not in lost]
    assert len(errors) == sum(len(text.split()) for text in kept)
    assert errors.mean() < mean and np.percentile(errors, 95) < p95


def test_synthetic_speech_against_exact_times(aligner):
    simulate = pytest.importorskip("audiolm.simulate.espeak", reason="espeakng-loader is not installed")
    from audiolm.simulate.script import Speaker
    from audiolm.simulate.voices import ESPEAK_VOICES

    errors = []
    for name in sorted(ESPEAK_VOICES["dev"]):
        with simulate.espeak_voice(Speaker(name)) as voice:
            speech = voice.say("good morning what is your phone number")
        quiet = 1e-3 * np.random.default_rng(0).standard_normal(speech.fs // 4, dtype=np.float32)
        wav = np.concatenate([quiet, speech.wav, quiet])
        (found,) = aligner.align([utterance(wav, [word.word for word in speech.words], speech.fs)])
        errors += [abs(a.start - 0.25 - b.start) for a, b in zip(found, speech.words, strict=True)]
    assert np.mean(errors) < 0.03 and max(errors) < 0.15


def test_the_result_does_not_depend_on_what_came_before(aligner, sentence):
    wav, words = sentence
    (alone,) = PocketSphinxAligner().align([utterance(wav, words)])
    other = utterance(0.1 * wav[::-1].copy(), ["the", "mouse"])
    assert aligner.align([other, utterance(wav, words), utterance(wav, words)])[1:] == [alone, alone]


def test_words_keep_their_spelling_and_their_order(aligner, sentence):
    wav, words = sentence
    written = " ".join(words).replace("pardon", "PARDON,").replace("the mouse", "the-mouse —").split()
    (found,) = aligner.align([utterance(wav, written)])
    assert [word.word for word in found] == [word for word in written if word != "—"]
    assert all(word.start < word.end for word in found)
    assert all(a.end <= b.start + 1e-9 for a, b in zip(found, found[1:], strict=False))
    assert found[-1].end <= len(wav) / 16000


def test_a_word_without_a_dictionary_entry_is_guessed(aligner, sentence):
    wav, words = sentence
    respelt = ["pahrdon" if word == "pardon" else word for word in words]
    (known,), (guessed,) = aligner.align([utterance(wav, words)]), aligner.align([utterance(wav, respelt)])
    assert max(abs(a.start - b.start) for a, b in zip(known, guessed, strict=True)) < 0.15


@pytest.mark.parametrize(
    "words, reason",
    [
        (["room", "101"], "no pronunciation for '101'"),
        (["привет"], "no pronunciation for 'привет'"),
        (["…", "—"], "no spoken word"),
        (["unfortunately"] * 40, "does not fit the audio"),
    ],
)
def test_what_cannot_be_aligned_is_told(aligner, sentence, words, reason):
    (found,) = aligner.align([utterance(sentence[0][:32000], words)])
    assert isinstance(found, Failure) and reason in found.reason


def test_narrow_band_speech(aligner, shared_data):
    """Digits of FSDD (8 kHz) with known gaps between them."""
    rng, wavs, starts, time = np.random.default_rng(0), [], [], 0.3
    words = ["seven", "one", "zero", "five", "eight"]
    for digit in (7, 1, 0, 5, 8):
        wav = audio.read(shared_data / f"fsdd/wav/{digit}_jackson_3.wav")
        starts.append(time)
        wavs += [wav, 1e-4 * rng.standard_normal(1600, dtype=np.float32)]
        time += len(wav) / 8000 + 0.2
    wav = np.concatenate([1e-4 * rng.standard_normal(2400, dtype=np.float32), *wavs])
    (found,) = aligner.align([utterance(wav, words, 8000)])
    assert [word.word for word in found] == words
    assert np.mean([abs(word.start - start) for word, start in zip(found, starts, strict=True)]) < 0.1


def test_speech_without_a_transcript(shared_data):
    """Most words of a clean sentence are heard, about where an aligner that knows them puts them."""
    data, reco = DataDir.read(shared_data / "librispeech_clean_misc"), "1272-128104-0000"
    words, rejected = transcribe_recordings(data, [reco], make_transcriber("pocketsphinx_transcribe", None))
    assert rejected == [] and all(word.word == normalize(word.word) for word in words)
    heard = " ".join(word.word for word in words)
    assert (
        word_error_rate({reco: normalize(data.text[reco])}, {reco: heard}).percent < 40
    )  # "mr" and "we're" are counted, too
    aligned, _ = align_recordings(data, [reco], PocketSphinxAligner())
    starts = {normalize(word.word): word.start for word in aligned}
    errors = [abs(word.start - starts[word.word]) for word in words if word.word in starts]
    assert len(errors) > 8 and np.median(errors) < 0.03


def test_no_word_fits_into_less_than_a_frame():
    assert make_transcriber("pocketsphinx_transcribe", None).transcribe([np.zeros(10, np.float32)]) == [[]]


def boundaries(phones):
    return np.unique(np.round([time for phone in phones for time in (phone.start, phone.end)], 3))


def test_phones_against_the_alignment_of_the_cpc_paper(shared_data):
    """Labels of 10 ms frames (an HMM's; the one utterance that has both these and a transcript)."""
    utt, folder = "4051-11218-0044", shared_data / "librispeech_phones"
    [line] = [line for line in (folder / "phone_frames").read_text().splitlines() if line.startswith(utt)]
    frames = np.array(line.split()[1:], dtype=int)
    theirs = (np.flatnonzero(np.diff(frames)) + 1) / 100
    phones, rejected = align_recordings(DataDir.read(folder), [utt], PocketSphinxPhones())
    assert not rejected and phones[0].word == "JH" and phones[-1].word == "T"
    errors = np.abs(boundaries(phones)[:, None] - theirs).min(axis=1)
    assert errors.mean() < 0.012 and (errors < 0.021).mean() > 0.9


def test_phones_of_every_utterance(shared_data):
    """Words whose lattice path is shorter than their phones cost a tenth of LJSpeech once."""
    data = DataDir.read(shared_data / "ljspeech")
    recos = data.recos[2:5]
    phones, rejected = align_recordings(data, recos, PocketSphinxPhones())
    assert not rejected and {phone.file for phone in phones} == set(recos)
    assert all(phone.duration > 0.029 and phone.word.isupper() for phone in phones)  # three states of 10 ms
    assert "SIL" not in {phone.word for phone in phones}


def test_phones_that_do_not_fit_are_a_failure():
    noise = np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)
    [failure] = PocketSphinxPhones().align([utterance(noise, "a rather long sentence for a tenth of a second".split())])
    assert isinstance(failure, Failure) and "does not fit the audio" in failure.reason
