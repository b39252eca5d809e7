"""Two speakers' spoken turns: who says whose words."""

import json

import numpy as np
import pytest

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.score import spoken_turns
from audiolm.score.intelligibility import Judge

FS = 8000


class Loudness:
    """Hears "loud" or "soft"."""

    key, name, checksum = "loudness", "a threshold", "0" * 16

    def transcribe(self, waves, fs, voices=None):
        return ["loud" if np.abs(wave).max() > 0.3 else "soft" for wave in waves]


class Sounding:
    """Hears activity where there is any sound."""

    name = "threshold"

    def __call__(self, wav, fs):
        frames = np.flatnonzero(np.abs(wav) > 0.01)
        return [(frames[0] / fs, (frames[-1] + 1) / fs)] if len(frames) else []


def conversations(folder, levels: dict[str, tuple[float, float]], texts: list[str]):
    """Files of two channels at constant levels, each asked to say ``texts``."""
    data, lines = DataDir(), []
    for file, pair in levels.items():
        audio.write(folder / f"{file}.wav", np.full((FS, 2), pair, np.float32), FS)
        recos = [f"{file}-A", f"{file}-B"]
        for reco, channel in zip(recos, "AB", strict=True):
            data.wav[reco], data.reco2dur[reco] = str(folder / f"{file}.wav"), 1.0
            data.reco2file_and_channel[reco] = (file, channel)
        lines.append(json.dumps({"id": recos[0], "texts": dict(zip(recos, texts, strict=True))}))
    data.write(folder)
    (folder / "meta.jsonl").write_text("".join(line + "\n" for line in lines))


@pytest.mark.parametrize(
    ("levels", "value", "baseline"),
    [
        ({"x": (0.5, 0.1)}, 0, 100),
        ({"x": (0.1, 0.5)}, 100, 0),  # both speak, each the other's words
        ({"x": (0.5, 0.1), "y": (0.1, 0.5)}, 50, 50),
        ({"x": (0.5, 0.0)}, 50, 100),  # the second is silent
    ],
)
def test_each_channel_is_held_to_its_own_speakers_words(tmp_path, levels, value, baseline):
    conversations(tmp_path, levels, ["loud", "soft"])
    [score] = spoken_turns.score([Judge(Loudness())], tmp_path, FS, "test", Sounding())
    assert (score.metric, score.value, score.baseline) == ("wer_turns_loudness", value, baseline)
    assert (score.count, score.baseline_name) == (2 * len(levels), "the other speaker's words")
    assert "threshold" in score.protocol


def test_nothing_spoken_is_an_error(tmp_path):
    conversations(tmp_path, {"x": (0.5, 0.1)}, ["loud", "soft"])
    (tmp_path / "meta.jsonl").write_text("")
    with pytest.raises(AudiolmError, match="nothing was spoken; run the stage 'generate' with mode turns"):
        spoken_turns.score([], tmp_path, FS, "test", Sounding())
