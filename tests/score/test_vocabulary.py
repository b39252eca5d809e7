"""What a recogniser of a closed vocabulary cannot know: kept in the record, told in the table."""

import numpy as np
import pytest

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.score.intelligibility import Judge, score_utterances
from audiolm.score.record import Score
from audiolm.score.results import as_text, collect
from audiolm.score.vocabulary import SIZE, UNKNOWN, details, remark

FS = 8000


class Deaf:
    """A recogniser that knows two words, and hears none."""

    key, name, checksum, words = "deaf", "nobody", "0" * 16, ("one", "two")

    def transcribe(self, waves, fs, voices=None):
        return [""] * len(waves)


def test_the_share_counts_every_word_as_it_is_scored():
    assert details(Deaf(), ["One, two!", "one three"]) == {SIZE: 2, UNKNOWN: 25}  # case and marks are no difference
    assert details(object(), ["one"]) == {}  # which hears any word


def test_a_small_share_is_not_rounded_to_none():
    def told(share: float) -> str:
        return remark(Score("wer", 1.0, "%", "", "", "", "test", 9, details={SIZE: 89.0, UNKNOWN: share}))

    assert "0.2 % are not in its vocabulary of 89" in told(0.24)
    assert told(0.0) == "all words of the test are in its vocabulary of 89"


def test_the_record_and_the_table_have_it(tmp_path):
    data = DataDir(path=tmp_path)
    audio.write(tmp_path / "a.wav", np.zeros(FS, np.float32), FS)
    data.wav["a"], data.reco2dur["a"] = str(tmp_path / "a.wav"), 1.0
    data.utt2spk["a"], data.text["a"] = "x", "one two three four"
    [score] = score_utterances([Judge(Deaf())], data, None, FS, "test", "wer_recognizer")
    score.write(tmp_path / "exp" / "recognizer" / "scores")
    rows = collect(tmp_path)
    assert rows[0].score.details[UNKNOWN] == pytest.approx(50)
    assert "nobody; of the words of the test 50 % are not in its vocabulary of 2" in as_text(rows)
