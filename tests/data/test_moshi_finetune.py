"""moshi-finetune's stereo WAV, JSON and JSONL: written as that project reads them, and read back."""

import json

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.moshi_finetune import export_moshi_finetune, import_moshi_finetune
from audiolm.data.tables import Word
from audiolm.data.tools import rejections
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError


@pytest.fixture
def data(tmp_path):
    """A call whose channels are two files of different length, with words on both; and a recording of one channel."""
    left, right = np.random.default_rng(0).integers(-9000, 9000, (2, 24000)).astype(np.float32) / 2**15
    audio.write(tmp_path / "a.flac", left, 8000)
    audio.write(tmp_path / "b.flac", right[:16000], 8000)
    return DataDir(
        wav={"call-A": f"{tmp_path}/a.flac", "call-B": f"{tmp_path}/b.flac", "mono": f"{tmp_path}/a.flac"},
        reco2file_and_channel={"call-A": ("call", "A"), "call-B": ("call", "B")},
        reco2dur={"call-A": 3.0, "call-B": 2.0, "mono": 3.0},
        rttm=[],
        ctm=[
            Word("call", "A", 0.25, 0.25, "hello"),
            Word("call", "A", 0.75, 0.5, "“there”"),
            Word("call", "A", 2.0, 0.25, "bye"),
            Word("call", "B", 0.5, 0.125, "yes"),
        ],
    )


def words_of(data, reco):
    return [(word.word, word.start, word.end) for word in data.words()[reco]]


def test_left_is_moshi_and_its_words_are_the_main_speakers(data, tmp_path):
    rejected = export_moshi_finetune(data, tmp_path / "out", ["A", "B"])
    assert rejected == [("mono", "'mono' has 1 channel(s) (mono), expected A and B")]
    lines = [json.loads(line) for line in (tmp_path / "out/data.jsonl").read_text().splitlines()]
    assert lines == [{"path": f"data_stereo/call-{side}.wav", "duration": 3.0} for side in "AB"]
    wav, fs = audio.read_channels(str(tmp_path / "out/data_stereo/call-B.wav"))
    assert fs == 8000 and np.array_equal(wav[:, 1], data.audio("call-A"))
    assert np.array_equal(wav[:16000, 0], data.audio("call-B")) and not wav[16000:, 0].any()
    found = json.loads((tmp_path / "out/data_stereo/call-A.json").read_text())
    assert found["alignments"] == [
        ["hello", [0.25, 0.5], "SPEAKER_MAIN"],
        ["yes", [0.5, 0.625], "SPEAKER_USER"],
        ["“there”", [0.75, 1.25], "SPEAKER_MAIN"],
        ["bye", [2.0, 2.25], "SPEAKER_MAIN"],
    ]


def test_there_and_back(data, tmp_path):
    export_moshi_finetune(data, tmp_path / "out")
    back, rejected = import_moshi_finetune(tmp_path / "out/data.jsonl")
    assert rejected == [] and back.recos == ["call-A-A", "call-A-B"]
    for reco, was in (("call-A-A", "call-A"), ("call-A-B", "call-B")):
        assert words_of(back, reco) == words_of(data, was)
    assert np.array_equal(back.audio("call-A-A"), data.audio("call-A"))
    assert back.text == {
        "call-A-A-000025-000125": "hello “there”",
        "call-A-A-000200-000225": "bye",
        "call-A-B-000050-000062": "yes",
    }
    assert [(turn.channel, turn.start, turn.end) for turn in back.rttm] == [
        ("1", 0.25, 1.25),
        ("1", 2.0, 2.25),
        ("2", 0.5, 0.625),
    ]
    export_moshi_finetune(back, tmp_path / "again")
    for name in ("call-A.wav", "call-A.json"):
        again = tmp_path / "again/data_stereo" / name.replace("-A", "-A-A")
        assert again.read_bytes() == (tmp_path / "out/data_stereo" / name).read_bytes()


