import json

import pytest

from audiolm.errors import AudiolmError
from audiolm.simulate.script import Script, ScriptLine, Speaker, compose_set, read_scripts, write_scripts

VOICES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return compose_set("train", "train", 1200, VOICES, seed=3)


def test_dialogues_are_as_ordered(scripts):
    assert sum(script.expected_duration for script in scripts) >= 1200
    assert len({tuple(line.text for line in script.lines) for script in scripts}) == len(scripts)
    for script in scripts:
        assert 19 <= script.expected_duration <= 40
        assert script.speakers["A"].voice != script.speakers["B"].voice
        assert {line.channel for line in script.lines} == {"A", "B"}
    lines = [line for script in scripts for line in script.lines]
    assert any(line.at is not None for line in lines), "no backchannels"
    assert any(line.gap is not None and line.gap < 0 for line in lines), "no overlaps"


def test_the_seed_decides_everything(scripts):
    assert compose_set("train", "train", 1200, VOICES, seed=3) == scripts
    assert compose_set("train", "train", 1200, VOICES, seed=4) != scripts
    fewer = compose_set("train", "train", 600, VOICES, seed=3)
    assert fewer == scripts[: len(fewer)]


def test_writing_and_reading_are_inverse(scripts, tmp_path):
    write_scripts(tmp_path / "train.jsonl", scripts)
    assert read_scripts(tmp_path / "train.jsonl") == scripts


SPEAKERS = {"A": {"voice": "a"}, "B": {"voice": "b"}}


@pytest.mark.parametrize(
    "fields, message",
    [
        ("{", "not a dialogue script"),
        ({"id": "x", "lines": []}, "not a dialogue script"),
        ({"id": "x", "speakers": SPEAKERS, "lines": []}, "has no first turn"),
        ({"id": "x", "speakers": SPEAKERS, "lines": [{"channel": "A", "text": "hi", "pause": 1}]}, "pause"),
        ({"id": "x", "speakers": SPEAKERS, "lines": [{"channel": "C", "text": "hi", "gap": 1}]}, "channel A or B"),
        ({"id": "x", "speakers": SPEAKERS, "lines": [{"channel": "A", "text": "hi", "gap": 1, "at": 0.5}]}, "either"),
    ],
)
def test_faults_name_file_and_line(tmp_path, fields, message):
    good = Script("good", {c: Speaker("a") for c in "AB"}, [ScriptLine("A", "hi", gap=0.0)])
    write_scripts(tmp_path / "own.jsonl", [good])
    with (tmp_path / "own.jsonl").open("a") as file:
        file.write(fields if isinstance(fields, str) else json.dumps(fields))
    with pytest.raises(AudiolmError, match=f"own.jsonl:2: .*{message}"):
        read_scripts(tmp_path / "own.jsonl")
