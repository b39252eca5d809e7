"""Words made up in silence, counted by hand."""

import pytest

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Turn, Word, write_ctm
from audiolm.errors import AudiolmError
from audiolm.score import hallucination


def test_words_in_silence_are_counted_by_channel(tmp_path):
    data = DataDir(
        wav={"c-A": "c.wav", "c-B": "c.wav"},
        reco2file_and_channel={"c-A": ("c", "A"), "c-B": ("c", "B")},
        reco2dur={"c-A": 100.0, "c-B": 100.0},
        ctm=[Word("c", "A", 10.0, 30.0, "speech")],
    )
    hypothesis = [
        Word("c", "1", 10.0, 1.0, "speech"),
        Word("c", "1", 9.5, 0.3, "early"),  # 9.75 is where speech begins to count
        Word("c", "1", 50.0, 0.5, "madeup"),
        Word("c", "1", 39.9, 1.0, "ending"),
        Word("c", "2", 20.0, 0.5, "madeup"),  # only A speaks then
        Word("c", "2", 99.9, 0.5, "beyond"),
    ]
    write_ctm(tmp_path / "ctm", hypothesis)
    (score,) = hallucination.score(data, tmp_path / "ctm", "test", "nobody")
    silence = (200 - 30.5) / 3600
    assert score.value == pytest.approx(2 / silence) and score.details["words"] == 2
    assert score.details["silence_hours"] == pytest.approx(silence) and score.count == 2 and score.better == "lower"


def test_turns_serve_where_there_are_no_words_and_no_silence_is_no_score(tmp_path):
    data = DataDir(wav={"r": "r.wav"}, reco2dur={"r": 10.0}, rttm=[Turn("r", "1", 0.0, 10.0, "a")])
    write_ctm(tmp_path / "ctm", [])
    assert hallucination.score(data, tmp_path / "ctm", "test", "nobody") == []
    data.rttm = [Turn("r", "1", 0.0, 5.0, "a")]
    assert hallucination.score(data, tmp_path / "ctm", "test", "nobody")[0].value == 0
    write_ctm(tmp_path / "ctm", [Word("q", "A", 0.0, 1.0, "w")])
    with pytest.raises(AudiolmError, match="no channel of"):
        hallucination.score(data, tmp_path / "ctm", "test", "nobody")
    with pytest.raises(AudiolmError, match="neither ctm nor rttm"):
        hallucination.score(DataDir(wav={"r": "r.wav"}), tmp_path / "ctm", "test", "nobody")
