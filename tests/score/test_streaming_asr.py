import pytest

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Word, write_ctm
from audiolm.score import streaming_asr
from audiolm.score.words import WordRules
from audiolm.train.checkpoint import write_model


def test_whole_channels_are_scored_by_words_and_times(tmp_path):
    import torch

    lm = tmp_path / "lm_x"
    lm.mkdir()
    write_model(lm, {"weight": torch.zeros(1)})
    original = DataDir(
        wav={"d-A": "d.flac", "d-B": "d.flac"},
        segments={"s-2": Segment("d-A", 2.0, 3.0), "s-1": Segment("d-A", 0.0, 1.0), "t-1": Segment("d-B", 1.0, 2.0)},
        text={"s-1": "one two", "s-2": "three", "t-1": "four"},
        reco2file_and_channel={"d-A": ("d", "A"), "d-B": ("d", "B")},
    )
    truth = [("A", 0.1, "one"), ("A", 0.5, "two"), ("A", 2.1, "three"), ("B", 1.2, "four")]
    write_ctm(tmp_path / "ctm", [Word("d", channel, start, 0.3, word, 1.0) for channel, start, word in truth])
    heard = [("A", 0.2, "one"), ("A", 0.5, "too"), ("A", 2.2, "three")]
    generated = DataDir(
        wav=original.wav,
        text={"d-A": "one too three"},
        reco2file_and_channel=original.reco2file_and_channel,
        ctm=[Word("d", channel, start, 0.1, word, 1.0) for channel, start, word in heard],
    )
    generated.write(lm / "generate" / "asr")
    scores = {score.metric: score for score in streaming_asr.score(lm, original, "test", tmp_path / "ctm")}
    assert scores["wer_asr"].value == pytest.approx(50)  # two for too, and four missing
    assert scores["wer_asr"].details["substitutions"] == scores["wer_asr"].details["deletions"] == 1
    assert scores["asr_word_start_error"].value == pytest.approx(100)  # ms: 0.1 s late twice
    [words] = streaming_asr.score(lm, original, "test", None)  # a corpus without word times
    assert words.value == scores["wer_asr"].value
    original.text["t-1"] = "(four)"
    [words] = streaming_asr.score(lm, original, "test", None, WordRules(optional=True))
    assert words.value == pytest.approx(25) and words.protocol.endswith("optional words may be missing (sclite -D)")
