"""Word-start errors, by hand and as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Word, write_ctm
from audiolm.errors import AudiolmError
from audiolm.score import word_times
from audiolm.score.word_times import spread_evenly, start_errors


def words(*entries, file="f", channel="A"):
    return [Word(file, channel, start, 0.1, word) for start, word in entries]


def test_words_match_in_order_within_their_channel():
    reference = [*words((0.5, "One,"), (1.0, "two"), (2.0, "two")), *words((0.1, "one"), channel="2")]
    hypothesis = [*words((0.46, "one"), (2.1, "two"), (3.0, "three"), channel="1"), *words((0.1, "one"), channel="B")]
    found = start_errors(reference, hypothesis)
    assert {channel: len(errors) for channel, errors in found.items()} == {("f", 0): 2, ("f", 1): 1}
    assert found["f", 0][0] == pytest.approx(-0.04) and found["f", 1].tolist() == [0.0]


def test_a_hyphenated_word_begins_with_the_first_of_its_two():
    found = start_errors(words((1.0, "twenty-one"), (2.0, "b")), words((1.1, "twenty"), (1.4, "one"), (2.0, "b")))
    np.testing.assert_allclose(found["f", 0], [0.1, 0.0])


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=12), st.floats(-0.2, 0.2))
def test_a_constant_shift_is_the_error_of_every_word(texts, shift):
    reference = words(*((1 + i, text) for i, text in enumerate(texts)))
    moved = words(*((1 + i + shift, text) for i, text in enumerate(texts)))
    np.testing.assert_allclose(start_errors(reference, moved)["f", 0], [shift] * len(texts), atol=1e-9)


def test_scores_of_a_set(tmp_path):
    reference = [*words(*((i, "w") for i in range(20))), *words(*((i, "w") for i in range(20)), file="g")]
    late = [Word(w.file, w.channel, w.start + (0.01 if w.file == "f" else 0.03), 0.1, w.word) for w in reference]
    write_ctm(tmp_path / "ref", reference)
    write_ctm(tmp_path / "hyp", late)
    data = DataDir(
        wav={"f": "f.wav", "g": "g.wav"}, segments={"f-1": Segment("f", 0.0, 40.0)}, text={"f-1": " ".join(["w"] * 20)}
    )
    mean, p95 = word_times.score(tmp_path / "ref", tmp_path / "hyp", "test", "oracle", segments=data)
    assert (mean.metric, p95.metric, mean.unit, mean.count) == ("word_start_error", "word_start_p95", "ms", 40)
    assert mean.value == pytest.approx(20) and p95.value == pytest.approx(30)
    assert mean.details["bias_ms"] == pytest.approx(20) and mean.details["within_80_ms"] == 100
    assert mean.ci == (pytest.approx(10), pytest.approx(30))
    assert mean.baseline == pytest.approx(1000 * np.mean(np.arange(20)))  # 2 s a word instead of 1 s
    other, _ = word_times.score(tmp_path / "ref", tmp_path / "hyp", "test", "oracle", metric="asr_word_start")
    assert other.metric == "asr_word_start_error" and other.baseline is None


def test_nothing_matches(tmp_path):
    write_ctm(tmp_path / "ref", words((0.5, "one")))
    write_ctm(tmp_path / "hyp", words((0.5, "two")))
    with pytest.raises(AudiolmError, match="no word of .*hyp matches .*ref"):
        word_times.score(tmp_path / "ref", tmp_path / "hyp", "test", "oracle")


def test_words_spread_evenly():
    data = DataDir(wav={"r": "r.wav"}, segments={"u": Segment("r", 1.0, 3.0)}, text={"u": "one two three four"})
    assert [(word.start, word.word) for word in spread_evenly(data)] == [
        (1.0, "one"),
        (1.5, "two"),
        (2.0, "three"),
        (2.5, "four"),
    ]
