import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError
from audiolm.simulate.backends import voice_backend
from audiolm.simulate.corpus import collect, speak
from audiolm.simulate.script import Script, ScriptLine, Speaker, read_scripts

SIZES = ["--hours", "0.03", "--eval_minutes", "0.5"]


def simulate(dir: Path, jobs: list[int], **options) -> Path:
    assert main(["simulate", "scripts", "--dir", str(dir), *SIZES]) == 0
    for job in jobs:
        argv = ["simulate", "speak", "--dir", str(dir), "--job", str(job), "--num_jobs", str(len(jobs))]
        assert main(argv) == 0
    assert main(["simulate", "tables", "--dir", str(dir)]) == 0
    return dir / "data"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return simulate(tmp_path_factory.mktemp("whole"), [1])


def sums(data: Path) -> dict[str, str]:
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes().replace(str(data).encode(), b"")).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_the_tables_are_a_sound_data_directory(data, name):
    assert not examine(data / name).problems
    tables = DataDir.read(data / name)
    words, turns = tables.words(), tables.turns()
    assert set(" ".join(tables.text.values()).split()) <= set((data / "local" / "words.txt").read_text().split())
    for reco in tables.recos:
        own = sorted((place.start, utt) for utt, place in tables.segments.items() if place.reco == reco)
        assert [word.word for word in words[reco]] == " ".join(tables.text[utt] for _, utt in own).split()
        assert [turn.start for turn in turns[reco]] == pytest.approx([start for start, _ in own])
        assert {turn.speaker for turn in turns[reco]} == {tables.utt2spk[own[0][1]]}


def test_the_words_are_heard_where_they_are_said_to_be(data):
    tables = DataDir.read(data / "test")
    words = tables.words()
    for reco in tables.recos:
        wav = tables.audio(reco)
        spoken = np.zeros(len(wav), dtype=bool)
        for word in words[reco]:
            spoken[round(word.start * 16000) : round((word.end + 0.06) * 16000)] = True  # 60 ms for rooms and decays
        assert 20 * np.log10(wav[spoken].std() / wav[~spoken].std()) > 25


def test_any_number_of_jobs_and_any_interruption_give_the_same_files(data, tmp_path):
    again = simulate(tmp_path, [3, 1, 2])
    assert sums(again) == sums(data)
    lost = next((again / "local" / "audio" / "train").glob("*.json"))
    lost.unlink()
    lost.with_suffix(".flac").write_bytes(b"half")
    assert sums(simulate(tmp_path, [1])) == sums(data)


def test_what_is_done_is_not_done_again(tmp_path):
    script = Script("one", {c: Speaker("us_adam") for c in "AB"}, [ScriptLine("A", "hello", gap=0.0)])
    speak(script, voice_backend("espeak"), tmp_path, 16000, seed=0)
    before = (tmp_path / "one.flac").stat().st_mtime_ns
    speak(script, voice_backend("espeak"), tmp_path, 16000, seed=0)
    assert (tmp_path / "one.flac").stat().st_mtime_ns == before
    speak(script, voice_backend("espeak"), tmp_path, 16000, seed=1)
    assert (tmp_path / "one.flac").stat().st_mtime_ns > before


def test_what_cannot_be_spoken_is_rejected_with_the_reason(tmp_path):
    speakers = {c: Speaker("us_adam") for c in "AB"}
    good = Script("good", speakers, [ScriptLine("A", "hello", gap=0.0)])
    bad = Script("bad", speakers, [ScriptLine("B", "that one two", gap=0.0)])
    for script in (good, bad):
        speak(script, voice_backend("espeak"), tmp_path, 16000, seed=0)
    tables, rejected = collect([good, bad], tmp_path)
    assert sorted(tables.wav) == ["good-A", "good-B"]
    assert list(rejected) == ["bad"] and "joins or splits" in rejected["bad"]
    (tmp_path / "good.json").unlink()
    with pytest.raises(AudiolmError, match="'good' has not been spoken"):
        collect([good, bad], tmp_path)


def test_too_many_rejected_dialogues_stop_the_stage(data, tmp_path, capsys):
    assert main(["simulate", "scripts", "--dir", str(tmp_path), *SIZES]) == 0
    path = tmp_path / "data" / "local" / "scripts" / "dev.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["speakers"]["A"]["voice"] = "nobody"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(read_scripts(path)) == len(lines)
    assert main(["simulate", "speak", "--dir", str(tmp_path), "--sets", "dev"]) == 0
    assert main(["simulate", "tables", "--dir", str(tmp_path), "--sets", "dev"]) == 1
    assert "1 of" in capsys.readouterr().err
    assert "unknown voice 'nobody'" in (tmp_path / "data" / "dev" / "rejected.tsv").read_text()
