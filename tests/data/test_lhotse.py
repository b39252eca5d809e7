"""lhotse's manifests: what we write has its schema and passes its checks, and comes back as it was."""

import gzip
import json

import numpy as np
import pytest
from directories import contents

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.lhotse import export_lhotse, import_lhotse
from audiolm.data.tables import Segment, Turn, Word
from audiolm.data.tools import rejections
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError

# Fields of lhotse's dataclasses (lhotse 1.32): those without a default, and the others.
RECORDING = ({"id", "sources", "sampling_rate", "num_samples", "duration"}, {"channel_ids", "transforms"})
SOURCE = ({"type", "channels", "source"}, {"video"})
SUPERVISION = (
    {"id", "recording_id", "start", "duration"},
    {"channel", "text", "language", "speaker", "gender", "custom", "alignment"},
)


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def fits(item, fields):
    required, optional = fields
    assert required <= item.keys() <= required | optional
    return item


@pytest.fixture
def data(tmp_path):
    """A call of two channels in one file, one in two files, and a recording of one channel."""
    wav = np.random.default_rng(0).normal(0, 0.05, (24000, 2)).astype(np.float32)
    audio.write(tmp_path / "call.flac", wav, 8000)
    for channel in (0, 1):
        audio.write(tmp_path / f"pair{channel}.wav", wav[:, channel], 8000)
    audio.write(tmp_path / "one.wav", wav[:16000, 0], 16000)
    return DataDir(
        wav={
            "call-A": str(tmp_path / "call.flac"),
            "call-B": str(tmp_path / "call.flac"),
            "one": str(tmp_path / "one.wav"),
            "pair-A": str(tmp_path / "pair0.wav"),
            "pair-B": str(tmp_path / "pair1.wav"),
        },
        segments={
            "ann-1": Segment("call-A", 0.5, 1.5),
            "ann-2": Segment("call-A", 2.0, 2.75),
            "bob-1": Segment("call-B", 1.25, 2.0),
            "eve-1": Segment("one", 0.0, 1.0),
            "eve-2": Segment("pair-B", 0.1, 0.3),
        },
        text={"ann-1": "naïve “yes”", "ann-2": "go", "bob-1": "hello", "eve-1": "whole"},
        utt2spk={"ann-1": "ann", "ann-2": "ann", "bob-1": "bob", "eve-1": "eve", "eve-2": "eve"},
        reco2file_and_channel={
            f"{file}-{channel}": (file, channel) for file in ("call", "pair") for channel in ("A", "B")
        },
        reco2dur={"call-A": 3.0, "call-B": 3.0, "one": 1.0, "pair-A": 3.0, "pair-B": 3.0},
        rttm=[
            Turn("call", "1", 0.5, 1.0, "ann"),
            Turn("call", "2", 1.25, 0.75, "bob"),
            Turn("one", "1", 0.0, 1.0, "eve"),
        ],
        ctm=[
            Word("call", "A", 0.5, 0.25, "naïve", 0.75),
            Word("call", "A", 1.0, 0.5, "“yes”"),
            Word("call", "B", 1.25, 0.5, "hello"),
            Word("one", "A", 0.25, 0.0, "whole"),
        ],
        others={"spk2gender": {"ann": "f", "bob": "m"}, "utt2lang": {"bob-1": "English"}},
    )


def test_what_is_written_has_lhotses_schema(data, tmp_path):
    assert export_lhotse(data, tmp_path / "out") == []
    recordings = {item["id"]: fits(item, RECORDING) for item in lines(tmp_path / "out/recordings.jsonl.gz")}
    assert recordings["call"]["sources"] == [
        {"type": "file", "channels": [0, 1], "source": str(tmp_path / "call.flac")}
    ]
    assert [source["channels"] for source in recordings["pair"]["sources"]] == [[0], [1]]
    assert (recordings["one"]["sampling_rate"], recordings["one"]["num_samples"]) == (16000, 16000)
    for item in recordings.values():
        assert all(fits(source, SOURCE) for source in item["sources"])
        assert item["duration"] == item["num_samples"] / item["sampling_rate"]
    supervisions = {item["id"]: fits(item, SUPERVISION) for item in lines(tmp_path / "out/supervisions.jsonl.gz")}
    assert supervisions["ann-1"] == {
        "id": "ann-1",
        "recording_id": "call",
        "start": 0.5,
        "duration": 1.0,
        "channel": 0,
        "text": "naïve “yes”",
        "speaker": "ann",
        "gender": "F",
        "alignment": {"word": [["naïve", 0.5, 0.25, 0.75], ["“yes”", 1.0, 0.5, 1.0]]},
    }
    assert supervisions["bob-1"]["channel"] == 1 and supervisions["bob-1"]["language"] == "English"
    turns = [fits(item, SUPERVISION) for item in lines(tmp_path / "out/turns.jsonl.gz")]
    assert [(turn["speaker"], turn["channel"]) for turn in turns] == [("ann", 0), ("bob", 1), ("eve", 0)]
    for item in (*supervisions.values(), *turns):  # what lhotse's validate_recordings_and_supervisions asks for
        whole = recordings[item["recording_id"]]
        assert item["duration"] > 0 and item["start"] >= -1e-3
        assert item["start"] + item["duration"] <= whole["duration"] + 1e-3
        assert item["channel"] in whole["channel_ids"]