def test_the_verb_goes_both_ways(data, tmp_path, capsys):
    data.write(tmp_path / "data")
    source, out, back = (str(tmp_path / name) for name in ("data", "out", "back"))
    assert main(["datadir", "export", "moshi_finetune", source, out, "--main", "A", "B"]) == 0
    assert "3 recordings; 1 left out, see" in capsys.readouterr().out
    assert main(["datadir", "import", "moshi_finetune", f"{out}/data.jsonl", back]) == 0
    assert main(["datadir", "validate", "--audio", back]) == 0
    assert len(DataDir.read(back).wav) == 4


def test_words_that_no_ctm_can_hold_are_named(tmp_path, capsys):
    audio.write(tmp_path / "c.wav", np.zeros((16000, 2)), 8000)
    entries = [
        ["kept", [0.5, 1.0], "SPEAKER_MAIN"],
        ["cut", [1.75, 2.25], "SPEAKER_USER"],
        ["late", [2.0, 2.25], "SPEAKER_USER"],
        ["back", [1.5, 1.0], "SPEAKER_MAIN"],
        ["never", [float("nan"), 1.0], "SPEAKER_MAIN"],
        ["who", [0.0, 0.5], "SPEAKER_00"],
        ["whom", [0.5, 0.75], "SPEAKER_00"],
    ]
    (tmp_path / "c.json").write_text("\ufeff" + json.dumps({"alignments": entries}))
    (tmp_path / "d.jsonl").write_text('\ufeff{"path": "c.wav"}\n')
    out = tmp_path / "out"
    assert main(["datadir", "import", "moshi_finetune", str(tmp_path / "d.jsonl"), str(out)]) == 0
    said = capsys.readouterr()
    named = [reason.removeprefix("c.json: ") for _, reason in rejections(out / "rejected.tsv")]
    assert named == [
        "word 'late' goes from 2.00 to 2.25 s, the recording ends at 2.00 s",
        "word 'back' goes from 1.5 to 1 s, expected 0 <= start <= end",
        "word 'never' goes from nan to 1 s, expected 0 <= start <= end",
        "2 words of label 'SPEAKER_00' (the first: 'who'), expected SPEAKER_MAIN or SPEAKER_USER",
    ]
    assert all(reason in said.err for reason in named) and "4 left out, see" in said.out
    assert examine(out, open_audio=True).problems == []
    data = DataDir.read(out)
    assert words_of(data, "c-A") == [("kept", 0.5, 1.0)] and words_of(data, "c-B") == [("cut", 1.75, 2.0)]


def test_data_sets_of_others(tmp_path):
    stereo = np.zeros((8000, 2))
    for name in ("a b", "untranscribed", "bad"):
        audio.write(tmp_path / "wavs" / f"{name}.wav", stereo, 8000)
    audio.write(tmp_path / "wavs/mono.wav", stereo[:, 0], 8000)
    whisper = {"alignments": [[" New York", [0.0, 0.5], "SPEAKER_MAIN"], ["", [0.5, 0.6], "SPEAKER_MAIN"]]}
    (tmp_path / "wavs/a b.json").write_text(json.dumps(whisper))
    (tmp_path / "wavs/bad.json").write_text('{"alignments": [["x", 0.0]]}')
    names = ("a b", "untranscribed", "bad", "mono", "gone")
    lines = [json.dumps({"path": f"wavs/{name}.wav", "duration": 1.0}) for name in names]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    data, rejected = import_moshi_finetune(tmp_path / "d.jsonl")
    assert words_of(data, "a_b-A") == [("New", 0.0, 0.25), ("York", 0.25, 0.5)]
    reasons = dict(rejected)
    assert "no transcript" in reasons["untranscribed"] and "expected two" in reasons["mono"]
    assert "bad.json is not" in reasons["bad"] and "No such file" in reasons["gone"]
    (tmp_path / "d.jsonl").write_text('{"file": "x"}')
    with pytest.raises(AudiolmError, match="d.jsonl:1: found no 'path'"):
        import_moshi_finetune(tmp_path / "d.jsonl")
