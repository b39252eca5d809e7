import math
import os

import numpy as np
import pytest

from audiolm.data import audio
from audiolm.errors import AudiolmError
from audiolm.score.narrowband import RATE, fill_upper_band
from audiolm.score.pocketsphinx_asr import PocketSphinxBackend, bigrams, pronunciations
from audiolm.score.wer import word_error_rate

DIGITS = "zero one two three four five six seven eight nine".split()


def parse(arpa: str) -> tuple[dict[str, tuple[float, float]], dict[tuple[str, str], float]]:
    """(word -> (probability, back-off weight), pair -> probability) of an ARPA file."""
    singles, pairs = arpa.split("\\2-grams:")
    unigrams = {}
    for line in singles.split("\\1-grams:")[1].split("\n"):
        if fields := line.split():
            unigrams[fields[1]] = (10 ** float(fields[0]), 10 ** float(fields[2]) if len(fields) > 2 else 0.0)
    lines = [line.split() for line in pairs.split("\n") if line and not line.startswith("\\")]
    return unigrams, {(first, second): 10 ** float(value) for value, first, second in lines}


def test_word_pairs_by_hand():
    unigrams, pairs = parse(bigrams([["a", "b"], ["a", "a"]]))
    # Counts with one added: a 4, b 2, </s> 3, of 9. After <s>: a twice; 1 kind, so 1/3 of the mass is for others.
    assert unigrams["a"][0] == pytest.approx(4 / 9, rel=1e-3)
    assert unigrams["<s>"][1] == pytest.approx(1 / 3, rel=1e-3)
    assert pairs["<s>", "a"] == pytest.approx(2 / 3 + 1 / 3 * 4 / 9, rel=1e-3)
    # After a: b, a, </s> once each: 3 kinds of 3, half of the mass for any.
    assert pairs["a", "b"] == pytest.approx(1 / 6 + 1 / 2 * 2 / 9, rel=1e-3)
    assert set(pairs) == {("<s>", "a"), ("a", "b"), ("a", "a"), ("a", "</s>"), ("b", "</s>")}


def test_probabilities_after_every_word_add_up_to_one():
    rng = np.random.default_rng(0)
    words = ["up", "down", "left", "right"]
    sentences = [[words[i] for i in rng.integers(0, 4, rng.integers(1, 5))] for _ in range(9)] + [["left", "left"]]
    unigrams, pairs = parse(bigrams(sentences))
    targets = [*words, "</s>"]
    assert math.isclose(sum(unigrams[word][0] for word in targets), 1, rel_tol=1e-3)
    for first in ["<s>", *words]:
        total = sum(pairs.get((first, w), unigrams[first][1] * unigrams[w][0]) for w in targets)
        assert math.isclose(total, 1, rel_tol=1e-3)


def test_unknown_words_get_a_guess_or_one_line():
    assert pronunciations(["seven"]) == ["seven S EH V AH N"]
    assert pronunciations(["frobbing"])[0].startswith("frobbing F R")
    with pytest.raises(AudiolmError, match="no pronunciation for 'naïve'"):
        pronunciations(["naïve"])
    with pytest.raises(AudiolmError, match="no word in the training texts"):
        PocketSphinxBackend(["—"])


def test_digits_of_real_people(shared_data):
    """Strings of FSDD's digits at 8 kHz by two speakers; silence gives an empty text; order does not matter."""
    folder = shared_data / "fsdd"
    wav_scp = dict(line.split() for line in (folder / "wav.scp").read_text().splitlines())
    text = dict(line.split() for line in (folder / "text").read_text().splitlines())
    waves, texts = [np.zeros(4000, np.float32)], [""]
    rng = np.random.default_rng(0)
    for speaker in ("theo", "lucas"):
        utts = [utt for utt in text if utt.startswith(speaker)]
        for _ in range(4):
            chosen = [utts[i] for i in rng.choice(len(utts), 5, replace=False)]
            parts = [audio.read(str(folder / wav_scp[utt])) for utt in chosen]
            waves.append(np.concatenate([np.pad(part, (1600, 1600)) for part in parts]))
            texts.append(" ".join(text[utt] for utt in chosen))
    training = [" ".join(DIGITS[i] for i in rng.integers(0, 10, 5)) for _ in range(200)]
    backend = PocketSphinxBackend(training, processes=1)
    voices = ["nobody"] + ["theo"] * 4 + ["lucas"] * 4
    found = backend.transcribe(waves, 8000, voices)
    assert found[0] == ""
    number = [str(i) for i in range(9)]
    rate = word_error_rate(dict(zip(number, texts, strict=True)), dict(zip(number, found, strict=True)))
    assert rate.percent <= 25
    order = [0, 8, 7, 6, 5, 1, 2, 3, 4]
    again = backend.transcribe([waves[i] for i in order], 8000, [voices[i] for i in order])
    assert sum(again[k] == found[i] for k, i in enumerate(order)) >= 7  # means depend on a voice's set, not its order


def test_the_filled_band_follows_the_speech(shared_data):
    path = next((shared_data / "librispeech_train_clean_100").rglob("*.flac"), None)
    if path is None:
        pytest.skip("no LibriSpeech recording in the folder of real recordings")
    wide = audio.read(os.fspath(path))[: 4 * RATE]
    narrow = audio.resample(audio.resample(wide, RATE, 8000), 8000, RATE)
    filled = fill_upper_band(narrow)
    assert np.array_equal(filled, fill_upper_band(narrow))
    low = np.abs(np.fft.rfft(filled - narrow))
    edge = round(3300 / RATE * len(narrow))
    assert np.square(low[:edge]).sum() < 1e-3 * np.square(low).sum()  # only above 3.5 kHz
    upper = [_level(wav, 4500, 6500) for wav in (wide, filled)]
    assert np.corrcoef(*upper)[0, 1] > 0.6
    assert -25 < 10 * np.mean(upper[1] - upper[0]) < -5  # 12 dB below the prediction


def _level(wav: np.ndarray, low: float, high: float) -> np.ndarray:
    """log10 energy between two frequencies, in frames of 20 ms."""
    power = np.abs(np.fft.rfft(wav[: len(wav) // 320 * 320].reshape(-1, 320) * np.hanning(320))) ** 2
    return np.log10(power[:, round(low / 50) : round(high / 50)].sum(1) + 1e-6)