def test_there_and_back(data, tmp_path):
    export_lhotse(data, tmp_path / "out")
    back, rejected = import_lhotse(tmp_path / "out")
    assert rejected == [] and contents(back) == contents(data)
    assert np.array_equal(back.audio("call-B"), data.audio("call-B"))
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    export_lhotse(back, tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first


def test_words_outside_utterances_are_named(data, tmp_path):
    data.ctm.append(Word("call", "A", 2.8, 0.1, "lost"))
    assert export_lhotse(data, tmp_path) == [("call-A", "word 'lost' at 2.80 s is in no utterance")]
    assert "lost" in (tmp_path / "rejected.tsv").read_text()


def test_the_verb_goes_both_ways(data, tmp_path, capsys):
    data.write(tmp_path / "data")
    assert main(["datadir", "export", "lhotse", str(tmp_path / "data"), str(tmp_path / "out")]) == 0
    assert main(["datadir", "import", "lhotse", str(tmp_path / "out"), str(tmp_path / "back")]) == 0
    assert "5 recordings, 5 utterances" in capsys.readouterr().out
    assert main(["datadir", "validate", str(tmp_path / "back")]) == 0
    assert contents(DataDir.read(tmp_path / "back")) == contents(DataDir.read(tmp_path / "data"))


RECORDINGS = [
    {
        "id": "a",
        "sources": [{"type": "file", "channels": [0], "source": "audio/a.wav"}],
        "sampling_rate": 16000,
        "num_samples": 16000,
        "duration": 1.0,
    },
    {
        "id": "url",
        "sources": [{"type": "url", "channels": [0], "source": "https://x/y.wav"}],
        "sampling_rate": 16000,
        "num_samples": 16000,
        "duration": 1.0,
    },
    {
        "id": "a_sp1.1",
        "sources": [{"type": "file", "channels": [0], "source": "audio/a.wav"}],
        "sampling_rate": 16000,
        "num_samples": 14545,
        "duration": 0.909,
        "transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}],
    },
]
SUPERVISIONS = [
    {
        "id": "a",
        "recording_id": "a",
        "start": 0.0,
        "duration": 1.0,
        "channel": [0],
        "text": "one  two",
        "speaker": "Ann Smith",
        "gender": "female",
        "custom": {"x": 1},
        "alignment": {"word": [{"symbol": "one", "start": 0.0, "duration": 0.5}, ["two", 0.5, 0.5, None]], "phone": []},
    },
    {"id": "late", "recording_id": "a", "start": 0.5, "duration": 2.0, "channel": 0},
    {"id": "nowhere", "recording_id": "url", "start": 0.0, "duration": 1.0, "channel": 0},
]


def write(folder, **manifests):
    for name, items in manifests.items():
        folder.mkdir(exist_ok=True)
        (folder / f"x_{name}_all.jsonl").write_text("".join(f"{json.dumps(item)}\n" for item in items))


def test_manifests_as_lhotse_writes_them(tmp_path):
    audio.write(tmp_path / "audio/a.wav", np.zeros(16000), 16000)
    write(tmp_path, recordings=RECORDINGS, supervisions=SUPERVISIONS[:1])
    data, rejected = import_lhotse(tmp_path)
    assert data.wav == {"a": str(tmp_path / "audio/a.wav")} and data.segments == {}
    assert (data.text, data.utt2spk) == ({"a": "one two"}, {"a": "Ann_Smith"})
    assert data.others == {"spk2gender": {"Ann_Smith": "f"}}
    assert [(word.word, word.start, word.end) for word in data.ctm] == [("one", 0.0, 0.5), ("two", 0.5, 1.0)]
    assert [id for id, _ in rejected] == ["url", "a_sp1.1"]
    write(tmp_path, supervisions=SUPERVISIONS)
    data, rejected = import_lhotse(tmp_path)
    assert rejected[2:] == [
        ("late", "goes from 0.5 to 2.5 s of 1 s of recording 'a'"),
        ("nowhere", "recording 'url' has no channel 0 among those read"),
    ]


def test_what_is_imported_validates_and_the_rest_is_named(tmp_path, capsys):
    audio.write(tmp_path / "audio/a.wav", np.zeros(16000), 16000)
    recording = {**RECORDINGS[0], "id": "my talk"}
    whole = {"recording_id": "my talk", "start": 0.25, "duration": 0.5, "channel": 0, "text": "x"}
    words = [
        ["good", 0.25, 0.25, 0.5],
        ["unsure", 0.5, 0.125, float("nan")],
        ["back", 0.5, -0.125, 1.0],
        ["long", 0.75, 0.5, 1.0],
        ["late", 1.5, 0.25, 1.0],
    ]
    supervisions = [
        {**whole, "id": "u 1", "speaker": "Jo Doe", "alignment": {"word": words}},
        {**whole, "id": "u 1", "text": "again"},
        {**whole, "id": "u2", "start": 0.5, "duration": 0.505},
        {**whole, "id": "u3", "duration": float("nan")},
        {**whole, "id": "u4", "channel": []},
        {**whole, "id": "u5", "channel": [0, 1]},
    ]
    gone = {**RECORDINGS[0], "id": "gone", "sources": [{"type": "file", "channels": [0], "source": "gone.wav"}]}
    write(tmp_path, recordings=[recording, {**recording, "duration": 9.0}, gone], supervisions=supervisions)
    write(tmp_path, turns=[{**whole, "id": "t", "speaker": "Jo Doe"}])
    path = tmp_path / "x_recordings_all.jsonl"
    path.write_text("\ufeff" + path.read_text())
    assert main(["datadir", "import", "lhotse", str(tmp_path), str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert examine(tmp_path / "out", open_audio=True).problems == []
    data = DataDir.read(tmp_path / "out")
    assert data.recos == ["my_talk"] and data.utt2spk == {"u_1": "Jo_Doe", "u2": "u2", "u5": "u5"}
    assert data.segments["u2"] == Segment("my_talk", 0.5, 1.0) and data.rttm[0].speaker == "Jo_Doe"
    assert [(word.word, word.end, word.confidence) for word in data.ctm] == [
        ("good", 0.5, 0.5),
        ("unsure", 0.625, 1.0),
        ("long", 1.0, 1.0),
    ]
    reasons = rejections(tmp_path / "out/rejected.tsv")
    assert [(id, reason[:31]) for id, reason in reasons] == [
        ("my_talk", "the id 'my_talk' comes twice; t"),
        ("u_1", "word 'back' begins at 0.5 s and"),
        ("u_1", "word 'late' goes from 1.50 to 1"),
        ("u_1", "the id 'u_1' comes twice; the f"),
        ("u3", "goes from 0.25 to nan s of 1 s "),
        ("u4", "recording 'my_talk' has no chan"),
        ("u5", "is of channels [0, 1]; kept as "),
        ("gone", "wav.scp: 'gone': cannot read au"),
    ]
    assert all(reason in said.err for _, reason in reasons) and "8 left out, see" in said.out


def test_what_no_line_can_hold_is_left_out_alone(tmp_path):
    audio.write(tmp_path / "audio/a.wav", np.zeros(16000), 16000)
    strange = {"b": "line\nfeed.wav", "c": "cat x |"}
    others = [
        {**RECORDINGS[0], "id": id, "sources": [{**RECORDINGS[0]["sources"][0], "source": source}]}
        for id, source in strange.items()
    ]
    items = [["half\ud83d", 0.0, 0.5, 1.0], ["whole", 0.5, 0.25, 1.0]]
    said = {"id": "u", "recording_id": "a", "start": 0.0, "duration": 0.75, "channel": 0, "text": "half\ud83d"}
    write(tmp_path, recordings=[RECORDINGS[0], *others], supervisions=[{**said, "alignment": {"word": items}}])
    assert main(["datadir", "import", "lhotse", str(tmp_path), str(tmp_path / "out"), "--allow_pipes"]) == 0
    data = DataDir.read(tmp_path / "out")
    assert (data.recos, data.utts, data.text) == (["a"], ["u"], {}) and [word.word for word in data.ctm] == ["whole"]
    assert [(id, reason[:9]) for id, reason in rejections(tmp_path / "out/rejected.tsv")] == [
        ("c", "its file "),
        ("b", "wav.scp: "),
        ("u", "text: no "),
        ("ctm", "ctm: 1 wo"),
    ]


def test_words_of_a_directory_without_text_are_exported(data, tmp_path):
    words = DataDir(wav={"one": data.wav["one"]}, reco2dur={"one": 1.0}, rttm=[], ctm=[data.ctm[-1]])
    assert export_lhotse(words, tmp_path / "out") == []
    assert import_lhotse(tmp_path / "out")[0].ctm == words.ctm


def test_manifests_that_cannot_be_read(tmp_path):
    with pytest.raises(AudiolmError, match=r"no recordings manifest \(recordings.jsonl.gz\) in"):
        import_lhotse(tmp_path)
    command = {**RECORDINGS[0], "sources": [{"type": "command", "channels": [0], "source": "cat a.wav"}]}
    write(tmp_path, recordings=[command])
    with pytest.raises(AudiolmError, match="'a' is a command, which runs a shell; use --allow_pipes"):
        import_lhotse(tmp_path)
    assert import_lhotse(tmp_path, allow_pipes=True)[0].wav == {"a": "cat a.wav |"}
    write(tmp_path, recordings=[{"id": "cut", "type": "MonoCut"}])
    with pytest.raises(AudiolmError, match="is no recording of lhotse .* cuts are not read"):
        import_lhotse(tmp_path)
    (tmp_path / "x_recordings_all.jsonl").write_text("{")
    with pytest.raises(AudiolmError, match="x_recordings_all.jsonl:1 is not JSON lines"):
        import_lhotse(tmp_path)
    write(tmp_path, recordings_dev=[])
    with pytest.raises(AudiolmError, match="has 2 manifests of recordings"):
        import_lhotse(tmp_path)
